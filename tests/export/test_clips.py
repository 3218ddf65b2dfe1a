"""Clips out of real files, and what is said about them."""

import re
from pathlib import Path

import av  # noqa: TID253
import pytest

from resources.warehouse.records import SOURCES
from tests.export.conftest import CUTS, film, my_film, put, register
from vid_assets.cli import main
from vid_assets.errors import MediaError, SettingsError
from vid_assets.export.clips import Wanted, spans_of
from vid_assets.media import identify


def colours(path: Path) -> list[str]:
    """Which of red, green and blue each picture shows."""
    with av.open(str(path)) as container:
        means = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in container.decode(video=0)]
    return ["rgb"[int(mean.argmax())] for mean in means]


def test_clips_of_a_label_begin_at_the_key_frame_before(shared, places, capsys):
    video_id = my_film(shared)
    # The dog is seen at 1.0 s and 1.52 s, and again at 3.52 s.
    assert main(["export", "my_film", "--clips", "dog", "--margin", "0.1", "--out", "dogs"]) == 0
    assert sorted(path.name for path in (places / "dogs").iterdir()) == [
        f"{video_id}_0.00.00.900-0.00.01.620.mp4",
        f"{video_id}_0.00.03.420-0.00.03.620.mp4",
    ]
    assert capsys.readouterr().out.splitlines() == [
        f"{video_id}: {video_id}_0.00.00.900-0.00.01.620 begins 0.10 s earlier, at the key frame before: 0:00:00.800",
        f"{video_id}: {video_id}_0.00.03.420-0.00.03.620 begins 0.22 s earlier, at the key frame before: 0:00:03.200",
        "2 clips in dogs",
    ]
    # From frame 20 to 40 of the film, of which those from 35 on are green.
    assert "".join(colours(places / "dogs" / f"{video_id}_0.00.00.900-0.00.01.620.mp4")).startswith("r" * 15 + "g" * 5)
    assert set(colours(places / "dogs" / f"{video_id}_0.00.03.420-0.00.03.620.mp4")) == {"b"}


def test_moments_near_each_other_are_one_clip(shared):
    video_id = my_film(shared)
    assert spans_of(Wanted("dog", margin_s=0.25), shared, None) == {
        video_id: [(0.75, pytest.approx(1.77)), (pytest.approx(3.27), pytest.approx(3.77))]
    }
    assert len(spans_of(Wanted("dog", margin_s=1.5), shared, None)[video_id]) == 1
    assert list(spans_of(Wanted("dog", source="object_detection"), shared, video_id)) == [video_id]


def test_a_range_of_time(shared, places):
    assert main(["export", "My film.mp4", "--clips", "0:01.6 - 2", "--out", "."]) == 0
    (path,) = places.glob("my_film*.mp4")
    assert path.name.endswith("_0.00.01.600-0.00.02.000.mp4")
    assert set(colours(path)) == {"g"}


def test_clips_of_all_videos(shared, places, capsys):
    assert main(["export", "--all", "--clips", "gradual", "--margin", "0"]) == 0
    assert len(list((places / "export").iterdir())) == 2
    assert {path.suffix for path in (places / "export").iterdir()} == {".mp4", ".mkv"}
    assert capsys.readouterr().out.endswith("2 clips of 2 videos in export\n")


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("dgo", r"--clips dgo: is not found in my_film-\w+; near it is dog$"),
        ("zebra", r"is not found in my_film-\w+; there is dog, .*gradual"),
        ("0:10-0:11", r"0:00:10.000 lies behind its end; it lasts 0:00:04"),
    ],
)
def test_what_is_not_there_is_one_line(shared, capsys, what, problem):
    assert main(["export", "my_film", "--clips", what]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(problem, error.strip())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["my_film", "--clips", "2-1"], "it ends before it starts"),
        (["--all", "--clips", "1-2"], "a range of time is of one video"),
        (["my_film", "--clips", "dog", "--source", "objects_detection"], "use one of object_detection"),
        (["my_film", "--clips", "dog", "--format", "srt"], "no --format"),
        (["my_film", "--clips", " "], "it needs a word"),
        (["my_film", "--clips", "dog", "--out", "-"], "standard output takes one text"),
        (["my_film", "--source", "cues"], "give --clips"),
        (["my_film", "--clips", "dog", "--margin", "-1"], "--margin"),
    ],
)
def test_a_request_that_cannot_be_is_one_line_and_exit_code_2(shared, capsys, arguments, problem):
    assert main(["export", *arguments]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert problem in output.err


def test_a_file_that_is_gone_or_another_one_is_told(warehouse, places, capsys):
    path = film(places / "gone.mp4")
    video_id = register(path, warehouse, places / "scratch")
    path.unlink()
    assert main(["export", video_id, "--clips", "1-2"]) == 1
    assert "there is no such file" in capsys.readouterr().err
    film(path, sounds=())
    assert main(["export", video_id, "--clips", "1-2"]) == 1
    assert f"its content is no longer that of {video_id}" in capsys.readouterr().err
    assert list((places / video_id).iterdir()) == []


def test_a_hostile_file_costs_its_own_clip_only(warehouse, places, capsys):
    path = film(places / "bad.mp4")
    video_id = register(path, warehouse, places / "scratch")
    path.write_bytes(b"\0" * 5000)
    row = warehouse.read_partition(SOURCES.name, video_id)
    assert row is not None
    source = row.row(0, named=True) | {"content_hash": identify(path).content_hash}
    warehouse.replace_partition(SOURCES.name, video_id, SOURCES.frame([source]))
    put(warehouse, "cut_analysis", CUTS, video_id)
    assert main(["export", "--all", "--clips", "gradual"]) == 1
    output = capsys.readouterr().out
    assert f"failed {video_id}: {path}: cannot be read" in output.replace("\n", " ")
    assert output.endswith("2 clips of 2 videos in export; of 1 something could not be written\n")


def test_errors_are_of_the_right_kind(shared):
    with pytest.raises(SettingsError):
        spans_of(Wanted("5-1"), shared, "x")
    with pytest.raises(MediaError, match="is not found in any video"):
        spans_of(Wanted("zebra"), shared, None)
