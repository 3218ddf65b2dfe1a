"""``vid-assets search`` and ``vid-assets status``."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import SILENT, SPEECH
from vid_assets.cli import main


def lines(capsys):
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_words_that_are_said(archive, capsys):
    assert main(["search", "COUNTRY"]) == 0
    assert lines(capsys) == [
        ["video", "from", "to", "found by", "what"],
        [SPEECH, "0:00:03.0", "0:00:03.4", "speech_transcription", "country"],
    ]


def test_things_that_are_seen_near_sightings_joined(archive, capsys):
    assert main(["search", "dog"]) == 0
    assert [row[1:] for row in lines(capsys)[1:]] == [
        ["0:00:03.0", "0:00:03.5", "object_detection", "dog (2x)"],
        ["0:00:09.0", "0:00:09.0", "object_detection", "dog"],
    ]
    assert main(["search", "dog", "--gap", "10"]) == 0
    assert [row[1:3] for row in lines(capsys)[1:]] == [["0:00:03.0", "0:00:09.0"]]


def test_a_limit_is_told(archive, capsys):
    assert main(["search", "dog", "--limit", "1"]) == 0
    assert lines(capsys)[2] == ["more than 1; --limit shows more"]
    assert main(["search", "dog", "--limit", "2"]) == 0
    assert len(lines(capsys)) == 3


def test_one_json_object_per_line(archive, capsys):
    assert main(["search", "dog", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {
        "video_id": SPEECH,
        "start_s": 3.0,
        "end_s": 3.5,
        "analyzer": "object_detection",
        "text": "dog (2x)",
    }


@pytest.mark.parametrize("words", [["zebra"], ["country", "zebra"], ["x'; DROP VIEW events; --"]])
def test_nothing_found_is_exit_code_1(archive, capsys, words):
    assert main(["search", *words]) == 1
    assert lines(capsys) == [[f"nothing found for {' '.join(words)!r}"]]


def test_status_of_an_archive(archive, capsys):
    assert main(["status"]) == 0
    output = capsys.readouterr().out
    assert output.splitlines()[0] == "videos: 2 registered, 0 complete, 1 with failures, 2 with missing, 0 vanished"
    assert "speech_transcription\t1\t1\t0\t0\t0\n" in output
    assert f"failed {SILENT} cut_analysis: the disk\N{REPLACEMENT CHARACTER}is full\n" in output
    assert "running: nothing\n" in output
    assert "no model is loaded\n" in output


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("VID_ARCHIVE", "no/such/folder", "VID_ARCHIVE no/such/folder: is no folder"),
        ("VID_ARCHIVE", "nosuch://films", "no file system supports it"),
        ("VID_DISABLED", "no_such_thing", "no such analyzer"),
        ("VID_CONFIG", "no/such.toml", "VID_CONFIG no/such.toml: cannot be read"),
        ("VID_CATALOG", "no/such.toml", "no/such.toml: cannot be read"),
    ],
)
def test_status_tells_of_a_wrong_setting(archive, monkeypatch, capsys, name, value, told):
    monkeypatch.setenv(name, value)
    assert main(["status"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert told in output.err


def test_status_needs_no_archive(archive, monkeypatch):
    monkeypatch.delenv("VID_ARCHIVE")
    assert main(["status"]) == 0


def test_status_tells_of_compactions_that_fail(archive, capsys, tmp_path):
    from resources.settings import settings

    log = Path(settings().warehouse) / ".locks" / "compaction.log"
    log.write_text("Traceback\nOSError: no space left\n")
    try:
        assert main(["status"]) == 0
    finally:
        log.unlink()
    output = capsys.readouterr()
    assert "compaction fails: OSError: no space left; `vid-assets compact` tries it again" in output.out + output.err


def test_status_as_json(archive, capsys):
    assert main(["status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["videos"]["registered"] == 2
    assert facts["failed"] == [{"video_id": SILENT, "analyzer": "cut_analysis", "reason": "the disk\nis full"}]
    assert facts["running"] == []


def test_status_of_a_video(archive, capsys):
    assert main(["status", "garden"]) == 0
    assert lines(capsys)[1:] == [
        ["cut_analysis", "failed", "0", "the disk\N{REPLACEMENT CHARACTER}is full"],
        ["speech_transcription", "not_applicable", "0", "the sound is silent"],
    ]
