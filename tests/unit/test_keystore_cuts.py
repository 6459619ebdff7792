"""A cut at any step of a change of key: one whole state afterwards, and every hour opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.core import files
from gateway.core.errors import PassphraseRefused
from recorder import keycard, keyplace
from recorder.keystore import KeyStore, Proof, Unlock
from tests.fakes.key_school import NEW, OLD, School, sheet


@pytest.fixture
def school(tmp_path: Path) -> School:
    """An empty key folder."""
    return School(tmp_path)


def _first_passphrase(store: KeyStore) -> None:
    """The configuration was changed; then somebody sets the words."""
    store.mode = "passphrase"
    store.set_passphrase(None, OLD)


class CutError(Exception):
    """The power went."""


ACTS: dict[str, tuple[Unlock, Callable[[KeyStore], None]]] = {
    "rotate the box's key": ("box", lambda store: store.turn(None, None)),
    "rotate under a passphrase": ("passphrase", lambda store: store.turn(Proof(OLD), None)),
    "first passphrase": ("box", _first_passphrase),
    "new passphrase": ("passphrase", lambda store: store.set_passphrase(Proof(OLD), NEW)),
    "a holder": ("box", lambda store: store.set_holder(None, 1, sheet()[1])),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_cut_at_any_step_loses_no_footage(school: School, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """Killed before each write in turn: the next start finds one whole state, and what was written opens."""
    mode, change = ACTS[act]
    for cut in range(1, 12):
        folder = school.folder / str(cut)
        folder.mkdir()
        one = School(folder)
        store = one.start(mode)
        if mode == "passphrase":
            store.set_passphrase(None, OLD)
        one.write(store)
        left = [cut]
        with monkeypatch.context() as patch:
            _cut_after(patch, left)
            try:
                change(store)
                done = True
            except CutError:
                done = False
        again = one.start(mode if act != "first passphrase" else "passphrase")
        if not again.school.unlocked:
            with_old = True
            try:
                again.unlock(Proof(OLD))
            except PassphraseRefused:
                with_old = False
            if not with_old:
                again.unlock(Proof(NEW))
        one.write(again)
        assert one.readable(again) == [0, 1], cut
        assert not (folder / "footage.key.next").exists()
        if done:
            return
    raise AssertionError("the act has more steps than were cut")


def _cut_after(patch: pytest.MonkeyPatch, left: list[int]) -> None:
    """Let that many steps on the disk pass; the next one never happens."""

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] < 1:
                raise CutError
            return real(*args, **kwargs)

        return step

    patch.setattr(keycard, "write_whole", counted(files.write_whole))
    patch.setattr(keyplace, "write_whole", counted(files.write_whole))
    patch.setattr(keyplace, "shred", counted(keyplace.shred))
    patch.setattr(Path, "replace", counted(Path.replace))
    patch.setattr(Path, "unlink", counted(Path.unlink))
