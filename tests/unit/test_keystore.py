"""The school's key over its life: made, shut, opened, changed, handed over; guesses slowed down."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.core.errors import BadInput, ConfigError, PassphraseRefused
from gateway.core.keysheet import RecoveryKey
from gateway.core.model import Secret
from recorder.keystore import Proof
from recorder.passphrase import Kdf, open_private, seal_private
from recorder.school import public_of
from tests.fakes.key_school import NEW, OLD, WRONG, School, sheet


@pytest.fixture
def school(tmp_path: Path) -> School:
    """An empty key folder."""
    return School(tmp_path)


def test_a_box_opens_itself(school: School) -> None:
    """`unlock = "box"`: the key is made once, 0600, and found again; the status says that it lies in a file."""
    store = school.start("box")
    school.write(store)
    again = school.start("box")
    assert school.readable(again) == [0]
    assert stat.S_IMODE((school.folder / "footage.key").stat().st_mode) == 0o600
    assert again.status() | {"since_ms": 0} == {
        "mode": "box", "unlocked": True, "place": "file", "disk": "unknown", "passphrase_set": False, "since_ms": 0,
        "former": 0, "holders": [], "left_sealed": [],
    }  # fmt: skip
    with pytest.raises(BadInput):
        again.lock()


def test_the_key_of_an_older_box_stays_in_use(school: School) -> None:
    """A raw key file without a card, as version 0.1 left it, is taken over as it is."""
    private = X25519PrivateKey.generate().private_bytes_raw()
    path = school.folder / "footage.key"
    path.write_bytes(private)
    path.chmod(0o600)
    assert school.start("box").school.recipients == (public_of(private),)


def test_recording_does_not_wait_for_the_first_passphrase(school: School) -> None:
    """Until it is set the key lies on the box, which the status says; setting it makes a new key and shreds the file."""
    store = school.start()
    assert (store.status()["place"], store.status()["passphrase_set"]) == ("file", False)
    before = (school.folder / "footage.key").read_bytes()
    first = school.write(store)
    store.set_passphrase(None, OLD)
    assert not (school.folder / "footage.key").exists()
    assert before not in b"".join(path.read_bytes() for path in school.folder.iterdir())
    second = school.write(store)
    assert school.readable(store) == [first, second]
    locked = school.start()
    assert (locked.status()["unlocked"], locked.status()["place"]) == (False, "passphrase")
    assert school.readable(locked) == []
    school.write(locked)
    locked.unlock(Proof(OLD))
    assert school.readable(locked) == [0, 1, 2]
    locked.lock()
    assert school.readable(locked) == []


def test_the_same_words_typed_otherwise_open(school: School) -> None:
    """Decomposed accents and spaces around it are the same passphrase."""
    store = school.start()
    store.set_passphrase(None, Secret("Bé ngủ trưa lúc mười một giờ"))
    store.lock()
    store.unlock(
        Proof(
            Secret("  Be\u0301 ngu\u0309 tru\u031ba lu\u0301c mu\u031bo\u031b\u0300i mo\u0323\u0302t gio\u031b\u0300 ")
        )
    )
    assert store.school.unlocked


def test_guessing_is_slowed_down(school: School) -> None:
    """Five wrong tries, then 30 s, then 60 s; the right one in a pause is refused unread; afterwards it opens."""
    store = school.start()
    store.set_passphrase(None, OLD)
    store.lock()
    for _ in range(5):
        with pytest.raises(PassphraseRefused) as error:
            store.unlock(Proof(WRONG))
        assert error.value.fields == {"reason": "wrong", "case": "key_wrong"}
    with pytest.raises(PassphraseRefused) as error:
        store.unlock(Proof(OLD))
    assert error.value.fields["reason"] == "wait"
    assert 0 < int(str(error.value.fields["retry_after_s"])) <= 31
    school.clock.tick(31)
    with pytest.raises(PassphraseRefused):
        store.unlock(Proof(WRONG))
    school.clock.tick(31)
    with pytest.raises(PassphraseRefused) as error:
        store.unlock(Proof(OLD))
    assert error.value.fields["reason"] == "wait"
    school.clock.tick(30)
    store.unlock(Proof(OLD))
    assert school.readable(store) == []


def test_a_changed_passphrase_opens_the_same_key(school: School) -> None:
    """Whoever changes it proves the old one, also while unlocked; the old one is dead at once."""
    store = school.start()
    store.set_passphrase(None, OLD)
    school.write(store)
    with pytest.raises(PassphraseRefused):
        store.set_passphrase(Proof(WRONG), NEW)
    with pytest.raises(PassphraseRefused):
        store.set_passphrase(None, NEW)
    store.set_passphrase(Proof(OLD), NEW)
    again = school.start()
    with pytest.raises(PassphraseRefused):
        again.unlock(Proof(OLD))
    again.unlock(Proof(NEW))
    assert school.readable(again) == [0]


def test_a_new_principal_reads_all_and_the_old_one_nothing_new(school: School) -> None:
    """Hand-over: even with a copy of the former card the old passphrase opens former hours only."""
    store = school.start()
    store.set_passphrase(None, OLD)
    school.write(store)
    stolen = (school.folder / "footage.json").read_bytes()
    store.turn(Proof(OLD), NEW)
    school.write(store)
    fresh = school.start()
    with pytest.raises(PassphraseRefused):
        fresh.unlock(Proof(OLD))
    fresh.unlock(Proof(NEW))
    assert school.readable(fresh) == [0, 1]
    (school.folder / "footage.json").write_bytes(stolen)
    old = school.start()
    old.unlock(Proof(OLD))
    assert school.readable(old) == [0]


def test_many_rotations_keep_the_whole_past(school: School) -> None:
    """After several new keys, by either mode, every hour opens; the status counts the former keys."""
    for mode in ("box", "passphrase"):
        store = school.start(mode)
        if mode == "passphrase":
            store.set_passphrase(None, OLD)
        for _ in range(3):
            school.write(store)
            store.turn(Proof(OLD) if mode == "passphrase" else None, None)
        school.write(store)
    again = school.start()
    again.unlock(Proof(OLD))
    assert school.readable(again) == list(range(8))
    assert again.status()["former"] == 7


def test_each_recovery_holder_opens_alone(school: School) -> None:
    """Two sheets; either opens everything without the passphrase, also what is written later, and sets a new one."""
    store = school.start()
    store.set_passphrase(None, OLD)
    school.write(store)
    sheets = [sheet(), sheet()]
    for place, (_, public) in enumerate(sheets, 1):
        store.set_holder(Proof(OLD), place, public)
    school.write(store)
    assert [item["place"] for item in store.status()["holders"]] == [1, 2]
    assert len(school.written[1][1]) == 3
    store.turn(Proof(OLD), NEW)
    school.write(store)
    for text, _ in sheets:
        opened = school.start()
        opened.unlock(Proof(sheet=text))
        assert school.readable(opened) == [0, 1, 2]
    again = school.start()
    again.set_passphrase(Proof(sheet=sheets[0][0]), OLD)
    school.start().unlock(Proof(OLD))


def test_a_replaced_holder_opens_nothing_new(school: School) -> None:
    """The lost sheet is refused by the box; by itself it opens the hours of its time only; the new one opens all."""
    store = school.start()
    store.set_passphrase(None, OLD)
    (lost, lost_public), (fresh, fresh_public) = sheet(), sheet()
    store.set_holder(Proof(OLD), 1, lost_public)
    school.write(store)
    store.set_holder(Proof(OLD), 1, fresh_public)
    school.write(store)
    with pytest.raises(PassphraseRefused):
        school.start().unlock(Proof(sheet=lost))
    again = school.start()
    again.unlock(Proof(sheet=fresh))
    assert school.readable(again) == [0, 1]
    assert [len(wrapped) for _, wrapped in school.written] == [2, 2]
    with pytest.raises(BadInput):
        store.set_holder(Proof(OLD), 2, fresh_public)
    with pytest.raises(BadInput):
        store.set_holder(Proof(OLD), 3, bytes(32))


def test_a_box_that_lost_its_key_gets_it_back_by_a_sheet(school: School) -> None:
    """Without the key file the box writes on, says that the key is nowhere, and a holder restores it."""
    store = school.start("box")
    text, public = sheet()
    store.set_holder(None, 2, public)
    school.write(store)
    (school.folder / "footage.key").unlink()
    bare = school.start("box")
    assert (bare.status()["place"], bare.status()["unlocked"]) == ("nowhere", False)
    school.write(bare)
    with pytest.raises(PassphraseRefused):
        bare.turn(None, None)
    bare.unlock(Proof(sheet=text))
    assert school.readable(school.start("box")) == [0, 1]


def test_going_back_to_the_box_needs_the_passphrase_once(school: School) -> None:
    """After `unlock = "box"` is written into the configuration, the next unlocking puts the key onto the box."""
    store = school.start()
    store.set_passphrase(None, OLD)
    school.write(store)
    back = school.start("box")
    assert not back.school.unlocked
    back.unlock(Proof(OLD))
    assert school.readable(school.start("box")) == [0]
    assert school.start("box").status()["passphrase_set"] is False


@pytest.mark.parametrize("name", ["vuon-footage-tpm.key", "vuon-footage-host.key"])
def test_a_systemd_credential_is_the_key(school: School, tmp_path: Path, name: str) -> None:
    """A key that systemd hands over is taken without a file; the status says by what it is sealed."""
    store = school.start("box")
    school.write(store)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (school.folder / "footage.key").rename(credentials / name)
    again = school.start("box", credentials)
    assert again.status()["place"] == name.split("-")[2].removesuffix(".key")
    assert school.readable(again) == [0]
    again.turn(None, None)  # the new key is a file until it is sealed too
    assert again.status()["place"] == "file"
    assert school.readable(school.start("box", credentials)) == [0]


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json", b'{"format": 9}', b"[" * 100])
def test_a_damaged_card_is_refused_and_kept(school: School, damage: bytes) -> None:
    """A new card would lock all footage: the error says to restore the file, and the file stays as it is."""
    school.start("box")
    path = school.folder / "footage.json"
    path.write_bytes(damage)
    with pytest.raises(ConfigError):
        school.start("box")
    assert path.read_bytes() == damage


def test_absurd_costs_in_a_card_take_no_memory(school: School) -> None:
    """A card that asks for 64 GB a guess is an altered one: refused without computing."""
    store = school.start()
    store.set_passphrase(None, OLD)
    path = school.folder / "footage.json"
    path.write_text(path.read_text().replace('"memory_kib": 64', '"memory_kib": 67108864'))
    with pytest.raises(PassphraseRefused):
        school.start().unlock(Proof(OLD))


def test_weak_or_missing_words_are_refused_before_anything_changes(school: School) -> None:
    """Too short a passphrase, or none where one is needed, or one where none is used."""
    store = school.start()
    for bad in ("", "ngắn quá", " " * 40, "x" * 300):
        with pytest.raises(BadInput):
            store.set_passphrase(None, Secret(bad))
    with pytest.raises(BadInput):
        store.turn(None, None)
    store.set_passphrase(None, OLD)
    with pytest.raises(BadInput):
        store.turn(Proof(OLD), Secret("ngắn"))
    box = School(school.folder / "box")
    box.folder.mkdir()
    plain = box.start("box")
    with pytest.raises(BadInput):
        plain.set_passphrase(None, OLD)
    with pytest.raises(BadInput):
        plain.turn(None, OLD)


def test_destroying_leaves_nothing_that_opens(school: School) -> None:
    """Erasing the box: passphrase and sheets open nothing any more; recording goes on with a new key."""
    store = school.start()
    store.set_passphrase(None, OLD)
    text, public = sheet()
    store.set_holder(Proof(OLD), 1, public)
    school.write(store)
    store.destroy()
    school.write(store)
    assert school.readable(store) == [1]
    again = school.start()
    for proof in (Proof(OLD), Proof(sheet=text)):
        with pytest.raises(PassphraseRefused):
            again.unlock(proof)
    assert school.readable(again) == [1]


def test_secrets_do_not_print(school: School) -> None:
    """Neither a proof, a sheet's key nor the store shows what it holds."""
    store = school.start("box")
    key = RecoveryKey(1, b"p" * 32)
    shown = f"{Proof(OLD, OLD)!r} {key!r} {store!r} {store.school!r}"
    assert OLD.reveal() not in shown
    assert "pppp" not in shown


