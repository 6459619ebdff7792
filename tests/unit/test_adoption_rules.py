"""From what was learned to the cameras we store: names, streams, what is ours, what replaces what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput, CameraUnsupported
from gateway.core.model import CameraId, PublicId, StreamId, StreamRole
from recorder.adoption import AdoptOrder, Device, Twin, channel_name, own_name, to_adopt, to_replace, with_mac
from recorder.identity import Identity
from recorder.registry import MAX_NAME, Camera, LoginState, NewCamera, Stream
from tests.fakes.recording import new_camera, new_recorder

ORDER = AdoptOrder("10.0.0.1", 80, None, None)


def adopted(new: NewCamera, number: int = 1) -> Camera:
    public_id = PublicId(f"{number:016d}")
    streams = tuple(Stream(StreamId(n), public_id, spec) for n, spec in enumerate(new.streams))
    return Camera(CameraId(number), public_id, new, streams, 0)


def ready(device: Device, *known: Camera, name: str = "", mac: str = "", subs: bool = True) -> tuple[NewCamera, ...]:
    return to_adopt(with_mac(device, mac), known, name=name, order=ORDER, sub_streams=subs)


@given(st.text(min_size=1, max_size=120), st.integers(0, 256))
def test_a_channels_name_fits_and_ends_in_its_number(name: str, channel: int) -> None:
    """However long the recorder's name is."""
    made = channel_name(name, channel)
    assert len(made) <= MAX_NAME
    assert made.endswith(f" kênh {channel}") is (channel > 0) or channel == 0


def test_the_name_given_goes_before_the_learned_one_and_the_address() -> None:
    """A camera without channels has it alone."""
    nameless = replace(new_camera(1), name="")
    assert [new.name for new in ready(Device((nameless,)))] == ["10.0.0.1"]
    assert [new.name for new in ready(Device((new_camera(1),)))] == ["Lớp 1"]
    assert [new.name for new in ready(new_recorder(2), name="Nhà A")] == ["Nhà A kênh 1", "Nhà A kênh 2"]


def test_a_name_that_is_taken_gets_a_number_unless_somebody_wished_for_it() -> None:
    """Whatever case it is in; a wish is kept, and told; a recorder's other channels take nobody's name."""
    ours = replace(adopted(new_camera(1)), about=replace(new_camera(1), name="LỚP  lá 1"))
    another = replace(new_camera(2), name="Lớp Lá 1")
    assert own_name(Device((another,)), [], "", "10.0.0.9") == ("Lớp Lá 1", ())
    numbered, alike = Twin("Lớp Lá 1", "Lớp Lá 1 (2)"), Twin("Lớp Lá 1", "Lớp Lá 1")
    assert own_name(Device((another,)), [ours], "", "10.0.0.9") == ("Lớp Lá 1 (2)", (numbered,))
    assert own_name(Device((another,)), [ours], "Lớp Lá 1", "10.0.0.9") == ("Lớp Lá 1", (alike,))
    assert own_name(Device((another,)), [ours], "Sân", "10.0.0.9") == ("Sân", ())
    recorder = new_recorder(3)
    first = replace(adopted(recorder.cameras[0], 7), about=replace(recorder.cameras[0], name="10.0.0.9 kênh 1"))
    assert own_name(recorder, [first], "", "10.0.0.9") == ("10.0.0.9", ())
    other = new_recorder(3, number=2)
    assert own_name(other, [first], "", "10.0.0.9") == (
        "10.0.0.9 (2)",
        (Twin("10.0.0.9 kênh 1", "10.0.0.9 (2) kênh 1"),),
    )


def test_each_name_that_is_taken_goes_with_the_camera_that_would_have_had_it() -> None:
    """Of a recorder's channels that is not always the first; those that are ours take no part."""
    third = replace(adopted(new_camera(7)), about=replace(new_camera(7), name="NVR kênh 3"))
    recorder = Device(tuple(replace(item, name="NVR") for item in new_recorder(4, number=2).cameras))
    assert own_name(recorder, [third], "", "10.0.0.9") == ("NVR (2)", (Twin("NVR kênh 3", "NVR (2) kênh 3"),))
    assert own_name(recorder, [third], "NVR", "10.0.0.9")[1] == (Twin("NVR kênh 3", "NVR kênh 3"),)


