"""The other jobs of the confined process: clips without encoding, and single pictures at full size."""

from pathlib import Path
from typing import Any

import av  # noqa: TID253
import numpy as np
import pytest
from PIL import Image

from tests.kit.media_files import SIZE, grey, tone, write
from vid_assets.errors import MediaError
from vid_assets.media import Limits, MediaSettings, identify, open_media
from vid_assets.media.sandbox import decode

# Every tenth picture of 25 a second is a key frame, and no other.
KEYS = {"g": "10", "keyint_min": "10", "sc_threshold": "0"}
OWN = {
    "libx264": {"bf": "2"},
    "libvpx": {"auto-alt-ref": "0"},
    "mpeg4": {"sc_threshold": "1000000000"},
    "mpeg2video": {"sc_threshold": "1000000000"},
}
SOUND = [(0.0, tone(4, 440))]
KINDS = {
    "mp4": ("libx264", "aac", "mp4"),
    "mov": ("libx264", "aac", "mp4"),
    "mkv": ("libx264", "aac", "mkv"),
    "webm": ("libvpx", "libopus", "mkv"),
    "ts": ("libx264", "aac", "ts"),
    "avi": ("mpeg4", "mp3", "mkv"),
    "flv": ("libx264", "aac", "mkv"),
    "mpg": ("mpeg2video", "mp2", "mkv"),
}


def made(folder: Path, suffix: str, **changes: Any) -> Path:
    codec, sound_codec, _ = KINDS[suffix]
    options = KEYS | OWN.get(codec, {})
    values: dict[str, Any] = {"sounds": SOUND, "sound_codec": sound_codec, "codec": codec, "options": options}
    return write(folder / f"a.{suffix}", **{"stamps": range(100), "pixels": "yuv420p"} | values | changes)


def job(path: Path, name: str, limits: Limits | None = None, **arguments: Any) -> tuple[dict[str, Any], Path]:
    folder = path.parent / "made"
    folder.mkdir()
    with path.open("rb") as file:
        settings = MediaSettings(limits=limits or Limits())
        return decode(file, path.name, folder, settings, {"name": name, **arguments}), folder


def cut(path: Path, *spans: tuple[float, float], leader: int = 0) -> tuple[list[Any], list[Path]]:
    report, folder = job(path, "cut", spans=spans, leader=leader)
    assert report["files"] == {file.name: file.stat().st_size for file in folder.iterdir()}
    return report["clips"], [folder / clip["name"] for clip in report["clips"] if clip]