@pytest.mark.parametrize("act", ["passphrase", "turn", "destroy"])
def test_a_credential_that_is_out_of_use_is_named(school: School, tmp_path: Path, act: str) -> None:
    """The box cannot take a systemd credential away: while a former key lies in one, the status says which."""
    school.start("box")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (school.folder / "footage.key").rename(credentials / "vuon-footage-tpm.key")
    store = school.start("passphrase" if act == "passphrase" else "box", credentials)
    assert (store.status()["place"], store.status()["left_sealed"]) == ("tpm", [])
    if act == "passphrase":
        store.set_passphrase(None, OLD)
    elif act == "turn":
        store.turn(None, None)
    else:
        store.destroy()
    assert store.status()["left_sealed"] == ["vuon-footage-tpm.key"]
    (credentials / "vuon-footage-tpm.key").unlink()
    assert school.start("passphrase" if act == "passphrase" else "box", credentials).status()["left_sealed"] == []


@pytest.mark.parametrize("kdf", [Kdf(8, 0, 1), Kdf(8, 1, 0), Kdf(1, 1, 4), Kdf(-8, 1, 1)], ids=str)
def test_a_card_whose_cost_nobody_can_compute_is_a_wrong_passphrase(kdf: Kdf) -> None:
    """An edited card is no crash and no other answer than for any wrong word."""
    sealed = seal_private(OLD, b"k" * 32, b"p" * 32, Kdf(64, 1, 1))
    with pytest.raises(PassphraseRefused):
        open_private(replace(sealed, kdf=kdf), OLD, b"p" * 32)
