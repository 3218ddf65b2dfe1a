"""What changes under a running analysis: the file itself, and the columns of tables that earlier code wrote."""

import os
import shutil

import polars as pl
import pytest

from resources.warehouse.resource import Warehouse
from resources.warehouse.schema import ColumnSpec, TableSpec
from vid_assets.errors import MediaError, OutsideError
from vid_assets.media import identify, open_media, streams
from vid_assets.media.sandbox import decode
from vid_assets.synthetic.clips import Clip, Shot, render

KEY = ColumnSpec("video_id", pl.String, "text", "Key")
OLD = TableSpec("example", "As it was", (KEY, ColumnSpec("score", pl.Float64, "1", "Score")))
NEW = TableSpec("example", "As it is", (*OLD.columns, ColumnSpec("label", pl.String, "text", "Label")))


@pytest.fixture
def clips(tmp_path):
    """Two clips of different length: the one that is analysed, and one that comes in its place."""
    paths = [tmp_path / name for name in ("one.mp4", "two.mp4")]
    for path, seconds in zip(paths, (0.4, 0.8), strict=True):
        render(Clip(shots=(Shot(seconds),), width=64, height=36), path)
    return paths


def replaced(one, two):
    two.replace(one)


def deleted(one, two):
    one.unlink()


def grown(one, two):
    with one.open("ab") as file:
        file.write(b"\0" * 100)


def overwritten(one, two):
    shutil.copyfile(two, one)


@pytest.fixture
def during(monkeypatch):
    """Lets something happen after the decoder has opened the file."""

    def happens(change):
        def changed(file, name, folder, settings):
            change()
            return decode(file, name, folder, settings)

        monkeypatch.setattr(streams, "decode", changed)

    return happens


@pytest.mark.parametrize("change", [replaced, deleted])
def test_a_file_that_is_replaced_or_deleted_is_decoded_as_it_was_and_then_told(clips, during, tmp_path, change):
    one, two = clips
    source = identify(one)
    during(lambda: change(one, two))
    with pytest.raises(MediaError, match=r"its content is no longer that|there is no such file"):
        open_media(one, source.video_id, tmp_path / "scratch")
    # what is in the scratch folder is the content that the key names
    render(Clip(shots=(Shot(0.4),), width=64, height=36), one)
    media = open_media(one, source.video_id, tmp_path / "scratch")
    assert media.video.duration_s == pytest.approx(0.4, abs=0.05)
    assert media.decode_passes == 1
    media.close()


@pytest.mark.parametrize("change", [grown, overwritten])
def test_a_file_that_is_written_to_is_refused_and_leaves_nothing(clips, during, tmp_path, change):
    one, two = clips
    source = identify(one)
    during(lambda: change(one, two))
    with pytest.raises(OutsideError, match="was written to while it was decoded"):
        open_media(one, source.video_id, tmp_path / "scratch")
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == [f"{source.video_id}.lock"]
    with pytest.raises(MediaError, match="its content is no longer that"):
        open_media(one, source.video_id, tmp_path / "scratch")


def test_a_file_that_changed_before_is_not_taken_for_the_one_registered(clips, tmp_path):
    one, two = clips
    source, times = identify(one), one.stat()
    open_media(one, source.video_id, tmp_path / "scratch").close()
    two.replace(one)
    os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(MediaError, match="its content is no longer that"):
        open_media(one, source.video_id, tmp_path / "scratch")


def test_rows_of_earlier_code_have_null_in_new_columns(tmp_path):
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    warehouse.publish([OLD])
    for key in ("a", "b"):
        warehouse.replace_partition("example", key, pl.DataFrame({"video_id": [key], "score": [0.5]}))
    warehouse.publish([NEW])
    row = pl.DataFrame({"video_id": ["b"], "score": [0.7], "label": ["new"]})
    warehouse.replace_partition("example", "b", row)
    expected = [("a", 0.5, None), ("b", 0.7, "new")]
    for _ in range(2):
        assert sorted(warehouse.read_table("example").collect().iter_rows()) == expected
        with warehouse.connect() as connection:
            found = connection.execute("SELECT video_id, score, label FROM example ORDER BY video_id").fetchall()
        assert found == expected
        warehouse.compact(everything=True)


def test_rows_of_earlier_code_lose_the_columns_that_are_gone(tmp_path):
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    warehouse.publish([NEW])
    warehouse.replace_partition("example", "a", pl.DataFrame({"video_id": ["a"], "score": [0.5], "label": ["x"]}))
    warehouse.publish([OLD])
    for _ in range(2):
        assert list(warehouse.read_table("example").collect().iter_rows()) == [("a", 0.5)]
        with warehouse.connect() as connection:
            assert connection.execute("SELECT * FROM example").fetchall() == [("a", 0.5)]
        warehouse.compact(everything=True)
