"""Key frames and COCO data sets."""

import gc
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.export.conftest import LABELS, OBJECTS, my_film, put
from vid_assets.cli import main
from vid_assets.errors import MediaError
from vid_assets.export import coco as module
from vid_assets.export.coco import coco


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def colour(path: Path) -> str:
    with Image.open(path) as picture:
        return "rgb"[int(np.asarray(picture).mean(axis=(0, 1)).argmax())]


def test_one_picture_for_each_shot(shared, places, capsys):
    assert main(["export", "my_film", "--format", "keyframes", "--out", "shots"]) == 0
    paths = sorted((places / "shots").iterdir())
    assert [path.name for path in paths] == ["shot-0001.jpg", "shot-0002.jpg", "shot-0003.jpg"]
    assert [colour(path) for path in paths] == ["r", "g", "b"]
    assert size(paths[0]) == (128, 72)
    assert capsys.readouterr().out == "3 pictures in shots\n"


def test_one_picture_for_each_scene_of_all_videos(shared, places, capsys):
    assert main(["export", "--all", "--format", "keyframes", "--table", "scene_segmentation"]) == 1
    for folder in (places / "export").iterdir():
        assert [colour(path) for path in sorted(folder.iterdir())] == ["r", "b"]
    output = capsys.readouterr().out
    assert "silent-0123456789ab: there are no shots to show; scene_segmentation: not run yet" in output
    assert output.endswith("4 pictures of 2 videos in export; of 1 something could not be written\n")


def test_a_picture_that_the_file_does_not_have_is_told(warehouse, places, capsys):
    rows = [{"scene": 0, "start_s": 0.0, "end_s": 4.0, "first_shot": 0, "shots": 1, "key_time_s": 1, "key_frame": 999}]
    put(warehouse, "scene_segmentation", rows, my_film(warehouse))
    assert main(["export", "my_film", "--format", "keyframes", "--table", "scene_segmentation", "--out", "x"]) == 1
    assert "scene-0001: picture 999 is not there" in capsys.readouterr().out


def test_a_data_set_that_pycocotools_reads(shared, places, capsys):
    video_id = my_film(shared)
    assert main(["export", "my_film", "--format", "coco", "--out", "set"]) == 0
    data = pytest.importorskip("pycocotools.coco").COCO(str(places / "set" / "labels.json"))
    assert [row["name"] for row in data.loadCats(data.getCatIds())] == LABELS
    images = data.loadImgs(data.getImgIds())
    assert [(row["file_name"], row["time_s"], row["frame"]) for row in images] == [
        (f"{video_id}-{frame:07d}.jpg", frame / 25, frame) for frame in (25, 38, 88)
    ]
    assert {path.name for path in (places / "set" / "data").iterdir()} == {row["file_name"] for row in images}
    boxes = data.loadAnns(data.getAnnIds(imgIds=[1]))
    assert [(box["bbox"], box["area"], box["score"], box["track_id"]) for box in boxes] == [
        ([32.0, 36.0, 64.0, 36.0], 2304.0, 0.5, 0),
        ([32.0, 36.0, 64.0, 36.0], 2304.0, 0.75, 1),
    ]
    assert boxes[0]["video_id"] == video_id
    assert len(data.getAnnIds(catIds=data.getCatIds(catNms=["dog"]))) == 3
    sizes = {size(path) for path in (places / "set" / "data").iterdir()}
    assert sizes == {(row["width"], row["height"]) for row in images} == {(128, 72)}
    # The boxes as results, which evaluation takes.
    results = [{key: box[key] for key in ("image_id", "category_id", "bbox", "score")} for box in data.anns.values()]
    assert len(data.loadRes(results).anns) == len(OBJECTS)
    assert capsys.readouterr().out.startswith("3 pictures in set\n")


def test_all_videos_are_one_data_set(warehouse, places, capsys):
    other = next(key for key in warehouse.partitions("videos") if key.startswith("other"))
    put(warehouse, "object_detection", [OBJECTS[0] | {"label": "cat"}], other)
    assert main(["export", "--all", "--format", "coco"]) == 1
    found = json.loads((places / "export" / "labels.json").read_text())
    assert [row["id"] for row in found["images"]] == [1, 2, 3, 4]
    assert [row["id"] for row in found["annotations"]] == [1, 2, 3, 4, 5]
    assert {row["name"] for row in found["categories"]} == {*LABELS, "cat"}
    assert (
        "silent-0123456789ab: there are no objects to write; object_detection: not run yet" in capsys.readouterr().out
    )
    assert [path.name for path in (places / "export").iterdir() if path.name.startswith(".")] == []


def test_pictures_that_are_not_sampled_now_are_told(subject, tmp_path):
    put(subject.warehouse, "object_detection", [OBJECTS[0], OBJECTS[0] | {"frame": 26}], subject.video_id)
    with coco(tmp_path / "set") as add:
        written = add(subject)
    assert written.files == 1
    assert "1 pictures are not among those sampled now" in written.missing[0]


def broken_off(subject, folder: Path) -> None:
    with coco(folder) as add:
        add(subject)
        raise RuntimeError


def test_an_unfinished_data_set_leaves_the_old_one(subject, tmp_path):
    (tmp_path / "labels.json").write_text("old")
    with pytest.raises(RuntimeError):
        broken_off(subject, tmp_path)
    assert (tmp_path / "labels.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["labels.json"]


def _used_after_more(add, subject) -> int:
    for _ in range(50):
        add(subject)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_memory_does_not_grow_with_the_data_set(subject, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_save", lambda picture, path: None)
    with coco(tmp_path) as add:
        tracemalloc.start()
        used = [_used_after_more(add, subject) for _ in range(3)]
        tracemalloc.stop()
    assert used[2] - used[1] < 30_000
    assert len(json.loads((tmp_path / "labels.json").read_text())["annotations"]) == 150 * len(OBJECTS)


def test_no_objects_is_told_with_the_reason(subject, tmp_path):
    put(subject.warehouse, "object_detection", [], subject.video_id)
    with coco(tmp_path) as add, pytest.raises(MediaError, match="there are no objects to write"):
        add(subject)
