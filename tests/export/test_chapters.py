"""Chapters, read back by FFmpeg and by a WebVTT parser."""

import av  # noqa: TID253
import pytest
import webvtt

from resources.warehouse.records import CUES
from tests.export.conftest import put
from vid_assets.errors import MediaError
from vid_assets.export.chapters import Chapter, chapters, lines
from vid_assets.export.formats import Format

HOSTILE = r"a=b; #c \d & <b> --> e"


def own(subject, *rows: tuple[float, float, str | None]) -> None:
    given = [
        {"video_id": subject.video_id, "kind": "chapter", "start_s": start, "end_s": end, "text": text}
        for start, end, text in rows
    ]
    subject.warehouse.replace_partition(CUES.name, subject.video_id, CUES.frame(given))


def read(text: str, path) -> list[tuple[float, float, str]]:
    path.write_text(text, encoding="utf-8")
    with av.open(str(path), format="ffmetadata") as container:
        return [
            (float(row["start"] * row["time_base"]), float(row["end"] * row["time_base"]), row["metadata"]["title"])
            for row in container.chapters()
        ]


def test_scenes_are_chapters_that_ffmpeg_reads(subject, tmp_path):
    text, notes = chapters(subject, Format.CHAPTERS)
    assert notes == []
    assert read(text, tmp_path / "a.txt") == [(0.0, 1.4, "Scene 1"), (1.4, 4.0, "Scene 2")]


def test_a_description_names_the_scene_that_it_covers(subject):
    rows = [
        {"kind": "shot", "start_s": 0.0, "end_s": 1.36, "text": "a dog\nruns"},
        {"kind": "shot", "start_s": 1.4, "end_s": 2.4, "text": "half of the scene"},
    ]
    put(subject.warehouse, "vid2seq", rows, subject.video_id)
    text, _ = chapters(subject, Format.CHAPTERS_TXT)
    assert text == "0:00 Scene 1: a dog runs\n0:01 Scene 2\n"


def test_the_files_own_chapters_come_first(subject, tmp_path):
    own(subject, (0.0, 2.0, HOSTILE), (2.0, 4.0, None))
    text, _ = chapters(subject, Format.CHAPTERS)
    assert read(text, tmp_path / "a.txt") == [(0.0, 2.0, HOSTILE), (2.0, 4.0, "Chapter 2")]
    text, _ = chapters(subject, Format.CHAPTERS_VTT)
    found = webvtt.from_string(text).captions
    assert [(cue.start, cue.end) for cue in found] == [
        ("00:00:00.000", "00:00:02.000"), ("00:00:02.000", "00:00:04.000"),
    ]  # fmt: skip
    assert found[0].raw_text == HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text, _ = chapters(subject, Format.CHAPTERS, "scene_segmentation")
    assert "Scene 1" in text


def test_lines_for_people():
    made = [Chapter(500, 65_000, "Start"), Chapter(65_000, 3_725_999, "Middle"), Chapter(3_725_999, 4_000_000, "End")]
    assert lines(made) == "0:00 Start\n1:05 Middle\n1:02:05 End\n"


def test_a_list_that_youtube_ignores_is_told(subject):
    _, (note,) = chapters(subject, Format.CHAPTERS_TXT)
    assert "3 or more, of 10 s or more each" in note
    own(subject, (0.0, 10.0, "a"), (10.0, 20.0, "b"), (20.0, 30.0, "c"))
    assert chapters(subject, Format.CHAPTERS_TXT)[1] == []


def test_none_is_told_with_the_reason(subject):
    with pytest.raises(MediaError, match="it has no chapters of its own; cues: the file has none"):
        chapters(subject, Format.CHAPTERS, "cues")
    subject.warehouse.remove_partition("scene_segmentation", subject.video_id)
    with pytest.raises(MediaError, match="there are no chapters to write; scene_segmentation: not run yet"):
        chapters(subject, Format.CHAPTERS)
