"""What a file's first bytes tell: containers of every kind, text that is named like a video, still and moving GIFs."""

import io
import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.kit.media_files import click, write
from vid_assets.media.sniff import GIF_BYTES, HEAD_BYTES, unfinished, why_not


def reason(content: bytes, name: str = "file") -> str | None:
    """The answer for a file of this content; no more than the head of anything but a GIF may be asked for."""

    def first(count: int) -> bytes:
        assert count == HEAD_BYTES or (count == GIF_BYTES and content.startswith(b"GIF8"))
        return content[:count]

    return why_not(name, first)


FORMS = {
    "mp4": ("mpeg4", "aac"), "mov": ("mpeg4", "pcm_s16le"), "3gp": ("mpeg4", "aac"), "3g2": ("mpeg4", "aac"),
    "f4v": ("h264", "aac"), "matroska": ("mpeg4", "flac"), "webm": ("libvpx", "libopus"), "avi": ("mpeg4", "mp3"),
    "asf": ("wmv2", "mp3"), "flv": ("flv", "mp3"), "mpegts": ("mpeg2video", "mp2"), "mpeg": ("mpeg1video", "mp2"),
    "mpeg2video": ("mpeg2video", None), "m4v": ("mpeg4", None), "h264": ("h264", None), "ivf": ("libvpx", None),
    "mxf": ("mpeg2video", "pcm_s16le"), "ogg": (None, "libopus"), "wav": (None, "pcm_s16le"),
    "w64": (None, "pcm_s16le"), "aiff": (None, "pcm_s16be"), "au": (None, "pcm_s16be"), "caf": (None, "pcm_s16be"),
    "mp3": (None, "mp3"), "mp2": (None, "mp2"), "flac": (None, "flac"), "adts": (None, "aac"), "ac3": (None, "ac3"),
    "amr": (None, "libopencore_amrnb"), "ipod": (None, "aac"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_container_is_known_without_its_ending(tmp_path, form):
    import av

    picture, sound = FORMS[form]
    try:
        file = write(
            tmp_path / "file",
            stamps=range(12) if picture else (),
            base=Fraction(1, 25),
            picture=lambda index: np.full((96, 128, 3), 8 * index, np.uint8),
            codec=picture or "",
            pixels="yuv420p",
            sounds=[(0.0, click(1.0, 0.5))] if sound else (),
            sound_codec=sound or "",
            sound_rate=8_000 if form == "amr" else 48_000,
            form=form,
        )
    except (av.error.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV cannot write {form} ({error})")
    content = file.read_bytes()
    assert reason(content) is None
    # as cameras and recorders call such files, and as a transfer that was cut off leaves them
    assert reason(content, "clip.mod") is None
    assert reason(content[: len(content) // 2], "CLIP.TS") is None


@pytest.mark.parametrize("period", [188, 192, 204])
@pytest.mark.parametrize("junk", [0, 57])
def test_transport_streams_are_known_by_their_period(period, junk):
    generator = np.random.default_rng(period)
    packets = generator.integers(0, 256, (40, period), np.uint8)
    packets[:, 0] = ord("G")
    head = packets.tobytes()[period - junk if junk else 0 :]
    assert reason(head) is None
    packets[::3, 0] = 0
    assert reason(packets.tobytes()) == "nothing that the decoder knows"


TEXTS = {
    "index.ts": b"import { x } from './x';\nexport const y: number = 1;\n" * 50,
    "module.mts": "export const greeting = 'grüß Gott, 日本';\r\n".encode() * 3,
    "latin.ts": "// für ältere Dateien\nlet x = 1;\n".encode("latin-1"),
    "wide.ts": "\ufefflet x = 1;\n".encode("utf-16-le"),
    "download.mp4": b"<!DOCTYPE html><title>404</title>",
    "list.mp3": b"ID3 tags are in the header; RIFF and FLV too",
    "free.mov": b"The free encyclopedia",
    "G.ts": b"G" * 4000,
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_no_video_whatever_it_is_called(name):
    assert reason(TEXTS[name], name) == "text"


def picture(form: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000"])
def test_a_still_picture_is_no_video(form):
    assert reason(picture(form), "clip.mp4") == "a still picture"


def test_a_gif_with_a_second_picture_is_a_video():
    generator = np.random.default_rng(1)
    noise = [Image.fromarray(generator.integers(0, 256, (300, 400), np.uint8)) for _ in range(3)]
    for still in (picture("GIF"), picture("GIF", loop=0, comment=b"\x2c" * 200)):
        assert reason(still) == "a still picture"
    file = io.BytesIO()
    # its second picture lies behind what is read of other files
    noise[0].save(file, "GIF", save_all=True, append_images=noise[1:], duration=100)
    assert len(file.getvalue()) > 3 * HEAD_BYTES
    assert reason(file.getvalue()) is None
    assert reason(file.getvalue()[: 2 * HEAD_BYTES]) == "a still picture"


def test_where_content_says_nothing_an_ending_may():
    generator = np.random.default_rng(2)
    noise = generator.integers(0, 256, 5000, np.uint8).tobytes()
    assert reason(noise, "damaged.mp4") is None
    assert reason(noise, "damaged.MKV") is None
    for name in ("tune.mod", "module.ts", "noise.bin", "noise"):
        assert reason(noise, name) == "nothing that the decoder knows"
    assert reason(bytes(5000), "preallocated.mp4") == "nothing but zero bytes"


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"%PDF-1.7\n" + bytes(90), "a document (PDF)"),
        (b"PK\x03\x04" + bytes(90), "a ZIP archive"),
        (b"\x7fELF" + bytes(90), "a program"),
        (b".RMF" + bytes(90), "RealMedia, which the decoder cannot read"),
        (struct.pack(">I", 32) + b"ftypheic" + bytes(20), "a still picture"),
    ],
)
def test_other_files_are_named(head, what):
    assert reason(head, "file.mp4") == what


def test_names_of_unfinished_files():
    assert unfinished("film.mp4.part")
    assert unfinished("film.CRDOWNLOAD")
    assert not unfinished("part.mp4")
