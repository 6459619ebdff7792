"""`vuon trinh-phat` and `vuon chuyen-tiep` from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.wire import Reply, Request
from tests.fakes import cli_box as fake
from tests.fakes.cli_box import Answer, CliBox, cli_box

MADE = {"token": "t0ken", "id": "p" * 16, "until_ms": 1_790_219_732_000, "url": "https://box/whep/"}
ROW = {"id": "p" * 16, "label": "TV [sảnh]", "person": "Cô Hà", "role": "principal", "until_ms": 1_790_219_732_000}
PLAYERS: dict[str, Answer] = {
    "player.new": MADE,
    "player.list": {"players": [ROW]},
    "player.end": {"id": "p" * 16, "label": "TV"},
}
SERVERS = {"stun": ["stun:s"], "turn": ["turn:t"], "relay": True, "secret_set": True}


def test_a_token_is_made_and_told_once(tmp_path: Path) -> None:
    """Token, address and date are printed; the words go over as they were said."""
    with cli_box(tmp_path, {"gateway": PLAYERS}) as box:
        done = box.vuon("trinh-phat", "tao", "Cô Hà", "TV sảnh", "--ngay", "7")
        assert box.calls == [("gateway", "player.new", {"person": "Cô Hà", "label": "TV sảnh", "days": 7})]
        assert box.vuon("player", "new", "Cô Hà", "TV", "--json").json() == MADE
        assert box.asked("player.new")[1]["days"] == 90
    assert done.code == 0
    for word in ("t0ken", "https://box/whep/", "24/09/2026", "vuon status --json"):
        assert word in done.out


@pytest.mark.parametrize("days", ["0", "401", "x"])
def test_days_are_looked_at_before_anybody_is_asked(tmp_path: Path, days: str) -> None:
    """A wrong number makes nothing."""
    with cli_box(tmp_path, {"gateway": PLAYERS}) as box:
        assert box.vuon("player", "new", "Cô Hà", "TV", "--days", days).code != 0
        assert box.calls == []


def test_tokens_are_listed_and_ended(tmp_path: Path) -> None:
    """With label, person, id and date; names are no markup; none is said."""
    with cli_box(tmp_path, {"gateway": PLAYERS}) as box:
        listed = box.vuon("trinh-phat", "danh-sach").out
        assert all(word in listed for word in ("TV [sảnh]", "Cô Hà", "p" * 16, "24/09/2026"))
        assert box.vuon("player", "list", "--json").json() == {"players": [ROW]}
        assert "TV" in box.vuon("trinh-phat", "huy", "TV").out
        assert box.asked("player.end") == [{"player": "TV"}]
    with cli_box(tmp_path, {"gateway": {"player.list": {"players": []}}}) as box:
        assert "no player token" in box.vuon("player", "list").out


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (SERVERS, ["stun:s", "turn:t", "is set", "relay = true"]),
        (SERVERS | {"secret_set": False, "relay": False}, ["vuon turn secret", "relay = false"]),
        (SERVERS | {"stun": [], "turn": []}, ["No server"]),
    ],
)
def test_the_servers_are_shown(tmp_path: Path, state: dict[str, Any], says: list[str]) -> None:
    """Which, whether the secret is there, and whether the box uses them itself."""
    with cli_box(tmp_path, {"gateway": {"turn.status": state}}) as box:
        shown = box.vuon("chuyen-tiep", "tinh-trang").out
        assert all(word in shown for word in says)
        assert box.vuon("turn", "status", "--json").json() == state


def test_the_secret_is_typed_and_travels_beside_the_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an argument nor printed; forgetting it is one call."""
    blobs: list[bytes] = []
    real = fake._handler

    def handler(box: CliBox, name: str, method: str, answer: Answer) -> Any:
        inner = real(box, name, method, answer)

        async def handle(request: Request) -> Reply:
            blobs.append(request.blob)
            return await inner(request)  # type: ignore[return-value]  # no stream here

        return handle

    monkeypatch.setattr(fake, "_handler", handler)
    with cli_box(tmp_path, {"gateway": {"turn.secret": {}, "turn.forget": {"was_set": True}}}) as box:
        done = box.vuon("turn", "secret", typed="north-of-the-river\n")
        assert done.code == 0
        assert "north" not in done.out + done.err
        assert box.vuon("chuyen-tiep", "quen").code == 0
        assert box.calls == [("gateway", "turn.secret", {}), ("gateway", "turn.forget", {})]
    assert blobs == [b"north-of-the-river", b""]


@pytest.mark.parametrize(("was_set", "says"), [(True, "secret is forgotten"), (False, "no shared secret to forget")])
def test_forgetting_says_what_there_was(tmp_path: Path, was_set: bool, says: str) -> None:
    """Nothing is not forgotten."""
    with cli_box(tmp_path, {"gateway": {"turn.forget": {"was_set": was_set}}}) as box:
        done = box.vuon("turn", "forget")
    assert done.code == 0
    assert says in done.out


def test_a_piped_secret_warns_of_nothing_and_an_empty_pipe_asks_nobody(tmp_path: Path) -> None:
    """One line is read; nothing stands on standard error; without a line no call is made."""
    with cli_box(tmp_path, {"gateway": {"turn.secret": {}}}) as box:
        done = box.vuon("turn", "secret", typed="north-of-the-river\n")
        assert (done.code, done.err) == (0, "")
        assert box.vuon("turn", "secret", typed="").code != 0
        assert len(box.calls) == 1
