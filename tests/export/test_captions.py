"""Subtitles, read back by the parsers that people use."""

import xml.etree.ElementTree as ET
from pathlib import Path

import av  # noqa: TID253
import polars as pl
import pysubs2
import pytest
import srt
import webvtt

from resources.warehouse.records import CUES
from tests.export.conftest import HOSTILE, put, register
from tests.kit.media_files import TextTrack, VideoTrack, mux, noise_pictures
from vid_assets.cli import main
from vid_assets.errors import MediaError
from vid_assets.export.captions import subtitles, tables
from vid_assets.export.formats import Format
from vid_assets.export.subtitles import Cue
from vid_assets.export.subtitles import srt as as_srt
from vid_assets.export.subtitles import ttml as as_ttml

JOINER = "\u2060"
SHOWN = " ".join(HOSTILE)
TTML = "{http://www.w3.org/ns/ttml}"


def test_srt_reads_back_and_shows_markup_as_text(subject):
    (found,) = srt.parse(subtitles(subject, Format.SRT)[""])
    assert (found.start.total_seconds(), found.end.total_seconds()) == (1.0, 2.7)
    # SubRip has no way to write an arrow of two dashes.
    assert found.content.replace("\n", " ").replace(JOINER, "") == SHOWN.replace("-->", "->")
    (event,) = pysubs2.SSAFile.from_string(subtitles(subject, Format.SRT)[""], format_="srt")
    assert (event.start, event.end) == (1000, 2700)
    # This parser takes anything in braces for an instruction; players only what has a backslash there.
    plain = event.plaintext.replace("\n", " ").replace(JOINER, "")
    assert plain == SHOWN.replace("-->", "->").replace(r"{\an8}", "")


def test_vtt_reads_back(subject):
    (caption,) = webvtt.from_string(subtitles(subject, Format.VTT)[""]).captions
    assert (caption.start, caption.end) == ("00:00:01.000", "00:00:02.700")
    assert "-->" not in caption.text
    assert caption.raw_text.replace("\n", " ") == SHOWN.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_ttml_reads_back(subject):
    text = subtitles(subject, Format.TTML)[""]
    root = ET.fromstring(text)
    (paragraph,) = root.iter(f"{TTML}p")
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert paragraph.attrib == {"begin": "00:00:01.000", "end": "00:00:02.700"}
    assert " ".join(part.strip() for part in paragraph.itertext()) == SHOWN
    (event,) = pysubs2.SSAFile.from_string(text, format_="ttml")
    assert (event.start, event.end) == (1000, 2700)


def test_ffmpeg_reads_them(subject, tmp_path):
    for format, name in ((Format.SRT, "srt"), (Format.VTT, "webvtt")):
        path = tmp_path / f"a.{format}"
        path.write_text(subtitles(subject, format)[""], encoding="utf-8")
        with av.open(str(path)) as container:
            assert container.streams[0].codec_context.name == name
            (packet,) = (packet for packet in container.demux() if packet.size)
        assert (float(packet.pts * packet.time_base), float(packet.duration * packet.time_base)) == (1.0, 1.7)


def test_times_are_rounded_to_the_millisecond_and_hours_count_on():
    cues = [Cue(359_999_999, 360_000_001, ["late"])]
    (found,) = srt.parse(as_srt(cues))
    assert found.start.total_seconds() == 359_999.999
    root = ET.fromstring(as_ttml(cues))
    assert [paragraph.get("end") for paragraph in root.iter(f"{TTML}p")] == ["100:00:00.001"]


def test_what_xml_cannot_hold_is_left_out():
    text = as_ttml([Cue(0, 1000, ["a\x00b\x0b\ufffec\U0001f600"])])
    assert "".join(ET.fromstring(text).itertext()).strip() == "abc\U0001f600"


def test_each_phrase_is_written_as_its_language_is(subject):
    words = [
        {"segment": segment, "word": word, "start_s": start, "end_s": start + 0.2, "language": language}
        for segment, word, start, language in ((0, "hello", 0, "en"), (0, "there", 0.3, "en"), (1, "你好", 1, "zh"))
    ]
    words.append(words[-1] | {"word": "世界", "start_s": 1.3, "end_s": 1.5})
    put(subject.warehouse, "speech_transcription", words, subject.video_id)
    assert [cue.content for cue in srt.parse(subtitles(subject, Format.SRT)[""])] == ["hello there", "你好世界"]


