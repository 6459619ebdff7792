"""Films as coded pictures: what is read, what is refused, and that no name leads out of the folder."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.film import FilmReader, Picture, film_path
from gateway.core.errors import BadInput, CameraBadReply, CameraError, CameraUnreachable, CameraUnsupported
from gateway.core.media import Codec
from tests.fakes.encoded import decodes
from tests.fakes.films import FPS, film, tone


def pictures(path: Path, most: int = 7) -> list[Picture]:
    with FilmReader(path) as reader:
        return list(itertools.chain.from_iterable(iter(lambda: reader.batch(most), [])))


@pytest.mark.parametrize("ending", ["mp4", "ts"])
@pytest.mark.parametrize(("encoder", "codec"), [("libx264", Codec.H264), ("libx265", Codec.H265)])
def test_every_picture_is_read_in_order(tmp_path: Path, ending: str, encoder: str, codec: Codec) -> None:
    """All pictures come, at the film's pace from 0 on, key frames where they are, and they decode."""
    found = pictures(film(tmp_path / f"la.{ending}", codec=encoder, first_pts=70))
    assert [picture.pts_90k for picture in found] == [number * 90_000 // FPS for number in range(25)]
    assert [number for number, picture in enumerate(found) if picture.is_key] == [0, 10, 20]
    (config,) = {picture.config for picture in found}
    assert (config.codec, config.width, config.height, config.epoch) == (codec, 320, 240, 0)
    sets = [nal for nal in (config.vps, config.sps, config.pps) if nal]
    assert decodes(codec, [[*sets, *found[0].nals], *(picture.nals for picture in found[1:])]) == 25


def test_a_second_round_counts_epochs_on(tmp_path: Path) -> None:
    """The same parameter sets stay the same epoch; another film under the name is a new one."""
    path = film(tmp_path / "la.mp4", pictures=5)
    with FilmReader(path) as first:
        assert first.batch(5)[-1].config.epoch == 0
    film(path, pictures=5, size=(160, 120))
    with FilmReader(path, first.sets) as second:
        config = second.batch(1)[0].config
    assert (config.epoch, config.width) == (1, 160)


def test_b_frames_are_refused(tmp_path: Path) -> None:
    """A film with reordered pictures says what to do instead of being shown jumping."""
    with pytest.raises(CameraUnsupported, match="B-frames"):
        pictures(film(tmp_path / "la.mp4", b_frames=2))


def test_no_video_is_unsupported(tmp_path: Path) -> None:
    """Sound alone is no camera."""
    with pytest.raises(CameraUnsupported, match=r"no H\.264"):
        pictures(tone(tmp_path / "la.mp4"))


@pytest.mark.parametrize("data", [b"", b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile '/etc/passwd'\n"])
@pytest.mark.parametrize("ending", ["mp4", "ts"])
def test_what_is_no_film_is_a_bad_reply(tmp_path: Path, data: bytes, ending: str) -> None:
    """Play lists and other texts under a film's name are not followed, whatever they name."""
    path = tmp_path / f"la.{ending}"
    path.write_bytes(data)
    with pytest.raises((CameraBadReply, CameraUnsupported)):
        pictures(path)


def test_a_cut_film_ends_or_is_damaged(tmp_path: Path) -> None:
    """However much of the file is left, what comes out is pictures or our own error."""
    path = film(tmp_path / "la.ts")
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 20):
        path.write_bytes(whole[:size])
        try:
            assert len(pictures(path)) <= 25
        except CameraError:
            continue


@given(st.binary(min_size=1, max_size=40), st.floats(0, 1))
def test_flipped_bytes_do_no_harm(tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: float) -> None:
    """Damage anywhere gives fewer pictures or our own error."""
    path = tmp_path_factory.getbasetemp() / "noisy.mp4"
    original = tmp_path_factory.getbasetemp() / "whole.mp4"
    whole = (original if original.exists() else film(original, pictures=12)).read_bytes()
    at = int(place * (len(whole) - len(noise)))
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        found = pictures(path)
    except CameraError:
        return
    assert len(found) <= 12
    assert all(after.pts_90k > before.pts_90k for before, after in itertools.pairwise(found))


@pytest.mark.parametrize(
    "name",
    ["", ".mp4", "../la.mp4", "/etc/passwd", "a/la.mp4", "la.mkv", "la.mp4\n", "la\0.mp4", "-i.mp4", "la", "x" * 120 + ".mp4",
     "concat:la.mp4", "file:la.mp4", "pipe:0", "http://10.0.0.1/la.mp4"],
)  # fmt: skip
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    """Paths, protocols, options and other endings never reach the disk."""
    with pytest.raises(BadInput):
        film_path(tmp_path, name)


@given(st.text(max_size=60))
def test_no_name_leads_out_of_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Whatever is written, what is opened lies directly in the folder."""
    folder = tmp_path_factory.getbasetemp()
    try:
        assert film_path(folder, name).parent == folder
    except (BadInput, CameraUnreachable):
        return


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A symbolic link to somewhere else is no film of ours; one that is missing is unreachable."""
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "la.mp4").symlink_to(film(tmp_path / "elsewhere.mp4", pictures=2))
    with pytest.raises(BadInput):
        film_path(folder, "la.mp4")
    with pytest.raises(CameraUnreachable):
        film_path(folder, "none.mp4")
    with pytest.raises(CameraUnsupported):
        film_path(None, "la.mp4")