def shown(path: Path) -> list[tuple[float, int]]:
    """Time and brightness of every picture, from the first on."""
    with av.open(str(path)) as container:
        pictures = [
            (float(frame.time), int(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)
        ]
    return [(round(time - pictures[0][0], 3), light) for time, light in pictures]


def start_of(path: Path) -> float:
    with av.open(str(path)) as container:
        return next(float(frame.time) for frame in container.decode(video=0))


@pytest.mark.parametrize("suffix", KINDS)
def test_a_clip_begins_at_the_key_frame_before(tmp_path, suffix):
    path = made(tmp_path, suffix)
    first = start_of(path)
    before = shown(path)
    (clip,), (file,) = cut(path, (first + 1.5, first + 2.0))
    assert file.suffix == f".{KINDS[suffix][2]}"
    assert clip["start_s"] - first == pytest.approx(1.2, abs=0.041)
    pictures = shown(file)
    begins = clip["start_s"] - first
    asked = [(time - begins, light) for time, light in before if begins - 0.03 <= time < 1.99]
    for (time, light), (true_time, true_light) in zip(pictures, asked, strict=False):
        assert (time, light) == (pytest.approx(true_time, abs=0.021), true_light)
    # A picture after the end is there only where one before it refers to it.
    assert len(asked) <= len(pictures) <= len(asked) + 3
    with av.open(str(file)) as container:
        times = [float(frame.time) for frame in container.decode(audio=0)]
    assert times[0] < 0.15
    assert 0.6 < times[-1] - times[0] < 0.95


def test_the_packets_are_those_of_the_file(tmp_path):
    path = made(tmp_path, "mp4")
    _, (file,) = cut(path, (1.3, 1.7))
    packets = []
    for each in (path, file):
        with av.open(str(each)) as container:
            packets.append([bytes(packet) for packet in container.demux(video=0) if packet.size])
    # What follows the key frame at 1.2 s, unchanged.
    assert packets[1] == packets[0][30 : 30 + len(packets[1])]


def test_several_clips_in_any_order_and_one_with_nothing(tmp_path):
    path = made(tmp_path, "mkv")
    clips, files = cut(path, (3.0, 3.5), (0.0, 0.3), (1.0, 1.1), (-2.0, -1.0))
    assert [clip and clip["start_s"] for clip in clips] == [2.8, 0.0, 0.8, None]
    assert [file.name for file in files] == ["0.mkv", "1.mkv", "2.mkv"]


def test_sound_alone_is_cut_at_its_own_packets(tmp_path):
    path = write(tmp_path / "a.mka", sounds=SOUND, sound_codec="libopus", form="matroska")
    (clip,), (file,) = cut(path, (2.0, 2.5))
    assert 1.97 < clip["start_s"] <= 2.0
    with av.open(str(file)) as container:
        assert 0.45 < sum(frame.samples for frame in container.decode(audio=0)) / 48_000 < 0.6


def test_a_turned_picture_stays_turned(tmp_path):
    path = made(tmp_path, "mp4", display=(90.0, False, False))
    _, (file,) = cut(path, (1.0, 1.5))
    with av.open(str(file)) as container:
        assert next(container.decode(video=0)).rotation == 90


def test_a_codec_that_mp4_cannot_hold_goes_into_another_container(tmp_path):
    path = made(tmp_path, "mov", codec="prores_ks", pixels="yuv422p10le", options={})
    _, (file,) = cut(path, (1.0, 1.5))
    assert file.suffix == ".mov"


def test_without_time_stamps_nothing_is_cut(tmp_path):
    path = tmp_path / "a.h264"
    with av.open(str(made(tmp_path, "mp4"))) as source, av.open(str(path), "w", format="h264") as raw:
        stream = raw.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    with pytest.raises(MediaError, match=r"a\.h264: cannot be cut: .* convert it"):
        cut(path, (1.0, 1.5))


@pytest.mark.parametrize("name", ["cut", "stills"])
def test_what_is_no_film_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no film" * 1000)
    arguments: dict[str, Any] = {"cut": {"spans": [(0, 1)], "leader": 0}, "stills": {"frames": [0]}}[name]
    with pytest.raises(MediaError, match=r"a\.mp4: ") as caught:
        job(path, name, **arguments)
    assert "\n" not in str(caught.value)


def test_a_playlist_is_not_followed(tmp_path):
    made(tmp_path, "ts")
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError, match=r"cannot be read|not on the allow list"):
        cut(path, (1.0, 1.5))


def test_stills_are_the_pictures_of_those_numbers(tmp_path):
    path = made(tmp_path, "mp4")
    report, folder = job(path, "stills", frames=[3, 17, 99, 5000])
    assert sorted(report["files"]) == ["17.jpg", "3.jpg", "99.jpg"]
    for number in (3, 17, 99):
        picture = Image.open(folder / f"{number}.jpg")
        assert picture.size == SIZE
        assert abs(float(np.asarray(picture).mean()) - float(grey(number).mean())) < 4


def test_stills_are_upright_and_have_the_numbers_of_the_streams(tmp_path):
    path = made(tmp_path, "mp4", display=(90.0, False, False))
    media = open_media(path, identify(path).video_id, tmp_path / "scratch", MediaSettings())
    assert media.frames is not None
    number, row = int(media.frames.indices[3]), media.frames.array[3]
    _, folder = job(path, "stills", frames=[number])
    picture = np.asarray(Image.open(folder / f"{number}.jpg"))
    assert picture.shape == row.shape == (SIZE[0], SIZE[1], 3)
    assert abs(float(picture.mean()) - float(row.mean())) < 4


def test_the_limits_hold_for_stills(tmp_path):
    with pytest.raises(MediaError, match="VID_MAX_PIXELS"):
        job(made(tmp_path, "mp4"), "stills", Limits(pixels=100), frames=[0])
