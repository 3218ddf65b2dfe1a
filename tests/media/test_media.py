"""The decoded streams, against files whose contents are known exactly."""

import itertools
from array import array
from fractions import Fraction
from pathlib import Path

import av  # noqa: TID253
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.media_files import SIZE, click, grey, opened, write
from vid_assets.media import Media, identify, open_media
from vid_assets.media.clock import MISSING, REORDER, settle
from vid_assets.media.geometry import TURNS, orientation
from vid_assets.media.npy import NpyWriter
from vid_assets.media.sound import Sound

H264 = {"codec": "libx264", "pixels": "yuv420p"}
MILLI = Fraction(1, 1000)
SHARED = Path(__file__).parents[3] / "shared" / "media"
COLOURS = [(220, 40, 40), (40, 180, 60), (50, 80, 220), (240, 240, 240), (128, 128, 128), (15, 15, 15)]


def bars(_: int) -> np.ndarray:
    return np.repeat(np.array(COLOURS, np.uint8)[None], 72, 0).repeat(16, 1)


def corners(_: int) -> np.ndarray:
    """Black, with red top left, green top right, blue bottom left."""
    picture = np.zeros((36, 64, 3), np.uint8)
    picture[:12, :20, 0] = picture[:12, -20:, 1] = picture[-12:, :20, 2] = 255
    return picture


def peak(media: Media) -> int:
    assert media.audio is not None
    return int(np.argmax(media.audio.samples))


def test_every_picture_and_sample_is_where_the_file_puts_it(tmp_path: Path):
    media = opened(write(tmp_path / "a.mkv", stamps=range(30), sounds=[(0.0, click(1.2, 0.5))]))
    assert media.thumbs
    assert media.frames
    assert media.audio
    assert media.thumbs.array.shape == (30, 27, 48, 3)
    assert media.thumbs.array[:, 13, 24].tolist() == [[8 * i % 256] * 3 for i in range(30)]
    assert media.thumbs.times_s.tolist() == [i / 25 for i in range(30)]
    assert media.thumbs.indices.tolist() == list(range(30))
    assert media.frames.indices.tolist() == [0, 13, 25]
    assert media.frames.times_s.tolist() == [0.0, 0.52, 1.0]
    assert media.frames.array.shape == (3, SIZE[1], SIZE[0], 3)
    assert media.frames.array[:, 5, 5, 0].tolist() == [0, 104, 200]
    assert (peak(media), len(media.audio.samples)) == (8000, 19200)
    video = media.video
    assert (video.duration_s, video.width, video.height, video.fps, video.frame_count) == (1.2, 64, 36, 25.0, 30)
    assert (video.has_picture, video.has_audio, media.warnings) == (True, True, ())


def test_the_arrays_are_mapped_read_only_and_name_their_files(tmp_path: Path):
    media = opened(write(tmp_path / "a.mkv", stamps=range(3), sounds=[(0.0, click(0.2, 0.1))]))
    assert media.thumbs
    assert media.frames
    assert media.audio
    for stream, mapped in ((media.thumbs, media.thumbs.array), (media.audio, media.audio.samples)):
        assert isinstance(mapped.base, np.memmap)
        assert not mapped.flags.writeable
        assert stream.path is not None
        assert np.array_equal(np.load(stream.path), mapped)
        assert stream.video_id == media.video.video_id
    assert not media.frames.times_s.flags.writeable
    assert {pictures.dtype for pictures in (media.thumbs.array, media.frames.array)} == {np.dtype("u1")}
    assert (media.frames.times_s.dtype, media.frames.indices.dtype, media.audio.samples.dtype) == ("f8", "i8", "f4")


