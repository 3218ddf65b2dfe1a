"""Kinds of pictures and codecs that archives hold: dynamic range, fields, transparency, sizes, unknown codecs."""

from pathlib import Path
from typing import Any

import av  # noqa: TID253
import numpy as np
import pytest
from av.sidedata.sidedata import Type  # noqa: TID253

from tests.kit.media_files import SoundTrack, VideoTrack, mux, noise_pictures, opened, tone, write
from vid_assets.errors import MediaError
from vid_assets.media import Media, identify, open_media
from vid_assets.media.allowed import CODECS, FORMATS, refusal
from vid_assets.media.colour import HLG, PQ, ToneMapper
from vid_assets.media.decode_pass import _know_all_side_data

SHARED = Path(__file__).parents[3] / "shared" / "media" / "hard"


def first_picture(media: Media) -> np.ndarray:
    assert media.frames
    return media.frames.array[0].astype(int)


def pq_code(light: float) -> float:
    """PQ code 0..1 of light in cd/m2."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = (light / 10000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg_code(light: float) -> float:
    """HLG code 0..1 of grey light in cd/m2 on a display of 1000 cd/m2."""
    scene = (light / 1000) ** (1 / 1.2)
    return (3 * scene) ** 0.5 if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073


CODE = {PQ: pq_code, HLG: hlg_code}


def grey_10_bit(code: float) -> av.VideoFrame:
    """A plain grey picture of limited range, 64 x 36 px."""
    frame = av.VideoFrame(64, 36, "yuv420p10le")
    levels = [round(64 + 876 * code), 512, 512]
    for plane, level in zip(frame.planes, levels, strict=True):
        plane.update(np.full(plane.buffer_size // 2, level, "<u2").tobytes())
    return frame


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(("light", "level"), [(203, 248), (26, 108), (0.005, 3), (800, 255)])
def test_high_dynamic_range_is_seen_as_on_a_standard_display(tmp_path: Path, transfer: int, light: float, level: int):
    context = {"color_trc": transfer, "color_primaries": 9, "colorspace": 9}
    frames = [grey_10_bit(CODE[transfer](light)) for _ in range(3)]
    for frame in frames:
        frame.color_trc, frame.color_primaries, frame.colorspace = transfer, 9, 9
    film = VideoTrack(pictures=frames, codec="ffv1", pixels="yuv420p10le", context=context)
    media = opened(mux(tmp_path / "a.mkv", film))
    assert media.thumbs
    assert (media.facts["transfer"], media.facts["tone_mapped"]) == ({PQ: "pq", HLG: "hlg"}[transfer], True)
    assert np.abs(first_picture(media) - level).max() <= 5
    assert np.abs(media.thumbs.array[0].astype(int) - level).max() <= 5


def test_tone_mapping_keeps_hues_and_order():
    mapper = ToneMapper(PQ, 9)
    codes = np.round(65535 * np.linspace(0, 1, 256)).astype(np.uint16)
    shades = mapper.apply(np.repeat(codes[None, :, None], 3, 2))[0].astype(int)
    assert (np.diff(shades.max(axis=1)) >= 0).all()
    assert np.ptp(shades, axis=1).max() <= 3
    red = mapper.apply(np.array([[[40000, 100, 100]]], np.uint16))[0, 0]
    assert red[0] > 200
    assert red[1:].max() == 0


def test_standard_range_is_left_alone(tmp_path: Path):
    media = opened(write(tmp_path / "a.mkv", stamps=range(3)))
    assert not media.facts["tone_mapped"]


def fields(count: int) -> list[np.ndarray]:
    """A white bar that moves 8 px from field to field, woven, bottom field first."""
    frames = []
    for index in range(count):
        picture = np.full((96, 160, 3), 20, np.uint8)
        for line, moment in ((1, 2 * index), (0, 2 * index + 1)):
            left = 8 * moment % 120
            picture[line::2, left : left + 24] = 230
        frames.append(picture)
    return frames


def combing(picture: np.ndarray) -> float:
    """How much neighbouring rows differ beyond their neighbours but one."""
    rows = picture[..., 1].astype(int)
    return float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean())


def test_interlaced_pictures_are_deinterlaced(tmp_path: Path):
    film = VideoTrack(
        pictures=fields(20), codec="mpeg2video", options={"flags": "+ildct+ilme", "qscale": "2", "b": "8M"}
    )
    path = mux(tmp_path / "a.mpg", film)
    media = opened(path)
    assert media.frames
    assert media.thumbs
    assert media.facts["deinterlaced"]
    assert media.facts["field_order"] in ("tt", "bb", "tb", "bt")
    assert media.video.frame_count == 20
    assert media.thumbs.times_s == pytest.approx(np.arange(20) / 25)
    assert media.video.fps == 25
    assert combing(media.frames.array[1]) < 0.2 * combing(fields(13)[12])
    assert not opened(write(tmp_path / "b.mkv", stamps=range(3))).facts["deinterlaced"]


def test_what_is_transparent_is_black(tmp_path: Path):
    picture = np.zeros((36, 64, 4), np.uint8)
    picture[..., 1] = 255
    picture[:, :32] = [200, 100, 50, 255]
    picture[:, 32:48, 3] = 128
    frames = [av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="argb") for _ in range(3)]
    media = opened(mux(tmp_path / "a.mov", VideoTrack(pictures=frames, codec="qtrle", pixels="argb")))
    shown = first_picture(media)[18, [10, 40, 60]]
    assert np.abs(shown - [[200, 100, 50], [0, 128, 0], [0, 0, 0]]).max() <= 2


@pytest.mark.parametrize("name", ["a.webm", "a.mkv"])
def test_alpha_beside_the_packets_is_seen(tmp_path: Path, name: str):
    picture = np.zeros((90, 160, 4), np.uint8)
    picture[:, :, 1] = 255
    picture[30:60, 40:120] = 255, 0, 0, 255
    frames = [av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="yuva420p") for _ in range(10)]
    media = opened(mux(tmp_path / name, VideoTrack(pictures=frames, codec="libvpx-vp9", pixels="yuva420p")))
    shown = first_picture(media)
    assert shown[45, 80].tolist() == pytest.approx([255, 0, 0], abs=8)
    assert shown[10, 10].tolist() == pytest.approx([0, 0, 0], abs=8)
    assert (media.video.frame_count, media.video.fps, media.facts["pixel_format"]) == (10, 25, "yuva420p")
    assert media.facts["video_codec"] == "vp9"
    assert media.warnings == ()


@pytest.mark.parametrize("second", [(90, 160), (160, 120), (320, 180)])
def test_a_size_that_changes_squeezes_nothing(tmp_path: Path, second: tuple[int, int]):
    width, height = second
    disc = np.zeros((height, width, 3), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    disc[(rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (min(second) / 3) ** 2] = 255
    for name, pictures in (("one.ts", noise_pictures(25)), ("two.ts", [disc] * 50)):
        mux(
            tmp_path / name,
            VideoTrack(pictures=pictures, options={"g": "5", "bf": "0"}, start=1.0 * (name == "two.ts")),
        )
    path = tmp_path / "joined.ts"
    path.write_bytes((tmp_path / "one.ts").read_bytes() + (tmp_path / "two.ts").read_bytes())
    media = opened(path)
    assert media.frames
    last = media.frames.array[-1]
    assert last.shape == (90, 160, 3)
    bright = last[..., 1] > 128
    tall, wide = bright.any(axis=1).sum(), bright.any(axis=0).sum()
    across = 2 * min(second) / 3 * min(160 / width, 90 / height)
    assert abs(tall - across) <= 3
    assert abs(wide - across) <= 3
    assert any("changes of the picture size" in warning for warning in media.warnings)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (64, 1), (3, 5000), (5000, 3)])
def test_pictures_of_any_shape_are_taken(tmp_path: Path, size: tuple[int, int]):
    picture = np.full((size[1], size[0], 3), 50, np.uint8)
    media = opened(write(tmp_path / "a.mkv", stamps=range(3), picture=lambda _: picture))
    assert (media.video.width, media.video.height, media.video.frame_count) == (*size, 3)
    assert np.abs(first_picture(media) - 50).max() <= 1


def with_unknown_sound(path: Path) -> Path:
    """A file whose sound has a codec that nobody knows."""
    mux(path, VideoTrack(pictures=noise_pictures(25)), SoundTrack(samples=tone(1, 300)))
    data = path.read_bytes()
    # The four letters, and the object type of its decoder configuration.
    before, _, after = data.replace(b"mp4a", b"zz9z").partition(b"esds")
    path.write_bytes(before + b"esds" + after.replace(b"\x40\x15", b"\xfe\x15", 1))
    return path


def test_an_unknown_sound_costs_the_sound_only(tmp_path: Path):
    media = opened(with_unknown_sound(tmp_path / "a.mp4"))
    assert (media.video.frame_count, media.video.has_audio) == (25, False)
    assert media.warnings == ("the sound of track 1 (unknown) is left out: no decoder knows its codec",)
    assert [track["taken"] for track in media.tracks] == [True, False]


def test_an_unknown_picture_costs_the_picture_only(tmp_path: Path):
    path = mux(tmp_path / "a.mp4", VideoTrack(pictures=noise_pictures(25)), SoundTrack(samples=tone(1, 300)))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zz9z"))
    media = opened(path)
    assert (media.video.has_picture, media.video.has_audio) == (False, True)
    assert media.warnings == ("the picture of track 0 (unknown) is left out: no decoder knows its codec",)


def test_sound_that_cannot_be_decoded_costs_the_sound_only(tmp_path: Path):
    path = mux(
        tmp_path / "a.mkv", VideoTrack(pictures=noise_pictures(25)), SoundTrack(samples=tone(1, 300), codec="flac")
    )
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(audio=0) if packet.size]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place + 8 : place + 40] = bytes(32)
    path.write_bytes(data)
    media = opened(path)
    assert media.video.frame_count == 25
    assert media.warnings


def test_a_refused_codec_is_named_with_the_reason(tmp_path: Path):
    film = {"codec": "snow", "pixels": "yuv420p", "options": {"strict": "-2"}}
    alone = write(tmp_path / "a.mkv", stamps=range(3), **film)
    with pytest.raises(MediaError, match=r"video codec \(snow\) is not on the allow list: it is experimental"):
        opened(alone)
    media = opened(write(tmp_path / "b.mkv", stamps=range(3), sounds=[(0.0, tone(1, 300))], **film))
    assert media.warnings == ("the picture of track 0 (snow) is left out: it is experimental",)


ARCHIVE_CODECS = [
    ("a.mov", "v210", "yuv422p10le"), ("a.mxf", "jpeg2000", "yuv422p"), ("a.mov", "jpeg2000", "rgb24"),
    ("a.mov", "cfhd", "yuv422p10le"), ("a.mov", "png", "rgb24"), ("a.avi", "magicyuv", "gbrp"),
    ("a.mov", "prores_ks", "yuv422p10le"), ("a.avi", "utvideo", "gbrp"), ("a.mkv", "ffv1", "yuv422p10le"),
    ("a.mov", "qtrle", "rgb24"), ("a.mov", "dnxhd", "yuv422p"), ("a.mov", "r210", "gbrp10le"),
    ("a.mkv", "libsvtav1", "yuv420p"), ("a.webm", "libvpx-vp9", "yuv420p"), ("a.mov", "mjpeg", "yuvj422p"),
    ("a.avi", "huffyuv", "yuv422p"), ("a.gif", "gif", "rgb8"), ("a.mov", "rpza", "rgb555le"),
    ("a.avi", "zmbv", "bgr0"), ("a.flv", "flashsv2", "bgr24"), ("a.avi", "msvideo1", "rgb555le"),
    ("a.ts", "libx265", "yuv420p"), ("a.avi", "asv2", "yuv420p"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec", "pixels"), ARCHIVE_CODECS)
def test_codecs_of_archives_are_decoded(tmp_path: Path, name: str, codec: str, pixels: str):
    if codec not in av.codec.codecs_available:
        pytest.skip(f"this build has no encoder {codec}")
    size = (1920, 1080) if codec == "dnxhd" else (192, 96)
    colour = np.full((size[1], size[0], 3), (200, 100, 50), np.uint8)
    extra: dict[str, Any] = {"options": {"b": "120M"}} if codec == "dnxhd" else {}
    try:
        path = mux(tmp_path / name, VideoTrack(pictures=[colour] * 5, codec=codec, pixels=pixels, **extra))
    except (ValueError, av.error.FFmpegError) as error:
        pytest.skip(f"this build cannot write {codec} into {name} ({error})")
    media = opened(path)
    assert media.video.frame_count == 5
    assert np.abs(first_picture(media).mean(axis=(0, 1)) - (200, 100, 50)).max() <= 12


def test_every_decoder_of_this_build_is_allowed_or_refused_for_a_reason():
    names = set()
    for name in av.codec.codecs_available:
        try:
            names.add(av.codec.Codec(name, "r").name)
        except ValueError:  # an encoder
            continue
    assert not [name for name in names if refusal(name) == "nothing is known of it"]
    assert names >= CODECS
    assert {part for name in av.formats_available for part in name.split(",")} >= set(FORMATS)
    assert refusal("h264_cuvid").startswith("it needs hardware")


def test_side_data_that_pyav_has_no_name_for_is_passed_over():
    _know_all_side_data()
    assert Type(29).name == Type(29).name
    assert Type(12345).value == 12345
    assert Type["DISPLAYMATRIX"].name == "DISPLAYMATRIX"
    assert Type(Type.A53_CC.value) is Type.A53_CC


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder of hard clips beside the project")
def test_foreign_clips(tmp_path: Path):
    expected = {
        "ax_water_180_mvhevc_5frames.mov": (5, 90, False), "ax_sample_vvc.mp4": (120, 24, False),
        "ax_edit_list_positive_shift.mp4": (270, 30, True),
    }  # fmt: skip
    for name, (count, rate, sound) in expected.items():
        path = SHARED / name
        media = open_media(path, identify(path).video_id, tmp_path)
        assert (media.video.frame_count, media.video.fps, media.video.has_audio) == (count, rate, sound)
        assert media.warnings == ()
