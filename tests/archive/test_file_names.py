"""Files of any name, from the archive to the page: bytes that are not UTF-8, controls, quotes, markup, directions."""

import html
import json
import os
import re
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.archive.register import register, take_in
from vid_assets.archive.scan import Archive
from vid_assets.cli.console import complain
from vid_assets.defs import automation
from vid_assets.defs.factory import analyzer_asset, videos_asset
from vid_assets.media.paths import is_remote, is_utf8, name_of, path_of, readable, shown, stored
from vid_assets.report.index import write_index
from vid_assets.report.write import write_report
from vid_assets.settings import Settings
from vid_assets.sql.publish import publish
from vid_assets.streams import MediaResource
from vid_assets.synthetic.clips import Clip, Shot, render

# Each name with what a page shows of it.
NAMES = {
    b"caf\xe9.mp4": r"caf\xe9.mp4",
    b"\xff\xfe": r"\xff\xfe",
    b"caf\xc3\xa9.mp4": "café.mp4",
    b"-rf.mp4": "-rf.mp4",
    b"--help": "--help",
    b"two\nlines\tand\x1b[2J\x07.mp4": r"two\nlines\tand\x1b[2J\x07.mp4",
    b"'quoted' \"twice\"; DROP TABLE sources; --.mp4": "'quoted' \"twice\"; DROP TABLE sources; --.mp4",
    b"<script>alert(1)<_script>&amp;.mp4": "<script>alert(1)<_script>&amp;.mp4",
    "\u202egpm.exe\u200f.mp4".encode(): r"\u202egpm.exe\u200f.mp4",
    b"a%E9%2F..:b::c?d#e.mp4": "a%E9%2F..:b::c?d#e.mp4",
    b"[red]*?{x}$(id)`id`\\.mp4": "[red]*?{x}$(id)`id`\\.mp4",
    b" spaces .mp4 ": " spaces .mp4 ",
    "日本語🎬.mp4".encode(): "日本語🎬.mp4",
}
FOLDER = b"d\xe9p\xf4t <b>"


@pytest.fixture
def files(tmp_path):
    """One clip under each name, each of other content, in a folder whose own name is not UTF-8."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + FOLDER))
    folder.mkdir()
    render(Clip(shots=(Shot(0.4, background="grey"),), width=64, height=36), tmp_path / "clip.mp4")
    content = (tmp_path / "clip.mp4").read_bytes()
    made = {}
    for number, name in enumerate(NAMES):
        made[name] = folder / os.fsdecode(name)
        # a box that players skip
        made[name].write_bytes(content + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
        os.utime(made[name], (1e9, 1e9))
    return made


@pytest.fixture
def home(tmp_path):
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/" + FOLDER)
    settings = Settings(archive=folder, scratch=str(tmp_path / "scratch"), reports=str(tmp_path / "reports"))
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield warehouse, settings, instance


def test_names_of_any_kind_go_from_the_archive_to_the_page(files, home):
    warehouse, settings, instance = home
    scratch, reports = Path(settings.scratch), Path(settings.reports)
    with Archive(settings.archive, scratch) as archive:
        taken = take_in(archive, scratch, warehouse, instance)
        assert (taken.refused, taken.skipped, len(taken.new)) == ([], [], len(NAMES))
        assert take_in(archive, scratch, warehouse, instance).new == []
    sources = warehouse.read_table("sources").collect()
    assert {os.fsencode(path_of(path)) for path in sources["path"]} == {os.fsencode(file) for file in files.values()}
    analyzer = make_analyzer("example")
    tags = dict(zip(automation._RANGE_TAGS, (taken.new[0], taken.new[-1]), strict=True))
    resources = {"warehouse": warehouse, "settings": settings, "media": MediaResource()}
    result = dg.materialize(
        [videos_asset(), analyzer_asset(analyzer)], instance=instance, resources=resources, tags=tags
    )
    assert result.success
    records = warehouse.read_table(ANALYZER_RUNS.name).collect()
    assert records.filter(pl.col("status") != "value").is_empty()
    expected = {}
    for row in sources.iter_rows(named=True):
        name = os.fsencode(path_of(row["path"]).name)
        expected[row["video_id"]] = NAMES[name]
        written = write_report(warehouse, scratch, reports, row["video_id"], (analyzer,))
        page = written.path.read_text(encoding="utf-8")
        assert f"<h1>{html.escape(NAMES[name])}</h1>" in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        assert "<script>alert" not in page
        assert (reports / "thumbs" / f"{row['video_id']}.webp").is_file()
        card = json.loads((reports / "cards" / f"{row['video_id']}.json").read_bytes())
        assert card["title"] == NAMES[name]
    index = write_index(reports).read_text(encoding="utf-8")
    assert len(re.findall(r"<li\b", index)) == len(NAMES)
    names = dict(warehouse.read_table("videos").select("video_id", "file_name").collect().iter_rows())
    assert {key: shown(name) for key, name in names.items()} == expected


def test_the_sensor_takes_them_in_and_tells_of_bad_ones(files, home):
    warehouse, settings, instance = home
    for name, file in files.items():
        file.write_bytes(b"words" if name == b"--help" else b"" if name == b"caf\xe9.mp4" else file.read_bytes())
        os.utime(file, (1e9, 1e9))
    resources = {"settings": settings, "warehouse": warehouse}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        result = automation.archive_sensor(context)
    assert isinstance(result, dg.SensorResult)
    assert len(instance.get_dynamic_partitions("videos")) == len(NAMES) - 2
    failed = warehouse.read_table(ANALYZER_RUNS.name).collect()
    (reason,) = failed["reason"]
    assert reason.endswith(r"caf\xe9.mp4: is empty; name a media file")


def test_a_file_given_by_name_is_analysed_and_shown(files, home, monkeypatch, tmp_path, capsys):
    warehouse, _, instance = home
    monkeypatch.chdir(next(iter(files.values())).parent)
    for name, file in files.items():
        source = register(Path(os.fsdecode(name)), warehouse, instance)
        row = warehouse.read_partition("sources", source.video_id)
        assert row is not None
        assert path_of(row["path"].item()) == file
    complain(f"{os.fsdecode(b'caf' + bytes([0xE9]))}: bad", Console())
    assert "\N{REPLACEMENT CHARACTER}" in capsys.readouterr().out


def test_a_path_that_is_not_utf8_stands_as_a_uri():
    path = os.fsdecode(b"/films/caf\xe9 <1>.mp4")
    assert stored(path) == "file:///films/caf%E9%20%3C1%3E.mp4"
    assert stored("/films/café <1>.mp4") == "/films/café <1>.mp4"
    assert name_of(stored(path)) == r"caf\xe9 <1>.mp4"
    assert readable(path) == r"/films/caf\xe9 <1>.mp4"


@given(st.binary(min_size=1, max_size=50).filter(lambda name: b"\0" not in name))
def test_a_stored_path_leads_back(name):
    path = Path(os.fsdecode(b"/" + name))
    text = stored(path)
    assert is_utf8(text)
    assert not is_remote(text)
    assert os.fsencode(path_of(text)) == os.fsencode(path)
    assert shown(path).isprintable()


@pytest.mark.parametrize("url", ["s3://bucket/a b.mp4", "memory://x", "simplecache::s3://b/c", "gs://b/c"])
def test_urls_stay_as_they_are(url):
    assert is_remote(url)
    assert (stored(url), name_of(url)) == (url, url.rsplit("/", 1)[-1])