def test_facts_say_what_the_file_is(tmp_path: Path):
    path = write(
        tmp_path / "a.mp4", stamps=range(25), **H264, layout="stereo", sound_codec="aac", sound_rate=44_100,
        sounds=[(0.0, np.repeat(click(1.0, 0.5, 44_100), 2, 0))],
    )  # fmt: skip
    facts = opened(path).facts
    assert facts.pop("bit_rate") > 0
    assert facts == {
        "container": "mov,mp4,m4a,3gp,3g2,mj2", "start_s": 0.0, "start_timecode": None, "frames_per_s": 2.0,
        "long_side": 640, "picture_start_s": 0.0, "video_codec": "h264", "pixel_format": "yuv420p",
        "native_width": 64, "native_height": 36, "sample_aspect": "1:1", "rotation_deg": 0, "mirrored": False,
        "field_order": "progressive", "deinterlaced": False, "transfer": None, "tone_mapped": False,
        "variable_frame_rate": False, "sound_start_s": 0.0, "audio_codec": "aac", "audio_channels": 2,
        "audio_layout": "stereo", "audio_channel": "mix", "audio_rate_hz": 44_100,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.mp4", H264 | {"sound_codec": "aac"}),
        ("a.ts", H264 | {"sound_codec": "aac"}),
        ("a.ts", H264 | {"sound_codec": "mp2"}),
        ("a.mkv", H264 | {"sound_codec": "libopus", "options": {"bf": "3"}}),
        ("a.mkv", H264 | {"sound_codec": "flac"}),
        ("a.avi", {"codec": "mpeg4", "pixels": "yuv420p"}),
        ("a.mov", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    ],
)
@pytest.mark.parametrize(("first", "start"), [(0, 0.0), (10, 0.0), (0, 0.24)])
def test_the_offset_of_sound_and_picture_survives(tmp_path: Path, name: str, settings: dict, first: int, start: float):
    if name == "a.avi" and (first or start):
        pytest.skip("AVI has no time stamps to say so")
    options = {"movie_timescale": "48000"} if name in ("a.mp4", "a.mov") else {}
    path = write(
        tmp_path / name, stamps=range(first, first + 25), sounds=[(start, click(1.0, 0.6))],
        container_options=options, **settings,
    )  # fmt: skip
    media = opened(path)
    assert media.thumbs
    # Matroska rounds time stamps and the codec's delay to 1 ms, 16 samples; the others hold them exactly.
    between = peak(media) / 16_000 - media.thumbs.times_s[0]
    assert abs(between - (start + 0.6 - first / 25)) <= (1.001e-3 if name == "a.mkv" else 1 / 16_000)
    steps = media.thumbs.times_s - media.thumbs.times_s[0]
    assert np.allclose(steps, np.arange(25) / 25, atol=1e-3 if name == "a.mkv" else 1e-9)
    # Time 0 is the earlier of both; MPEG's sound codecs begin with a frame of their own delay.
    earliest = min(media.facts["picture_start_s"], media.facts["sound_start_s"])
    assert earliest == 0
    assert media.facts["picture_start_s"] == pytest.approx(max(0, first / 25 - start), abs=0.05)
    assert np.abs(media.thumbs.array[:, 13, 24, 0].astype(int) - 8 * np.arange(25)).max() <= 4


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000])
def test_resampling_moves_nothing(tmp_path: Path, rate: int):
    at = 4410 / 44_100 if rate % 100 == 25 or rate == 22_050 else 0.1
    media = opened(write(tmp_path / "a.wav", sounds=[(0.0, click(0.5, at, rate))], sound_rate=rate))
    assert media.audio is not None
    samples = media.audio.samples.astype(float)
    centre = (samples * np.arange(len(samples))).sum() / samples.sum()
    assert abs(centre - at * 16_000) < 0.05
    assert len(samples) == 8000


def test_full_scale_stereo_stays_full_scale(tmp_path: Path):
    tone = np.sin(2 * np.pi * 440 * np.arange(4800) / 48_000).astype(np.float32)[None]
    both = opened(write(tmp_path / "both.wav", sounds=[(0.0, tone.repeat(2, 0))], layout="stereo"))
    left = opened(write(tmp_path / "left.wav", sounds=[(0.0, np.vstack([tone, 0 * tone]))], layout="stereo"))
    assert both.audio
    assert left.audio
    assert np.abs(both.audio.samples).max() == pytest.approx(1.0, abs=0.01)
    # A channel that is silent throughout takes no part in the mix.
    assert np.abs(left.audio.samples).max() == pytest.approx(1.0, abs=0.01)
    assert (both.facts["audio_channel"], left.facts["audio_channel"]) == ("mix", "1")
    assert left.warnings == ()


def test_variable_frame_rate_is_kept_to_the_millisecond(tmp_path: Path):
    media = opened(write(tmp_path / "a.mkv", stamps=[0, 40, 510, 990, 1010, 4000], base=MILLI))
    assert media.thumbs
    assert media.frames
    assert media.thumbs.times_s.tolist() == [0.0, 0.04, 0.51, 0.99, 1.01, 4.0]
    assert media.frames.indices.tolist() == [0, 2, 4, 5]
    assert media.facts["variable_frame_rate"]


def test_jitter_of_rounding_is_no_variable_frame_rate(tmp_path: Path):
    stamps = [round(1000 * i / 23.976) for i in range(30)]
    assert not opened(write(tmp_path / "a.mkv", stamps=stamps, base=MILLI)).facts["variable_frame_rate"]