def test_a_recorder_that_is_known_by_its_mac_alone_takes_no_name_from_itself() -> None:
    """It tells no mark, the MAC was heard on the wire: the second channel is named as the first was."""
    silent = [
        replace(item, name="NVR", identity=Identity(channel=n)) for n, item in enumerate(new_recorder(2).cameras, 1)
    ]
    first, both = (with_mac(Device(tuple(silent[:count])), "02:aa:00:00:00:01") for count in (1, 2))
    ours = [adopted(new) for new in ready(first, name=own_name(first, [], "", "10.0.0.1")[0])]
    name, twins = own_name(both, ours, "", "10.0.0.1")
    assert (name, twins, [new.name for new in ready(both, *ours, name=name)]) == ("NVR", (), ["NVR kênh 2"])


@given(st.text(alphabet="ab ", min_size=1, max_size=MAX_NAME), st.integers(1, 4), st.integers(0, 3))
def test_no_two_cameras_are_called_alike_by_themselves(name: str, times: int, channels: int) -> None:
    """However long the name is, and however often the same device is bought."""
    known: list[Camera] = []
    for number in range(1, times + 1):
        device = new_recorder(channels, number=number) if channels else Device((new_camera(number),))
        device = Device(tuple(replace(item, name=name) for item in device.cameras))
        chosen, _ = own_name(device, known, "", "10.0.0.9")
        known += [adopted(new, 100 * number + at) for at, new in enumerate(ready(device, *known, name=chosen))]
    names = [" ".join(camera.name.casefold().split()) for camera in known]
    assert len(set(names)) == len(names) == times * max(1, channels)


def test_a_mac_heard_on_the_wire_fills_the_gap() -> None:
    """But does not replace the one learned."""
    silent = replace(new_camera(1), identity=replace(new_camera(1).identity, mac=""))
    assert ready(Device((silent,)), mac="02:aa:00:00:00:01")[0].identity.mac == "02:aa:00:00:00:01"
    assert ready(Device((new_camera(1),)), mac="02:aa:00:00:00:01")[0].identity.mac == new_camera(1).identity.mac


def test_streams_that_are_not_recorded_are_not_stored() -> None:
    """Nor a camera without a stream; the login counts as untried, since only ONVIF may have taken it."""
    known = replace(new_camera(1), login_state=LoginState.ACCEPTED)
    (new,) = ready(Device((known,)), subs=False)
    assert [spec.role for spec in new.streams] == [StreamRole.MAIN]
    assert new.login_state is LoginState.UNTRIED
    with pytest.raises(CameraUnsupported):
        ready(Device((replace(known, streams=known.streams[1:]),)), subs=False)


def test_what_is_ours_is_left_out() -> None:
    """The rest is adopted; if nothing is left, one of ours is named."""
    device = new_recorder(3)
    second = adopted(device.cameras[1])
    assert [new.identity.channel for new in ready(device, second)] == [1, 3]
    with pytest.raises(BadInput) as refusal:
        ready(Device(device.cameras[1:2]), second)
    assert refusal.value.fields["camera"] == second.public_id


def test_a_replacement_keeps_names_and_pairs_channels() -> None:
    """Channel by channel, whatever the order."""
    old = [adopted(replace(new, name=f"Lớp {n}"), n) for n, new in enumerate(new_recorder(3).cameras, 1)]
    fresh = new_recorder(2, number=7).cameras
    pairs = to_replace(old, tuple(reversed(fresh)))
    assert [(camera.name, new.name, new.identity.channel) for camera, new in pairs] == [
        ("Lớp 1", "Lớp 1", 1),
        ("Lớp 2", "Lớp 2", 2),
    ]


def test_a_replacement_that_does_not_fit_is_refused() -> None:
    """Fewer streams than before, or none of the channels."""
    old = [adopted(new_recorder(1).cameras[0])]
    with pytest.raises(CameraUnsupported) as refusal:
        to_replace(old, new_recorder(1, number=7, streams=1).cameras)
    assert refusal.value.fields["missing"] == "sub"
    with pytest.raises(CameraUnsupported):
        to_replace(old, new_recorder(3, number=7).cameras[1:])
    more = to_replace([adopted(new_camera(1, streams=1))], (new_camera(7),))
    assert len(more[0][1].streams) == 2


def test_a_device_without_a_picture_is_no_camera_of_ours() -> None:
    """A recorder whose channels are all empty is told so, not taken for one that is adopted already."""
    with pytest.raises(CameraUnsupported):
        ready(Device((), empty=(1, 2)))