def test_the_files_own_subtitles(subject, places, capsys):
    rows = [
        ("subtitle", 0.5, 1.5, "Hallo <b>", "ger", 2),
        ("subtitle", 0.5, 1.5, "Hello\nyou", "eng", 3),
        ("subtitle", 2.0, 2.5, "Again", "eng", 4),
        ("subtitle", 3.0, 3.5, None, "../..", 5),
        ("caption", 2.0, 3.0, "MUSIC", None, -1),
        ("chapter", 0.0, 4.0, "All", None, None),
    ]
    names = ("kind", "start_s", "end_s", "text", "language", "track")
    given = [{"video_id": subject.video_id, **dict(zip(names, row, strict=True))} for row in rows]
    subject.warehouse.replace_partition(CUES.name, subject.video_id, CUES.frame(given))
    found = subtitles(subject, Format.VTT, "cues")
    assert list(found) == [".de", ".en", ".en.4", ".captions"]
    assert webvtt.from_string(found[".en"]).captions[0].text == "Hello\nyou"
    assert main(["export", "my_film", "--format", "srt", "--table", "cues", "--out", "subs/x.srt"]) == 0
    assert sorted(path.name for path in (places / "subs").iterdir()) == [
        "x.captions.srt", "x.de.srt", "x.en.4.srt", "x.en.srt",
    ]  # fmt: skip
    capsys.readouterr()
    assert main(["export", "my_film", "--format", "srt", "--table", "cues", "--out", "-"]) == 2
    assert "it has 4 tracks of subtitles" in capsys.readouterr().err


def test_subtitles_of_what_is_written_in_the_picture(subject):
    rows = [
        {"text": "A long line of text that is wider than the screen of a player", "start_s": 1.0, "end_s": 2.0},
        {"text": "moment", "start_s": 2.0, "end_s": 2.0},
    ]
    put(subject.warehouse, "text_overlay", rows, subject.video_id)
    (cue,) = srt.parse(subtitles(subject, Format.SRT, "text_overlay")[""])
    assert cue.content == "A long line of text that is wider than the\nscreen of a player"


def test_a_file_without_subtitles_says_so(subject):
    with pytest.raises(MediaError, match="it has no subtitles of its own; cues: the file has none"):
        subtitles(subject, Format.SRT, "cues")


def test_only_passages_that_nobody_understood(subject):
    rows = [{"segment": 0, "word": "", "start_s": 0.0, "end_s": 1.0, "understood": False}]
    put(subject.warehouse, "speech_transcription", rows, subject.video_id)
    with pytest.raises(MediaError, match="there are no words to write"):
        subtitles(subject, Format.SRT)


def test_tables_with_times_and_texts_are_offered():
    assert {"speech_transcription", "cues", "text_overlay", "vid2seq"} <= set(tables())
    assert "object_detection" not in tables()


def test_a_real_track_comes_back_as_it_was(places, warehouse):
    lines = ((0.5, 1.25, "First & <b>last</b>"), (2.0, 3.5, "Second"))
    pictures = VideoTrack(pictures=noise_pictures(100))
    path = mux(places / "own.mkv", pictures, TextTrack(lines=lines, codec="subrip", metadata={"language": "ger"}))
    register(path, warehouse, places / "scratch")
    assert main(["export", "own", "--format", "srt", "--table", "cues", "--out", "own.srt"]) == 0
    cues = list(srt.parse(Path("own.srt").read_text()))
    assert [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues] == [(0.5, 1.25), (2.0, 3.5)]


def test_rows_are_read_in_the_order_of_time(subject):
    rows = subject.rows("speech_transcription").sample(fraction=1, shuffle=True, seed=3)
    subject.warehouse.replace_partition("speech_transcription", subject.video_id, rows.select(pl.all()))
    (cue,) = srt.parse(subtitles(subject, Format.SRT)[""])
    assert cue.content.startswith(f"<{JOINER}i>I")