@pytest.mark.parametrize(
    ("stamps", "times", "odd"),
    [
        ([0, 40, 40, 80, 120], [0, 40, 41, 80, 120], "pictures without a usable time stamp, timed by estimate: 1"),
        ([0, 40, 120, 80, 160], [0, 40, 80, 120, 160], "pictures whose time stamps were out of order, sorted: 2"),
        ([9000, 9040, 0, 40, 80], [0, 40, 80, 120, 160], "restarts of the picture's clock, joined: 1"),
        ([0, 40, 9_000_000, 120, 160], [0, 40, 80, 120, 160], "stray time stamps of pictures, not believed: 1"),
    ],
)
def test_stamps_that_do_not_advance_are_repaired(tmp_path: Path, stamps: list, times: list, odd: str):
    media = opened(write(tmp_path / "a.mkv", stamps=range(5), restamp=stamps, base=MILLI, options={"g": "1"}))
    assert media.thumbs
    assert media.thumbs.times_s.tolist() == pytest.approx([t / 1000 for t in times])
    assert media.thumbs.array[:, 13, 24, 0].tolist() == [0, 8, 16, 24, 32]
    assert media.warnings == (odd,)


def test_pictures_without_stamps_are_spread_evenly(tmp_path: Path):
    media = opened(write(tmp_path / "a.h264", stamps=range(25), **H264, form="h264"))
    assert media.thumbs
    assert media.thumbs.times_s == pytest.approx(np.arange(25) / 25)
    assert "25" in media.warnings[0]


def settled(stamps: list[int | None], rates: tuple[int, ...] = (25,)) -> np.ndarray:
    """Seconds of pictures with these time stamps, in ms."""
    ticks = array("q", (MISSING if stamp is None else stamp for stamp in stamps))
    return settle(ticks, MILLI, [Fraction(rate) for rate in rates], limit_s=14_400.0).times


@given(st.lists(st.none() | st.integers(-(2**62), 2**62) | st.integers(0, 100_000), min_size=1, max_size=60))
def test_times_ascend_from_zero_whatever_the_stamps(stamps: list[int | None]):
    times = settled(stamps).tolist()
    assert len(times) == len(stamps)
    assert times[0] == 0
    assert all(a < b <= a + 14_400.001 for a, b in itertools.pairwise(times))


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60), st.integers(-(10**9), 10**9))
def test_good_stamps_are_kept_exactly(gaps: list[int], start: int):
    stamps = np.cumsum([start, *gaps]).tolist()
    ticks = array("q", stamps)
    found = settle(ticks, MILLI, [])
    assert found.times.tolist() == [(s - start) / 1000 for s in stamps]
    assert (found.origin, found.odd) == (Fraction(start, 1000), {})


