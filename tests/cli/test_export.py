"""``vid-assets export``: tables as files that read back the same, and subtitles."""

import base64
import io
import json
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.cli.conftest import SILENT, SPEECH, words
from vid_assets.cli import main
from vid_assets.export.formats import Format
from vid_assets.export.tables import as_text, write

SRT = "1\n00:00:01,000 --> 00:00:04,400\nAsk not what your country can do.\n\n"


@pytest.mark.parametrize("video", [SPEECH, "talk", "talk-01", "talk.mp4"])
def test_subtitles_of_a_video_however_it_is_named(archive, capsys, video):
    assert main(["export", video, "--format", "srt", "--out", "-"]) == 0
    assert capsys.readouterr().out == SRT


def test_subtitles_lie_beside_you_or_where_you_say(archive, places, capsys):
    assert main(["export", "talk", "--format", "srt"]) == 0
    assert (places / f"{SPEECH}.srt").read_text() == SRT
    assert main(["export", "talk", "--format", "vtt", "--out", "subs/talk.vtt"]) == 0
    assert (places / "subs" / "talk.vtt").read_text().startswith("WEBVTT\n\n00:00:01.000 --> 00:00:04.400\nAsk")
    assert capsys.readouterr().out == f"{SPEECH}.srt\nsubs/talk.vtt\n"


def test_no_words_is_said_with_the_reason(archive, capsys):
    assert main(["export", "garden", "--format", "srt"]) == 1
    assert capsys.readouterr().err == (
        f"vid-assets: {SILENT}: there are no words to write; "
        "speech_transcription: not_applicable, the sound is silent\n"
    )


@pytest.mark.parametrize(("video", "named"), [("nothing", f"{SILENT}, {SPEECH}"), ("", f"{SILENT}, {SPEECH}")])
def test_an_unknown_video_is_one_line_that_names_those_there_are(archive, capsys, video, named):
    assert main(["export", video]) == 1
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert f"name one of {named}" in output


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_tables_read_back_the_same(archive, places, capsys, format):
    assert main(["export", "talk", "--format", format, "--out", "tables"]) == 0
    assert capsys.readouterr().out == "5 tables in tables\n"
    names = {path.stem for path in (places / "tables").iterdir()}
    assert names == {"sources", "videos", "analyzer_runs", "speech_transcription", "object_detection"}
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[format]
    assert_frame_equal(read(places / "tables" / f"speech_transcription.{format}"), words())


def test_one_table_goes_to_standard_output(archive, capsys):
    assert main(["export", "talk", "--table", "speech_transcription", "--out", "-"]) == 0
    assert_frame_equal(pl.read_csv(io.StringIO(capsys.readouterr().out)), words())
    assert main(["export", "talk", "--out", "-"]) == 2
    assert main(["export", "talk", "--table", "videos", "--format", "parquet", "--out", "-"]) == 2


def test_a_table_without_rows_is_told(archive, capsys):
    assert main(["export", "talk", "--table", "speech_transcription,cut_analysis"]) == 1
    output = capsys.readouterr().out
    assert f"{SPEECH}: no rows of cut_analysis" in output
    assert f"1 tables in {SPEECH}" in output


def test_lists_times_and_bytes_in_text():
    rows = pl.DataFrame({
        "words": [["a", 'b"'], [], None],
        "box": [{"x": 1.5}, None, {"x": None}],
        "at": [datetime(2026, 5, 1, tzinfo=UTC), None, None],
        "mask": [b"\x00\xff", None, b""],
    })  # fmt: skip
    read = pl.read_csv(io.StringIO(as_text(rows, Format.CSV)), infer_schema=False)
    assert [json.loads(text) if text else None for text in read["words"]] == [["a", 'b"'], [], None]
    assert [json.loads(text) if text else None for text in read["box"]] == [{"x": 1.5}, None, {"x": None}]
    lines = [json.loads(line) for line in as_text(rows, Format.JSONL).splitlines()]
    assert [line["words"] for line in lines] == [["a", 'b"'], [], None]
    assert base64.b64decode(lines[0]["mask"]) == b"\x00\xff"
    assert lines[0]["at"].startswith("2026-05-01")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    (tmp_path / ".t.csv.part").mkdir()
    with pytest.raises(IsADirectoryError):
        write(words(), path, Format.CSV)
    assert path.read_text() == "old"
