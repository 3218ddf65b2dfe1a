"""Time stamps as archives hold them: orders, offsets, strays, rates, lengths."""

import io
from fractions import Fraction
from pathlib import Path

import av  # noqa: TID253
import numpy as np
import pytest

from resources.errors import InvalidSetting
from resources.settings import Settings
from tests.kit.media_files import SoundTrack, VideoTrack, click, mux, noise_pictures, opened, write
from vid_assets.analyzers.cut_analysis import run as cut_analysis
from vid_assets.errors import MediaError, SettingsError
from vid_assets.media import Limits, Media, MediaSettings
from vid_assets.media.settings import VARIABLES, limits_from_environment

MILLI = Fraction(1, 1000)


def peak_s(media: Media) -> float:
    assert media.audio is not None
    return int(np.argmax(media.audio.samples)) / 16_000


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_sound_before_the_first_picture_is_kept(tmp_path: Path, name: str):
    film = VideoTrack(pictures=noise_pictures(50), start=6.0)
    options = {"movie_timescale": "48000"} if name == "a.mp4" else {}
    path = mux(tmp_path / name, film, SoundTrack(samples=click(8, 2.5)), options=options)
    media = opened(path)
    assert media.thumbs
    assert media.frames
    start = media.facts["picture_start_s"]
    assert media.thumbs.times_s[0] == media.frames.times_s[0] == pytest.approx(start)
    assert start == pytest.approx(6, abs=0.03)
    assert peak_s(media) - start == pytest.approx(2.5 - 6, abs=2e-3)
    assert media.facts["sound_start_s"] == 0
    assert media.video.duration_s == pytest.approx(8, abs=0.05)
    assert media.video.fps == pytest.approx(25)
    assert media.warnings == ()


def test_picture_before_the_first_sound_is_kept_too(tmp_path: Path):
    film = VideoTrack(pictures=noise_pictures(50))
    media = opened(mux(tmp_path / "a.mkv", film, SoundTrack(samples=click(1, 0.5), start=1.0, codec="flac")))
    assert (media.facts["picture_start_s"], media.facts["sound_start_s"]) == (0, pytest.approx(1, abs=1e-3))
    assert peak_s(media) == pytest.approx(1.5, abs=1e-3)


def test_picture_and_sound_of_unrelated_clocks_start_together(tmp_path: Path):
    film = VideoTrack(pictures=noise_pictures(50), start=7200.0)
    media = opened(mux(tmp_path / "a.mkv", film, SoundTrack(samples=click(2, 0.5), codec="flac")))
    assert media.video.duration_s == pytest.approx(2, abs=0.05)
    assert "start 7200 s apart, not believed" in media.warnings[0]


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_pictures_in_decoding_order_of_avi_are_spaced_evenly(tmp_path: Path, rate: int):
    film = VideoTrack(pictures=noise_pictures(90), rate=rate, options={"bf": "3", "b_strategy": "0", "g": "40"})
    media = opened(mux(tmp_path / "a.avi", film))
    assert media.thumbs
    assert media.thumbs.times_s == pytest.approx(np.arange(90) / rate)
    assert not media.facts["variable_frame_rate"]
    assert (media.video.fps, media.video.frame_count) == (rate, 90)


def test_a_file_whose_clock_starts_late_is_not_cut(tmp_path: Path):
    media = opened(write(tmp_path / "a.mkv", stamps=range(250, 300), sounds=[(10.0, click(2.0, 0.5))]))
    assert media.warnings == ()
    assert media.facts["start_s"] == 10
    assert media.video.duration_s == pytest.approx(2)


HOURS = 5 * 3_600_000
STEADY = [40 * i for i in range(100)]
STRAYS = {
    "at the end": ([*STEADY, HOURS], [*STEADY, 4000]),
    "two at the end": ([*STEADY, HOURS, HOURS + 40], [*STEADY, 4000, 4040]),
    "at the start": ([0, *(HOURS + stamp for stamp in STEADY)], [0, *(40 + stamp for stamp in STEADY)]),
    "ahead at the start": ([HOURS, *STEADY[1:]], STEADY),
    "back at the end": ([*(HOURS + stamp for stamp in STEADY), 0], [*STEADY, 4000]),
    "in the middle": ([*STEADY[:50], HOURS, *STEADY[51:]], STEADY),
    "back in the middle": ([HOURS + s for s in STEADY[:50]] + [0] + [HOURS + s for s in STEADY[51:]], STEADY),
}  # fmt: skip


@pytest.mark.parametrize("where", STRAYS)
def test_a_stray_time_stamp_does_not_stretch_the_video(tmp_path: Path, where: str):
    stamps, expected = STRAYS[where]
    path = write(
        tmp_path / "a.mkv", stamps=range(len(stamps)), restamp=stamps, base=MILLI, options={"g": "1"}, rate=25
    )  # fmt: skip
    media = opened(path)
    assert media.thumbs
    assert media.thumbs.times_s == pytest.approx(np.array(expected) / 1000)
    assert media.video.duration_s == pytest.approx((expected[-1] + 40) / 1000)
    assert any("stray" in warning for warning in media.warnings)
    assert not any("cut" in warning for warning in media.warnings)


@pytest.mark.parametrize("heard", [True, False])
def test_a_stray_first_time_stamp_moves_nothing_else(tmp_path: Path, heard: bool):
    sounds = [(0.0, click(4, 1.0))] if heard else []
    stamps = [HOURS, *STEADY[1:]]
    path = write(tmp_path / "a.mkv", stamps=range(100), restamp=stamps, base=MILLI, options={"g": "1"}, sounds=sounds)
    media = opened(path)
    assert (media.facts["start_s"], media.facts["picture_start_s"]) == (0, 0)
    assert media.warnings == ("stray time stamps of pictures, not believed: 1",)
    assert not heard or peak_s(media) == pytest.approx(1, abs=0.001)


