"""Subtitles, captions, chapters and timecodes: as the file holds them, and in the warehouse."""

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av  # noqa: TID253
import pytest

from tests.kit.media_files import SoundTrack, TextTrack, VideoTrack, click, mux, noise_pictures, opened
from vid_assets.media import Media
from vid_assets.media.captions import Captions
from vid_assets.media.cues import Cues, read_cues
from vid_assets.media.digital_captions import DigitalCaptions

FILM = VideoTrack(pictures=noise_pictures(100))


def told(media: Media) -> list[tuple[Any, ...]]:
    return [(c["kind"], round(c["start_s"], 3), round(c["end_s"], 3), c["text"], c["language"]) for c in media.cues()]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mov_text"), ("a.mkv", "subrip"), ("a.mkv", "ass"), ("a.mkv", "webvtt")]
)
def test_subtitles_are_read(tmp_path: Path, name: str, codec: str):
    lines = [(0.5, 1.5, "Ask not what"), (1.5, 2.0, "your country"), (3.0, 3.5, "can do\\Nfor you")]
    text = TextTrack(lines=lines, codec=codec, metadata={"language": "eng"})
    media = opened(mux(tmp_path / name, FILM, text))
    assert told(media) == [
        ("subtitle", 0.5, 1.5, "Ask not what", "eng"),
        ("subtitle", 1.5, 2.0, "your country", "eng"),
        ("subtitle", 3.0, 3.5, "can do\nfor you", "eng"),
    ]
    assert media.tracks[1]["kind"] == "subtitle"
    assert media.tracks[1]["taken"]
    assert media.warnings == ()


def test_styles_are_no_words(tmp_path: Path):
    lines = [(0.5, 1.5, "{\\i1}Ask{\\i0} not\\hwhat")]
    media = opened(mux(tmp_path / "a.mkv", FILM, TextTrack(lines=lines, codec="ass")))
    assert [cue["text"] for cue in media.cues()] == ["Ask not what"]


def test_two_languages_are_told_apart(tmp_path: Path):
    tracks = [
        TextTrack(lines=[(1, 2, text)], codec="subrip", metadata={"language": code})
        for text, code in (("one", "eng"), ("eins", "ger"))
    ]
    media = opened(mux(tmp_path / "a.mkv", FILM, *tracks))
    assert {(cue["text"], cue["language"], cue["track"]) for cue in media.cues()} == {
        ("one", "eng", 1),
        ("eins", "ger", 2),
    }


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_chapters_and_timecode_are_read(tmp_path: Path, name: str):
    path = mux(
        tmp_path / name, FILM, chapters=[(0, 1.5, "Opening"), (1.5, 4, "The rest")],
        metadata={"timecode": "10:00:00:00"},
    )  # fmt: skip
    media = opened(path)
    assert [row for row in told(media) if row[0] == "chapter"] == [
        ("chapter", 0, 1.5, "Opening", None), ("chapter", 1.5, 4, "The rest", None),
    ]  # fmt: skip
    assert media.facts["start_timecode"] == "10:00:00:00"
    assert ("timecode", 0, 4, "10:00:00:00", None) in told(media)


def test_cues_lie_on_the_time_axis_of_the_video(tmp_path: Path):
    film = VideoTrack(pictures=noise_pictures(50), start=3.0)
    text = TextTrack(lines=[(2.5, 3.5, "first"), (4.5, 9.0, "last")], codec="subrip")
    media = opened(mux(tmp_path / "a.mkv", film, SoundTrack(samples=click(3, 1), start=2.0, codec="flac"), text))
    assert told(media) == [("subtitle", 0.5, 1.5, "first", None), ("subtitle", 2.5, 3.0, "last", None)]


def parity(code: int) -> int:
    return code | (0x80 if code.bit_count() % 2 == 0 else 0)


def triplets(*pairs: tuple[int, int], line: int = 0) -> bytes:
    return b"".join(bytes([0xFC + line, parity(first), parity(second)]) for first, second in pairs)


