"""Data keys: durable before use, readable by the school only, erased on demand."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput, KeyLocked, SegmentCorrupt
from gateway.core.model import StreamId
from recorder.files import VolumeFiles
from recorder.keys import KeyEntry, KeyRing, decode_entries, encode_entry
from recorder.layout import Hour
from recorder.school import SchoolKey, WrappedKey, wrap
from tests.fakes.disks import FaultyDisk
from tests.fakes.footage import school_key

HOUR = Hour(StreamId(7), 498_672)
NEXT = Hour(StreamId(7), 498_673)


def pair() -> tuple[bytes, bytes]:
    """Return (private, public)."""
    private = X25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


@pytest.fixture
def files(tmp_path: Path) -> VolumeFiles:
    """An empty volume."""
    return VolumeFiles(tmp_path)


@pytest.fixture
def school(tmp_path: Path) -> SchoolKey:
    """A school whose key lies on the box."""
    return school_key(tmp_path / ".keys")


def test_one_key_per_stream_hour(files: VolumeFiles, school: SchoolKey) -> None:
    """The same hour always has the same key, another hour or stream another one."""
    ring = KeyRing(files, school)
    first = ring.for_writing(HOUR)
    assert ring.for_writing(HOUR) == first
    other, elsewhere = ring.for_writing(NEXT), ring.for_writing(Hour(StreamId(8), HOUR.number))
    assert len({first.key, other.key, elsewhere.key}) == len({first.id, other.id, elsewhere.id}) == 3
    assert ring.for_reading(HOUR, first.id) == first


def test_a_key_is_on_the_medium_before_it_is_used(tmp_path: Path, school: SchoolKey) -> None:
    """File synced, then its folder, each parent before its child: a cut afterwards cannot lose it."""
    disk = FaultyDisk(tmp_path)
    KeyRing(disk, school).for_writing(HOUR)
    assert disk.log == ["mkdir", "fsync_dir"] * 3 + ["create", "write", "fdatasync", "fsync_dir"]


def test_a_resumed_key_is_made_durable_again(tmp_path: Path, school: SchoolKey) -> None:
    """The process that wrote the key may have died before it was on the medium: whoever goes on syncs it."""
    KeyRing(VolumeFiles(tmp_path), school).for_writing(HOUR)
    disk = FaultyDisk(tmp_path)
    KeyRing(disk, school).for_writing(HOUR)
    assert disk.log == ["fsync_dir"] * 3 + ["write", "fdatasync", "fsync_dir"]


def test_the_data_key_is_nowhere_on_the_disk(tmp_path: Path, files: VolumeFiles, school: SchoolKey) -> None:
    """Only its wrapped form is written, readable by the owner."""
    key = KeyRing(files, school).for_writing(HOUR)
    path = tmp_path / HOUR.folder / "key"
    assert key.key not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.key.hex() not in repr(key)
    assert key.id.hex() in repr(key)


def test_an_unlocked_box_goes_on_with_the_hours_key(files: VolumeFiles, school: SchoolKey) -> None:
    """After a restart in the middle of an hour the key is unwrapped and used again."""
    before = KeyRing(files, school).for_writing(HOUR)
    after = KeyRing(files, school)
    assert after.for_writing(HOUR) == before
    assert KeyRing(files, school).for_reading(HOUR, before.id) == before


def test_a_locked_box_writes_and_cannot_read_the_past(files: VolumeFiles, school: SchoolKey) -> None:
    """Without the private key a restarted box starts a new key in the same hour; the old one stays shut."""
    before = KeyRing(files, school).for_writing(HOUR)
    locked = KeyRing(files, SchoolKey(school.recipients))
    fresh = locked.for_writing(HOUR)
    assert fresh.key != before.key
    assert locked.for_reading(HOUR, fresh.id) == fresh
    with pytest.raises(KeyLocked):
        locked.for_reading(HOUR, before.id)
    opened = KeyRing(files, school)
    assert [opened.for_reading(HOUR, item.id) for item in (before, fresh)] == [before, fresh]


def test_each_recipient_opens_alone(files: VolumeFiles) -> None:
    """School and recovery holder have one wrapped copy each; a stranger has none."""
    (mine, my_public), (theirs, their_public), (strange, strange_public) = pair(), pair(), pair()
    key = KeyRing(files, SchoolKey((my_public, their_public))).for_writing(HOUR)
    for private, public in ((mine, my_public), (theirs, their_public)):
        assert KeyRing(files, SchoolKey((public,), private)).for_reading(HOUR, key.id) == key
    with pytest.raises(KeyLocked):
        KeyRing(files, SchoolKey((strange_public,), strange)).for_reading(HOUR, key.id)


def test_a_new_school_key_starts_a_new_entry(files: VolumeFiles, school: SchoolKey) -> None:
    """After a hand-over the box goes on at once, wrapped to the new key."""
    before = KeyRing(files, school).for_writing(HOUR)
    private, public = pair()
    after = KeyRing(files, SchoolKey((public,), private))
    assert after.for_writing(HOUR) != before
    assert KeyRing(files, school).for_reading(HOUR, before.id) == before


def test_dropping_an_hour_erases_it(tmp_path: Path, files: VolumeFiles, school: SchoolKey) -> None:
    """The key is gone from memory and disk; the hour that is written to is kept."""
    ring = KeyRing(files, school)
    key = ring.for_writing(HOUR)
    assert not ring.drop(HOUR)
    ring.for_writing(NEXT)
    assert ring.for_reading(HOUR, key.id) == key
    assert ring.drop(HOUR)
    assert not (tmp_path / HOUR.folder / "key").exists()
    with pytest.raises(KeyLocked):
        ring.for_reading(HOUR, key.id)
    assert ring.drop(HOUR)


def test_the_ring_is_bounded(files: VolumeFiles, school: SchoolKey) -> None:
    """Keys used long ago leave memory and come back from the disk."""
    ring = KeyRing(files, school, capacity=3)
    keys = [
        (Hour(StreamId(7), 1000 + number), ring.for_writing(Hour(StreamId(7), 1000 + number))) for number in range(9)
    ]
    assert ring.opened == 4
    assert [ring.for_reading(hour, key.id) for hour, key in keys] == [key for _, key in keys]
    assert ring.opened == 4
    ring.forget()
    assert ring.opened == 1


def entry(number: int = 1, wrapped: int = 2) -> KeyEntry:
    """Return an entry of a key file."""
    copies = tuple(WrappedKey(bytes([place]) * 8, bytes([place]) * 32, bytes([place]) * 48) for place in range(wrapped))
    return KeyEntry(HOUR, bytes([number]) * 8, copies)


@given(st.data())
def test_a_torn_or_flipped_entry_costs_only_itself(data: st.DataObject) -> None:
    """Every other entry of the file is still found: a flip never locks its neighbours."""
    entries = [entry(number, wrapped=number) for number in (1, 2, 3)]
    parts = [encode_entry(item) for item in entries]
    assert decode_entries(b"".join(parts)) == entries
    victim = data.draw(st.integers(0, 2))
    broken = bytearray(parts[victim])
    at = data.draw(st.integers(0, len(broken) - 1))
    broken[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(broken)))
    parts[victim] = data.draw(st.sampled_from([bytes(broken), parts[victim][:cut][:-1]]))
    assert decode_entries(b"".join(parts)) == [item for place, item in enumerate(entries) if place != victim]


def test_a_torn_key_file_is_appended_to(tmp_path: Path, files: VolumeFiles, school: SchoolKey) -> None:
    """A power cut inside the first entry: nothing was encrypted with it, the next key goes behind it."""
    folder = tmp_path / HOUR.folder
    folder.mkdir(parents=True)
    (folder / "key").write_bytes(encode_entry(entry())[:-9])
    key = KeyRing(files, school).for_writing(HOUR)
    assert KeyRing(files, school).for_reading(HOUR, key.id) == key


def test_a_key_file_of_another_hour_is_not_believed(tmp_path: Path, files: VolumeFiles, school: SchoolKey) -> None:
    """A copied key file opens nothing: the hour is authenticated with the key."""
    ring = KeyRing(files, school)
    key = ring.for_writing(HOUR)
    ring.for_writing(NEXT)
    (tmp_path / NEXT.folder / "key").write_bytes((tmp_path / HOUR.folder / "key").read_bytes())
    with pytest.raises(KeyLocked):
        KeyRing(files, school).for_reading(NEXT, key.id)


def test_an_absurd_key_file_is_refused(tmp_path: Path, files: VolumeFiles, school: SchoolKey) -> None:
    """A key file of a hundred kilobytes is none of ours and is not read into memory."""
    folder = tmp_path / HOUR.folder
    folder.mkdir(parents=True)
    (folder / "key").write_bytes(bytes(100_000))
    with pytest.raises(SegmentCorrupt):
        KeyRing(files, school).for_writing(HOUR)


def test_wrapping_binds_its_context() -> None:
    """What a key is for is authenticated; every wrap is different."""
    private, public = pair()
    school = SchoolKey((public,), private)
    one, two = wrap(public, b"k" * 32, b"this"), wrap(public, b"k" * 32, b"this")
    assert one != two
    assert school.unwrap((two,), b"this") == b"k" * 32
    with pytest.raises(KeyLocked):
        school.unwrap((one,), b"that")
    with pytest.raises(KeyLocked):
        school.unwrap((one._replace(ephemeral=bytes(32)),), b"this")


def test_the_private_key_can_be_given_and_taken() -> None:
    """A locked school opens nothing; a stranger's key does not unlock it; the right one does, until it is taken."""
    private, public = pair()
    school = SchoolKey((public,))
    assert not school.unlocked
    wrapped = wrap(public, b"k" * 32, b"")
    with pytest.raises(KeyLocked):
        school.unwrap((wrapped,), b"")
    with pytest.raises(KeyLocked):
        school.unlock(pair()[0])
    school.unlock(private)
    assert school.unwrap((wrapped,), b"") == b"k" * 32
    school.lock()
    assert not school.unlocked