def test_pauses_that_pictures_or_sound_confirm_are_believed(tmp_path: Path):
    pause = [*STEADY, *(90_000 + stamp for stamp in STEADY)]
    media = opened(write(tmp_path / "a.mkv", stamps=range(200), restamp=pause, base=MILLI, options={"g": "1"}))
    assert media.video.duration_s == pytest.approx(94)
    slow = opened(write(tmp_path / "b.mkv", stamps=[0, 100_000, 200_000, 300_000], base=MILLI))
    assert slow.thumbs
    assert slow.thumbs.times_s.tolist() == [0, 100, 200, 300]
    heard = [(0.0, np.full((1, 48_000 * 101), 0.1, np.float32))]
    held = opened(write(tmp_path / "c.mkv", stamps=[*STEADY, 100_000], base=MILLI, sounds=heard))
    assert held.video.duration_s == pytest.approx(101, abs=0.2)
    assert held.warnings == ()


def test_stray_sound_does_not_stretch_the_video(tmp_path: Path):
    tone = np.full((1, 48_000), 0.5, np.float32)
    for name, starts in {"end": [0, 1, 18_000], "middle": [0, 18_000, 2]}.items():
        pieces = [(float(start), tone if start < 18_000 else tone[:, :24_000]) for start in starts]
        media = opened(write(tmp_path / f"{name}.mkv", sounds=pieces, sound_codec="flac"))
        assert media.video.duration_s < 4
        assert any("stray" in warning for warning in media.warnings)


def test_lengths_are_limited_by_a_setting_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "a.mkv", stamps=[100_000 * i for i in range(181)], base=MILLI)
    with pytest.raises(MediaError, match="lasts longer than 4 h; raise VID_MAX_HOURS"):
        opened(path)
    monkeypatch.setenv("VID_MAX_HOURS", "6")
    media = opened(path)
    assert media.frames
    assert (media.video.duration_s, len(media.frames)) == (18_100, 181)


def test_every_limit_has_its_variable(monkeypatch):
    assert {*VARIABLES} == set(Limits.__dataclass_fields__)
    assert limits_from_environment() == Limits()
    for key, _ in VARIABLES.values():
        monkeypatch.setenv(key, "2")
    limits = limits_from_environment()
    assert {name: getattr(limits, name) for name in VARIABLES} == {
        name: 2 * unit for name, (_, unit) in VARIABLES.items()
    }
    assert all(type(getattr(limits, name)) is type(getattr(Limits(), name)) for name in VARIABLES)
    for text in ("0", "-1", "many", "nan", "inf"):
        monkeypatch.setenv("VID_MAX_HOURS", text)
        with pytest.raises(InvalidSetting, match=rf"VID_MAX_HOURS='{text}': "):
            limits_from_environment()


def test_the_table_of_settings_knows_the_limits():
    for name, (key, unit) in VARIABLES.items():
        default = Settings.model_fields[key.removeprefix("VID_").lower()].default
        assert getattr(Limits(), name) == (default or 0) * unit, key


@pytest.mark.parametrize(("name", "value"), [("frames_per_s", 0), ("frames_per_s", -1), ("long_side", 0)])
def test_settings_that_nothing_can_satisfy_are_refused(name: str, value: float):
    with pytest.raises(SettingsError, match=name):
        MediaSettings(**{name: value})


def damaged(path: Path, first: int, last: int) -> Path:
    """Overwrite the pictures from `first` to `last` of an H.264 file in place."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in places[first:last]:
        data[position + 4 : position + size] = bytes([255]) * (size - 4)
    path.write_bytes(data)
    return path


def test_damage_in_the_middle_is_neither_a_cut_nor_a_slower_rate(tmp_path: Path):
    shots = [*noise_pictures(75, 1), *noise_pictures(75, 2)]
    film = VideoTrack(pictures=shots, options={"g": "25", "bf": "0", "crf": "18"})
    media = opened(damaged(mux(tmp_path / "a.mp4", film), 35, 50))
    assert media.thumbs
    assert media.video.fps == 25
    assert media.video.frame_count < 150
    assert media.video.duration_s == pytest.approx(6)
    assert len(media.thumbs.lost) == 1
    assert not media.facts["variable_frame_rate"]
    assert any("could not be decoded" in warning for warning in media.warnings)
    cuts = cut_analysis(media.thumbs)
    assert cuts["end_s"].to_list() == pytest.approx([3.0])


def test_a_picture_alone_lasts_as_long_as_it_says(tmp_path: Path):
    media = opened(mux(tmp_path / "a.mp4", VideoTrack(pictures=noise_pictures(1), rate=1)))
    assert (media.video.duration_s, media.video.frame_count) == (1, 1)


def test_hours_take_no_more_memory_than_minutes(tmp_path: Path):
    """The decoder's limit on address space holds whatever the length; here, an hour of one picture per second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        frame = av.VideoFrame(32, 32, "yuv420p")
        for index in range(3600):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = tmp_path / "a.mkv"
    path.write_bytes(buffer.getvalue())
    media = opened(path, limits=Limits(memory_bytes=1 << 30))
    assert media.frames
    assert (len(media.frames), media.video.duration_s) == (3600, 3600)
