"""The command for one video and for all: files, notes, reasons, exit codes."""

import re

import pytest

from tests.export.conftest import my_film
from vid_assets.cli import main
from vid_assets.export.formats import TABLES, TEXTS, Format, suffix

SILENT = "silent-0123456789ab"


@pytest.mark.parametrize("format", TEXTS)
def test_all_videos_one_file_each_and_what_is_missing_with_the_reason(shared, places, capsys, format):
    assert main(["export", "--all", "--format", format, "--out", "away"]) == 1
    output = capsys.readouterr().out
    names = {path.name for path in (places / "away").iterdir()}
    assert f"{my_film(shared)}{suffix(format)}" in names
    assert re.search(rf"^failed {SILENT}: there are no \w+ to write; \w+: ", output, re.MULTILINE)
    assert output.splitlines()[-1].startswith(f"{len(names)} files of {len(names)} videos in away; of ")
    assert len(re.findall("^failed ", output, re.MULTILINE)) == 3 - len(names)


@pytest.mark.parametrize("format", TABLES)
def test_tables_of_all_videos_lie_in_a_folder_each(shared, places, capsys, format):
    assert main(["export", "--all", "--format", format]) == 0
    assert {path.name for path in (places / "export").iterdir()} == set(shared.partitions("sources"))
    assert (places / "export" / my_film(shared) / f"cut_analysis.{format}").is_file()
    assert capsys.readouterr().out.endswith(" tables of 3 videos in export\n")


@pytest.mark.parametrize("format", [format for format in TEXTS if format is not Format.CHAPTERS_TXT])
def test_one_text_goes_to_standard_output_or_beside_you(shared, places, capsys, format):
    assert main(["export", "my_film", "--format", format, "--out", "-"]) == 0
    text = capsys.readouterr().out
    assert main(["export", "my_film", "--format", format]) == 0
    (path,) = places.glob("my_film*")
    assert path.name == f"{my_film(shared)}{suffix(format)}"
    assert path.read_text() == text
    assert capsys.readouterr().out == f"{path.name}\n"


def test_notes_do_not_mix_with_the_text(shared, capsys):
    assert main(["export", "my_film", "--format", "chapters-txt", "--out", "-"]) == 0
    output = capsys.readouterr()
    assert output.out == "0:00 Scene 1\n0:01 Scene 2\n"
    assert "YouTube shows chapters only if" in output.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "name one, or give --all"),
        (["x", "--all"], "a video and --all"),
        (["x", "--format", "srtt"], "'srtt' is not one of 'csv', 'jsonl', 'parquet', 'srt', 'vtt', 'ttml', 'edl'"),
        (["x", "--table", "cut_analyses"], "use some of cut_analysis"),
        (
            ["x", "--format", "edl", "--table", "cues"],
            "edl cannot be made of it; use cut_analysis or scene_segmentation",
        ),
        (["x", "--format", "coco", "--table", "blip2"], "use object_detection"),
        (["x", "--format", "srt", "--table", "cues,blip2"], "srt is made of one table"),
        (
            ["x", "--format", "ttml", "--table", "object_detection"],
            "it cannot be written as subtitles; use one of speech",
        ),
        (["--all", "--format", "srt", "--out", "-"], "standard output takes one text of one video"),
        (["x", "--format", "keyframes", "--out", "-"], "standard output takes one text of one video"),
    ],
)
def test_a_request_that_cannot_be_is_one_line_and_exit_code_2(places, capsys, arguments, problem):
    assert main(["export", *arguments]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert problem in output.err


def test_a_misspelled_video_is_told_with_those_near_it(shared, capsys):
    assert main(["export", "my flim.mp4"]) == 1
    assert capsys.readouterr().err == (
        f"vid-assets: my flim.mp4: no such video in the warehouse; name one of {my_film(shared)}\n"
    )


def test_no_video_at_all(places, capsys):
    assert main(["export", "--all", "--format", "srt"]) == 0
    assert capsys.readouterr().out == "0 files of 0 videos in export\n"