def test_a_former_key_opens_former_footage(files: VolumeFiles) -> None:
    """After a change of key both hours are read; without the former half only the new one is."""
    (old, old_public), (new, new_public) = pair(), pair()
    school = SchoolKey((old_public,), old)
    ring = KeyRing(files, school)
    before = ring.for_writing(HOUR)
    school.change((new_public,))
    school.unlock(new, (old,))
    after = ring.for_writing(HOUR)
    assert after.id != before.id  # in the same hour, at once: nothing new is wrapped to the old key
    both = KeyRing(files, school)
    assert [both.for_reading(HOUR, item.id) for item in (before, after)] == [before, after]
    with pytest.raises(KeyLocked):
        KeyRing(files, SchoolKey((old_public,), old)).for_reading(HOUR, after.id)
    alone = KeyRing(files, SchoolKey((new_public,), new))
    assert alone.for_reading(HOUR, after.id) == after
    with pytest.raises(KeyLocked):
        alone.for_reading(HOUR, before.id)


def test_a_school_needs_sensible_keys() -> None:
    """No recipient, too many, or one of the wrong length: refused before anything is encrypted."""
    for recipients in ((), (bytes(32),) * 9, (bytes(31),)):
        with pytest.raises(BadInput):
            SchoolKey(recipients)


def test_a_failed_key_file_leaves_no_key_in_use(tmp_path: Path, school: SchoolKey) -> None:
    """When the disk refuses the key file, the error is raised and the next try starts afresh."""
    for number in range(1, 11):
        root = tmp_path / str(number)
        root.mkdir()
        disk = FaultyDisk(root, lambda call, name, number=number: 28 if call == number else 0)  # type: ignore[misc]  # a default argument binds the loop's value
        ring = KeyRing(disk, school)
        with pytest.raises(OSError, match="No space"):
            ring.for_writing(HOUR)
        key = ring.for_writing(HOUR)
        assert KeyRing(VolumeFiles(root), school).for_reading(HOUR, key.id) == key