def characters(text: str) -> list[tuple[int, int]]:
    codes = [ord(character) for character in text] + [0] * (len(text) % 2)
    return list(zip(codes[::2], codes[1::2], strict=True))


ROLL_UP_2, RETURN, POP_ON, SHOW, ERASE, PAINT_ON, BOTTOM, ABOVE = (
    (0x14, 0x25), (0x14, 0x2D), (0x14, 0x20), (0x14, 0x2F), (0x14, 0x2C), (0x14, 0x29), (0x14, 0x70), (0x14, 0x50),
)  # fmt: skip


def spoken(*moments: tuple[float, list[tuple[int, int]]], line: int = 0) -> list[tuple[int, float, float, str]]:
    captions = Captions()
    found = [caption for time, pairs in moments for caption in captions.add(triplets(*pairs, line=line), time)]
    return [tuple(caption) for caption in (*found, *captions.flush(99.0))]


def test_captions_that_pop_on():
    assert spoken(
        (1.0, [POP_ON, POP_ON, ABOVE, ABOVE, *characters("ASK NOT"), BOTTOM, *characters("WHAT")]),
        (2.0, [SHOW, SHOW, POP_ON, POP_ON, BOTTOM, *characters("YOUR COUNTRY")]),
        (4.0, [SHOW, SHOW]),
        (6.0, [ERASE, ERASE]),
    ) == [(1, 2.0, 4.0, "ASK NOT\nWHAT"), (1, 4.0, 6.0, "YOUR COUNTRY")]


def test_captions_that_roll_up():
    assert spoken(
        (1.0, [ROLL_UP_2, RETURN, BOTTOM, *characters("ASK NOT")]),
        (2.0, [RETURN, RETURN, *characters("WHAT")]),
        (3.0, [*characters("EVER")]),
    ) == [(1, 1.0, 2.0, "ASK NOT"), (1, 2.0, 99.0, "WHATEVER")]


def test_captions_that_are_painted_on():
    assert spoken((1.0, [PAINT_ON, BOTTOM, *characters("ASK")]), (2.0, [ERASE])) == [(1, 1.0, 2.0, "ASK")]


def test_captions_of_the_second_field_and_channel():
    other = [(first | 8, second) for first, second in (ROLL_UP_2, BOTTOM)]
    assert spoken((1.0, [*other, *characters("HI")]), line=1) == [(4, 1.0, 99.0, "HI")]


def test_captions_have_special_and_extended_characters():
    pairs = [ROLL_UP_2, BOTTOM, (0x11, 0x37), *characters("NI"), (0x2A, 0x4F), (0x12, 0x25), (0x14, 0x21)]
    assert spoken((1.0, pairs))[0][3] == "♪NIá"


def test_noise_is_no_caption():
    captions = Captions()
    noise = bytes(range(256)) * 30
    list(captions.add(noise, 1.0))
    assert all(len(caption.text) < 5000 for caption in captions.flush(2.0))