@given(st.permutations(range(4)), st.integers(2, 40), st.sampled_from([25, 24, 50]))
def test_stamps_in_decoding_order_are_sorted(order: list[int], groups: int, rate: int):
    stamps = [1000 * (4 * group + place) // rate for group in range(groups) for place in order]
    assert len(order) <= REORDER
    assert settled(stamps, (rate,)).tolist() == [i / rate for i in range(4 * groups)]


@pytest.mark.parametrize(
    ("turn", "hflip", "vflip"),
    [*((d, h, False) for d in (0, 90, 180, 270) for h in (False, True)), (0, False, True), (90, False, True)],
)
def test_pictures_are_upright(tmp_path: Path, turn: int, hflip: bool, vflip: bool):
    path = write(
        tmp_path / "a.mp4", stamps=range(2), picture=corners, codec="libx264rgb", pixels="rgb24",
        options={"qp": "0"}, display=(turn, hflip, vflip),
    )  # fmt: skip
    media = opened(path)
    # libavutil turns counter-clockwise, and flips what was turned.
    upright = np.rot90(corners(0), turn // 90)[:: -1 if vflip else 1, :: -1 if hflip else 1]
    assert media.frames
    assert media.thumbs
    assert np.abs(media.frames.array[0].astype(int) - upright).max() <= 2
    assert (media.video.height, media.video.width) == upright.shape[:2]
    shrunk = media.thumbs.array[0, [2, 2, -3, -3], [2, -3, 2, -3]]
    assert np.abs(shrunk.astype(int) - upright[[2, 2, -3, -3], [2, -3, 2, -3]]).max() <= 2
    assert (media.facts["native_width"], media.facts["native_height"]) == SIZE
    # The same as facts tell it: mirror left-right first, then turn clockwise.
    told = corners(0)[:, :: -1 if media.facts["mirrored"] else 1]
    assert np.array_equal(np.rot90(told, -media.facts["rotation_deg"] // 90), upright)


def test_all_eight_orientations_are_told_apart():
    assert len(set(TURNS.values())) == len(TURNS) == 8
    frame = av.VideoFrame(8, 8, "rgb24")
    assert orientation(frame) == (False, False, False)


def test_pixels_become_square(tmp_path: Path):
    path = write(tmp_path / "a.mp4", stamps=range(2), codec="mpeg4", pixels="yuv420p", aspect=Fraction(4, 3))
    media = opened(path)
    assert (media.video.width, media.video.height, media.facts["sample_aspect"]) == (85, 36, "4:3")
    assert media.frames
    assert media.frames.array.shape[1:3] == (36, 85)


def test_large_odd_pictures_shrink_by_averaging(tmp_path: Path):
    noise = np.random.default_rng(1).integers(0, 256, (270 * 3 + 1, 1441, 3), dtype=np.uint8)
    noise[810, :] = noise[:, 1440] = 0
    media = opened(write(tmp_path / "a.mkv", stamps=range(2), picture=lambda _: noise))
    assert media.frames
    assert media.frames.array.shape == (1, 360, 640, 3)
    small = np.random.default_rng(2).integers(0, 256, (270, 480, 3), dtype=np.uint8)
    media = opened(write(tmp_path / "b.mkv", stamps=range(2), picture=lambda _: small))
    assert media.thumbs
    expected = small.reshape(27, 10, 48, 10, 3).mean((1, 3))
    assert np.abs(media.thumbs.array[0] - expected).max() < 1


def test_one_pixel_is_enough(tmp_path: Path):
    dot = np.full((1, 1, 3), 50, np.uint8)
    media = opened(write(tmp_path / "a.avi", stamps=[0], picture=lambda _: dot, codec="rawvideo", pixels="bgr24"))
    assert media.frames
    assert media.frames.array.tolist() == [[[[50, 50, 50]]]]
    assert media.video.duration_s == pytest.approx(0.04)


@pytest.mark.parametrize("tags", [{}, {"colorspace": 1}, {"color_range": 2}, {"colorspace": 1, "color_range": 2}])
def test_colours_follow_matrix_and_range(tmp_path: Path, tags: dict[str, int]):
    path = write(
        tmp_path / "a.mkv", stamps=range(2), picture=bars, codec="ffv1", pixels="yuv444p", tags=tags,
    )  # fmt: skip
    media = opened(path)
    assert media.frames
    assert media.thumbs
    assert np.abs(media.frames.array[0, 36, 8::16].astype(int) - COLOURS).max() <= 2
    assert np.abs(media.thumbs.array[0, 13, 4::8].astype(int) - COLOURS).max() <= 2


def test_sound_alone_starts_at_its_first_sample(tmp_path: Path):
    media = opened(write(tmp_path / "a.mkv", sounds=[(3.0, click(1.0, 0.25))]))
    assert (media.thumbs, media.frames) == (None, None)
    assert peak(media) == 4000
    video = media.video
    assert (video.duration_s, video.width, video.height, video.fps, video.frame_count) == (1.0, 0, 0, 0.0, 0)
    assert (video.has_picture, video.has_audio) == (False, True)


def test_cover_art_is_no_picture(tmp_path: Path):
    still = av.CodecContext.create("mjpeg", "w")
    still.width, still.height, still.pix_fmt, still.time_base = 64, 36, "yuvj420p", Fraction(1, 25)
    cover = b"".join(bytes(packet) for packet in still.encode(av.VideoFrame.from_ndarray(grey(5))))
    alone = opened(write(tmp_path / "a.mkv", sounds=[(0.0, click(1.0, 0.5))], cover=cover))
    assert not alone.video.has_picture
    beside = opened(write(tmp_path / "b.mkv", stamps=range(5), cover=cover))
    assert beside.video.frame_count == 5


def test_gaps_in_the_sound_are_filled_with_silence(tmp_path: Path):
    tone = np.full((1, 9600), 0.5, np.float32)
    media = opened(write(tmp_path / "a.mkv", sounds=[(0.0, tone), (0.2 + 0.03, tone), (0.7, tone)]))
    assert media.audio is not None
    # 30 ms are within the jitter of containers; the longer gap is kept.
    assert len(media.audio.samples) == round(0.9 * 16_000)
    assert not media.audio.samples[6500:11100].any()
    assert np.allclose(media.audio.samples[[100, 3300, 6300, 11300, 14300]], 0.5, atol=1e-3)
    assert media.warnings == ("gaps in the sound, filled with silence: 1",)


def sounding(folder: Path, pieces: list[tuple[float, float]]) -> tuple[np.ndarray, Sound]:
    """Stretches of 0.2 s at 16 kHz, each with its start and level, through `Sound`."""
    sound = Sound(folder, None, 100.0)
    for start, level in pieces:
        frame = av.AudioFrame.from_ndarray(np.full((1, 3200), level, np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, round(start * 1000), MILLI
        sound.add(frame)
    sound.flush()
    sound.finish(0)
    return np.load(folder / "audio.npy"), sound


def test_overlaps_are_cut_and_restarts_joined(tmp_path: Path):
    samples, sound = sounding(tmp_path, [(5.0, 0.1), (5.1, 0.2), (0.0, 0.3), (0.2, 0.4)])
    assert len(samples) == 3200 + 1600 + 6400
    assert np.allclose(samples[[0, 3199, 3200, 4799, 4800, 7999, 8000]], [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4])
    assert sound.start == 5
    assert list(sound.warnings()) == ["overlaps in the sound, cut: 1", "restarts of the sound's clock, joined: 1"]


def test_samples_are_numbers_within_full_scale(tmp_path: Path):
    samples, sound = sounding(tmp_path, [(0.0, 3.0), (0.2, float("nan")), (0.4, -float("inf"))])
    assert samples[[0, 3200, 6400]].tolist() == [1.0, 0.0, -1.0]
    assert "no finite numbers" in next(sound.warnings())


def test_a_cut_file_keeps_what_is_there_and_says_so(tmp_path: Path):
    whole = write(tmp_path / "whole.mkv", stamps=range(100), sounds=[(0.0, click(4.0, 0.5))])
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    media = opened(cut)
    assert 40 <= media.video.frame_count <= 60
    assert peak(media) == 8000
    assert any("it may be cut" in warning for warning in media.warnings)


def test_a_damaged_file_keeps_the_rest_and_says_so(tmp_path: Path):
    path = write(tmp_path / "a.mp4", stamps=range(100), codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    media = opened(path)
    assert 90 <= media.video.frame_count <= 100
    assert any("damaged" in warning or "could not be decoded" in warning for warning in media.warnings)


def test_recordings_that_were_joined_go_on(tmp_path: Path):
    part = write(tmp_path / "part.ts", stamps=range(25), **H264, sounds=[(0.0, click(1.0, 0.5))], sound_codec="mp2")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    media = opened(joined)
    assert media.thumbs
    assert media.audio
    assert media.thumbs.times_s - media.thumbs.times_s[0] == pytest.approx(np.arange(50) / 25)
    second = 16_000 + int(np.argmax(media.audio.samples[16_000:]))
    assert abs(peak(media) / 16_000 - media.thumbs.times_s[0] - 0.5) <= 1 / 16_000
    assert abs(second - 24_000) <= 0.05 * 16_000


def test_thousands_of_small_pictures(tmp_path: Path):
    path = write(
        tmp_path / "a.mkv", stamps=range(4000), picture=lambda i: np.full((90, 160, 3), i % 250, np.uint8),
        codec="rawvideo", pixels="gray", rate=100, base=Fraction(1, 100),
    )  # fmt: skip
    media = opened(path)
    assert media.thumbs
    assert media.frames
    assert np.abs(media.thumbs.array[:, 5, 5, 1].astype(int) - np.arange(4000) % 250).max() <= 1
    assert media.frames.indices.tolist() == list(range(0, 4000, 50))


@given(st.lists(st.integers(0, 5), max_size=8))
def test_grown_arrays_load_as_numpy_wrote_them(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    writer = NpyWriter(path, "<f4", (2, 3), 24)
    parts = []
    for index, length in enumerate(lengths):
        parts.append(np.full((length, 2, 3), index % 2 and index, np.float32))
        if index % 2:
            writer.append(parts[-1])
        else:
            writer.skip(length)
    assert writer.finish() == path.stat().st_size
    assert np.array_equal(np.load(path), np.concatenate([np.empty((0, 2, 3), np.float32), *parts]))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder of real clips beside the project")
def test_real_clips(tmp_path: Path):
    expected = {
        "bigbuckbunny.mp4": (1280, 720, 132, True, 5.312),
        "bikes.mp4": (640, 272, 250, False, 10.0),
        "carphone_pristine.mp4": (193, 144, 120, False, 4.0),
        "jfk.flac": (0, 0, 0, True, 11.0),
    }
    for name, (width, height, count, sound, seconds) in expected.items():
        path = SHARED / name
        media = open_media(path, identify(path).video_id, tmp_path)
        video = media.video
        assert (video.width, video.height, video.frame_count, video.has_audio) == (width, height, count, sound)
        assert video.duration_s == pytest.approx(seconds, abs=0.05)
        assert media.warnings == ()