def digital(*blocks: bytes) -> bytes:
    """CEA-708 triplets of packets of service 1, one block each."""
    found = b""
    for block in blocks:
        body = bytes([0x20 | len(block)]) + block
        body += b"\0" * (1 - len(body) % 2)
        packet = bytes([(len(body) + 1) // 2]) + body
        for at in range(0, len(packet), 2):
            found += bytes([0xFF if at == 0 else 0xFE]) + packet[at : at + 2]
    return found


def shown_digitally(*moments: tuple[float, bytes]) -> list[tuple[int, float, float, str]]:
    captions = DigitalCaptions()
    found = [caption for time, block in moments for caption in captions.add(digital(block), time)]
    return [tuple(caption) for caption in (*found, *captions.flush(99.0))]


HIDDEN, VISIBLE = bytes([0x98, 0, 0, 0, 0, 0, 0]), bytes([0x98, 0x20, 0, 0, 0, 0, 0])


def test_digital_captions_that_pop_on():
    assert shown_digitally(
        (1.0, HIDDEN + b"ASK NOT" + b"\x92\x01\x00" + b"WHAT\x7f"), (2.0, b"\x89\x01"), (4.0, b"\x8a\x01"),
    ) == [(1, 2.0, 4.0, "ASK NOT\nWHAT♪")]  # fmt: skip


def test_digital_captions_that_roll_up():
    assert shown_digitally((1.0, VISIBLE + b"ASK"), (2.0, b" NOT\r"), (3.0, b"WHAT\x10\x34"), (4.0, b"\x8f")) == [
        (1, 1.0, 2.0, "ASK NOT"),
        (1, 3.0, 4.0, "WHAT”"),
    ]


def test_digital_noise_is_no_caption():
    rng = random.Random(1)
    captions = DigitalCaptions()
    for _ in range(300):
        for caption in captions.add(rng.randbytes(93), 1.0):
            assert len(caption.text) < 5000
            assert "\0" not in caption.text


def with_captions(path: Path, moments: dict[int, bytes]) -> Path:
    """H.264 in MPEG-TS with A/53 captions in the pictures of these numbers."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        packets = []
        for index, picture in enumerate(noise_pictures(100)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            data = moments.get(round(packet.pts * packet.time_base * 25))
            if data:
                cc = bytes([0xB5, 0, 0x31]) + b"GA94" + bytes([3, 0x40 | len(data) // 3, 0xFF]) + data + b"\xff"
                unit = b"\0\0\0\1\x06\x04" + bytes([len(cc)]) + cc + b"\x80"
                raw = bytes(packet)
                # The slice is the last unit of the packet; what is before it stays before it.
                at = max(raw.rfind(b"\0\0\1" + bytes([head])) for head in (0x65, 0x41, 0x61, 0x01, 0x25))
                at -= raw[at - 1 : at] == b"\0"
                changed = av.Packet(raw[:at] + unit + raw[at:])
                changed.pts, changed.dts, changed.time_base, changed.stream = (
                    packet.pts,
                    packet.dts,
                    packet.time_base,
                    stream,
                )
                changed.is_keyframe = packet.is_keyframe
                packet = changed
            container.mux(packet)
    return path


def test_captions_inside_the_pictures_are_read(tmp_path: Path):
    moments = {
        10: triplets(POP_ON, BOTTOM, *characters("YOUR COUNTRY")), 25: triplets(SHOW), 75: triplets(ERASE),
    }  # fmt: skip
    media = opened(with_captions(tmp_path / "a.ts", moments))
    assert media.video.frame_count == 100
    assert told(media) == [("caption", 1.0, 3.0, "YOUR COUNTRY", None)]


def test_digital_captions_count_where_there_are_no_others(tmp_path: Path):
    both = {
        10: triplets(POP_ON, BOTTOM, *characters("OLD")) + digital(HIDDEN + b"NEW"),
        25: triplets(SHOW) + digital(b"\x89\x01"),
        75: triplets(ERASE) + digital(b"\x8c\x01"),
    }  # fmt: skip
    assert [row[3] for row in told(opened(with_captions(tmp_path / "a.ts", both)))] == ["OLD"]
    new = {10: digital(HIDDEN + b"NEW"), 25: digital(b"\x89\x01"), 75: digital(b"\x8c\x01")}
    assert told(opened(with_captions(tmp_path / "b.ts", new))) == [("caption", 1.0, 3.0, "NEW", None)]


def test_captions_beyond_the_limit_are_counted(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("vid_assets.media.cues.MOST_CUES", 2)
    cues = Cues()
    for second in range(5):
        cues.captions(-1, digital(VISIBLE + b"ASK"), float(second))
        cues.captions(-1, digital(b"\x8f"), second + 0.5)
    cues.finish(tmp_path, 0.0, 10.0, None)
    assert [row["text"] for row in read_cues(tmp_path)] == ["ASK", "ASK"]
    assert cues.warnings() == ["cues beyond the first 2, left out: 3"]
