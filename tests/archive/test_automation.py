"""What runs by itself: files that come, change and go, nights that catch up, and changes of code."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.archive import scan
from vid_assets.archive.listing import LEADS_OUT
from vid_assets.archive.plan import Batch, Budget, DuePartition, Wanted, batches, due, within
from vid_assets.archive.register import register, take_in
from vid_assets.archive.scan import SETTLE_S, Archive
from vid_assets.defs import automation
from vid_assets.defs.factory import analyzer_asset, videos_asset
from vid_assets.errors import MediaError, OutsideError
from vid_assets.pipeline.records import read_records
from vid_assets.settings import Settings
from vid_assets.sql.publish import publish
from vid_assets.streams import MediaResource
from vid_assets.synthetic.clips import Clip, Shot, render

MATROSKA = b"\x1aE\xdf\xa3"


def put(path: Path, text: str = "x", age_s: float = 60.0, magic: bytes = MATROSKA) -> Path:
    """A file that was written so long ago, and begins like a video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(magic + text.encode() if text else b"")
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
    return path


@pytest.fixture
def archive(tmp_path):
    """An empty archive with its index."""
    (tmp_path / "archive").mkdir()
    with Archive(str(tmp_path / "archive"), tmp_path / "scratch") as found:
        yield found


def ready(archive, **options):
    """What a scan finds ready, registered at once under its own name."""
    changes = archive.scan(**options)
    archive.settle((path, Path(path).stem) for path in changes.ready)
    return {Path(path).relative_to(archive.root).as_posix() for path in changes.ready}


def test_files_are_found_once(archive):
    root = Path(archive.root)
    for name in ("one.mp4", "deep/er/two.MKV", ".hidden.mp4", "three.mp4.part", ".folder/four.mp4"):
        put(root / name)
    assert ready(archive) == {"one.mp4", "deep/er/two.MKV"}
    assert ready(archive) == set()
    put(root / "deep/five.webm")
    assert ready(archive) == {"deep/five.webm"}
    assert [(group.reason, group.count) for group in archive.skipped()] == [
        ("hidden: the name begins with a dot", 2),
        ("unfinished: the name ends in .part", 1),
    ]


def test_files_that_are_being_written_are_left_alone(archive):
    file = put(Path(archive.root) / "one.mp4", age_s=0)
    now = file.stat().st_mtime
    changes = archive.scan(now=now + 1)
    assert (changes.ready, changes.settling) == ({}, 1)
    file.write_text("longer")
    os.utime(file, (now + 4, now + 4))
    assert not archive.scan(now=now + SETTLE_S + 1).ready
    assert list(archive.scan(now=now + SETTLE_S + 5).ready) == [str(file)]


def test_changed_and_vanished_files_are_told(archive):
    root = Path(archive.root)
    for name in ("a/one.mp4", "a/two.mp4", "b/c/three.mp4"):
        put(root / name)
    assert len(ready(archive)) == 3
    put(root / "a/one.mp4", "changed")
    changes = archive.scan()
    assert changes.ready == {str(root / "a/one.mp4"): "one"}
    (root / "a/two.mp4").unlink()
    (root / "b/c/three.mp4").rename(root / "three.mp4")
    (root / "b/c").rmdir()
    changes = archive.scan()
    assert {gone.video_id for gone in changes.vanished} == {"two", "three"}
    assert str(root / "three.mp4") in changes.ready


def test_a_large_archive_is_looked_at_in_parts(archive):
    root = Path(archive.root)
    for folder in range(10):
        for number in range(20):
            put(root / f"{folder}/{number}.mp4")
    sizes = []
    while found := archive.scan(entries=50).ready:
        archive.settle((path, "x") for path in found)
        sizes.append(len(found))
    assert sum(sizes) == 200
    assert max(sizes) <= 60
    # the folder's time does not tell of a file that changed in place: the next rounds come by
    file = put(root / "7/3.mp4", "changed", age_s=30)
    assert any(str(file) in archive.scan(entries=50).ready for _ in range(6))


def test_an_archive_that_cannot_be_listed_loses_nothing(archive):
    root = Path(archive.root)
    put(root / "one.mp4")
    ready(archive)
    root.rename(root.with_name("away"))
    with pytest.raises(MediaError, match="the archive cannot be listed"):
        archive.scan()
    root.with_name("away").rename(root)
    changes = archive.scan()
    assert not changes.ready
    assert not changes.vanished


def test_a_link_in_a_circle_ends(archive, monkeypatch):
    monkeypatch.setenv("VID_LINKS", "all")
    root = Path(archive.root)
    put(root / "a/one.mp4")
    for name, target in {"a/again": root, "a/itself": root / "a/itself", "a/up": root.parent, "b": root / "a"}.items():
        (root / name).symlink_to(target)
    put(root.parent / "beside/two.mp4")
    # the folder above the archive holds the archive again, which is not listed twice
    assert ready(archive) == {"a/one.mp4", "a/up/beside/two.mp4"}
    assert ready(archive) == set()
    assert [(group.reason, group.examples) for group in archive.skipped()] == [
        ("a broken link", (str(root / "a/itself"),))
    ]


def test_linked_folders_and_files_are_found_once(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("VID_LINKS", "all")
    root = Path(archive.root)
    put(tmp_path / "disk/films/one.mp4")
    put(tmp_path / "disk/two.mp4")
    put(root / ".store/three.mp4")
    for name, target in {"x": "disk/films", "y": "disk/films", "z": "disk", "four.mp4": "disk/two.mp4"}.items():
        (root / name).symlink_to(tmp_path / target)
    (root / "visible").symlink_to(root / ".store")
    found = ready(archive)
    assert len(found) == 4
    assert {Path(path).resolve().name for path in (root / name for name in found)} == {
        "one.mp4", "two.mp4", "three.mp4",
    }  # fmt: skip
    # the first link goes: the folder is found through the other
    first = next(name.split("/")[0] for name in found if name.endswith("one.mp4"))
    (root / first).unlink()
    changes = archive.scan()
    assert [gone.video_id for gone in changes.vanished if gone.video_id == "one"] == ["one"]
    assert any(name.endswith("one.mp4") for name in ready(archive) | set(changes.ready))


def test_a_linked_file_follows_its_target(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("VID_LINKS", "all")
    root, target = Path(archive.root), put(tmp_path / "disk/one.mp4")
    (root / "link.mp4").symlink_to(target)
    assert ready(archive) == {"link.mp4"}
    put(target, "changed")
    assert archive.scan().ready == {str(root / "link.mp4"): "link"}
    target.unlink()
    assert [gone.video_id for gone in archive.scan().vanished] == ["link"]


def test_links_that_stay_inside_are_followed_and_others_are_told(archive, tmp_path, monkeypatch):
    root = Path(archive.root)
    put(root / ".store/one.mp4")
    put(root / "two.mp4")
    put(tmp_path / "disk/three.mp4")
    (tmp_path / "archive_2").mkdir()
    put(tmp_path / "archive_2/four.mp4")
    links = {
        "in": root / ".store", "in.mp4": root / "two.mp4", "out": tmp_path / "disk", "up": Path("..") / "disk",
        "out.mp4": tmp_path / "disk/three.mp4", "name": tmp_path / "archive_2", "broken.mp4": tmp_path / "no",
        "chain.mp4": root / "out.mp4",
    }  # fmt: skip
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert ready(archive) == {"two.mp4", "in.mp4", "in/one.mp4"}
    assert [group.count for group in archive.skipped() if group.reason == LEADS_OUT] == [6]
    monkeypatch.setenv("VID_LINKS", "all")
    new = {Path(path).name for _ in range(2) for path in ready(archive)}
    assert new == {"out.mp4", "chain.mp4", "four.mp4", "three.mp4"}
    monkeypatch.delenv("VID_LINKS")
    assert ready(archive) | ready(archive) == set()
    assert [group.count for group in archive.skipped() if group.reason == LEADS_OUT] == [6]


def test_an_index_of_an_earlier_version_is_kept(tmp_path):
    (tmp_path / "archive").mkdir()
    file = put(tmp_path / "archive/one.mp4")
    with Archive(str(tmp_path / "archive"), tmp_path / "scratch") as archive:
        assert ready(archive) == {"one.mp4"}
        archive._index.execute("ALTER TABLE folders DROP COLUMN real")
        archive._index.execute("ALTER TABLE files DROP COLUMN reason")
    with Archive(str(tmp_path / "archive"), tmp_path / "scratch") as archive:
        assert ready(archive) == set()
        file.unlink()
        assert [gone.video_id for gone in archive.scan().vanished] == ["one"]


def test_a_folder_that_cannot_be_listed_keeps_what_was_found(archive, monkeypatch):
    folder = Path(archive.root) / "a"
    put(folder / "one.mp4")
    assert ready(archive) == {"a/one.mp4"}
    listing = scan.list_folder

    def refused(fs, path, *more):
        return fails(PermissionError(13, "Permission denied")) if path == str(folder) else listing(fs, path, *more)

    monkeypatch.setattr(scan, "list_folder", refused)
    changes = archive.scan()
    assert changes.vanished == []
    assert changes.unreadable == {str(folder): "cannot be listed (Permission denied)"}


@pytest.fixture
def home(tmp_path):
    """Archive, warehouse, instance and settings of their own."""
    (tmp_path / "archive").mkdir()
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    settings = Settings(archive=str(tmp_path / "archive"), scratch=str(tmp_path / "scratch"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Path(settings.archive), warehouse, settings, instance


def look(home):
    root, warehouse, settings, instance = home
    with Archive(str(root), Path(settings.scratch)) as archive:
        return take_in(archive, Path(settings.scratch), warehouse, instance)


def test_new_files_become_partitions_and_bad_ones_are_refused_once(home):
    root, warehouse, _, instance = home
    put(root / "one.mp4", "one")
    put(root / "two.mp4", "two")
    put(root / "copy/one.mp4", "one")
    put(root / "empty.mp4", "")
    taken = look(home)
    assert [key.split("-")[0] for key in sorted(taken.new)] == ["one", "two"]
    assert set(instance.get_dynamic_partitions("videos")) == set(taken.new)
    (problem,) = taken.refused
    assert problem.endswith("empty.mp4: is empty; name a media file")
    again = look(home)
    assert (again.new, again.refused) == ([], [])
    failed = warehouse.read_table(ANALYZER_RUNS.name).filter(pl.col("status") == "failed").collect()
    assert failed["video_id"].str.starts_with("empty-").to_list() == [True]


@pytest.mark.parametrize("what_becomes_of_it", ["a video", "a text", "gone"])
def test_the_record_of_a_refused_file_goes_with_the_file(home, what_becomes_of_it):
    root, warehouse, *_ = home
    put(root / "empty.mp4", "")
    assert len(look(home).refused) == 1
    (key,) = warehouse.partitions(ANALYZER_RUNS.name)
    if what_becomes_of_it == "gone":
        (root / "empty.mp4").unlink()
    else:
        put(root / "empty.mp4", "words", **({} if what_becomes_of_it == "a video" else {"magic": b""}))
    look(home)
    assert key not in warehouse.partitions(ANALYZER_RUNS.name)


def test_content_decides_what_is_taken_in(home):
    root, warehouse, *_ = home
    put(root / "film.dat", "one")
    put(root / "no_ending", "two")
    put(root / "damaged.mp4", "three", magic=bytes(range(256)))
    put(root / "index.ts", "export const x = 1;\n", magic=b"")
    put(root / "error.mp4", "<html>not found</html>", magic=b"")
    put(root / "module.mts", "three", magic=bytes(range(256)))
    put(root / "photo.jpg", "four", magic=b"\xff\xd8\xff\xe0")
    taken = look(home)
    assert {key.split("-")[0] for key in taken.new} == {"film", "no_ending", "damaged"}
    assert [str(group) for group in taken.skipped] == [
        f"left out 2 (text): {root}/error.mp4, {root}/index.ts",
        f"left out 1 (nothing that the decoder knows): {root}/module.mts",
        f"left out 1 (a still picture): {root}/photo.jpg",
    ]
    assert look(home).skipped == []
    # a video that becomes something else is gone
    (key,) = (key for key in taken.new if key.startswith("film"))
    put(root / "film.dat", "words", magic=b"")
    assert (look(home).vanished, warehouse.read_partition("sources", key)["vanished_at"].item() is None) == (
        [key], False,
    )  # fmt: skip


def test_a_file_that_cannot_be_read_now_is_tried_again(home, monkeypatch):
    root, _, settings, _ = home
    put(root / "one.mp4", "one")
    with monkeypatch.context() as broken:
        broken.setattr(
            "vid_assets.archive.register.identify", lambda _: fails(OutsideError("x", "disk error", "check it"))
        )
        taken = look(home)
    assert (taken.new, taken.refused, taken.unreadable) == ([], [], ["x: disk error; check it"])
    assert look(home).new == []
    with Archive(str(root), Path(settings.scratch)) as archive:
        archive.retry()
    assert len(look(home).new) == 1


def fails(error):
    raise error


def test_a_look_that_was_cut_off_is_taken_again(home, monkeypatch):
    root, _, _, instance = home
    put(root / "one.mp4", "one")
    with monkeypatch.context() as cut:
        cut.setattr("vid_assets.archive.register.add_partitions", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look(home)
    (key,) = look(home).new
    assert instance.get_dynamic_partitions("videos") == [key]


def test_vanished_files_are_marked_and_come_back(home):
    root, warehouse, _, _ = home
    put(root / "one.mp4", "one")
    put(root / "copy/one.mp4", "one")
    (key,) = look(home).new

    def source():
        return warehouse.read_partition("sources", key).row(0, named=True)

    Path(source()["path"]).unlink()
    assert look(home).vanished == []
    (left,) = root.rglob("*.mp4")
    assert (source()["path"], source()["vanished_at"]) == (str(left), None)
    left.unlink()
    assert look(home).vanished == [key]
    assert source()["vanished_at"] is not None
    put(root / "one.mp4", "one")
    assert look(home).new == []
    assert source()["vanished_at"] is None


def test_a_file_with_other_content_is_another_video(home):
    root, warehouse, _, _ = home
    put(root / "one.mp4", "one")
    (old,) = look(home).new
    put(root / "one.mp4", "other")
    taken = look(home)
    assert (len(taken.new), taken.vanished) == (1, [old])
    assert warehouse.read_partition("sources", old)["vanished_at"].item() is not None


def test_remote_archives_are_copied_when_they_are_read(home):
    import fsspec

    _, warehouse, settings, instance = home
    memory = fsspec.filesystem("memory")
    memory.pipe("/films/one.mp4", MATROSKA + b"remote")
    memory.pipe("/films/notes", b"words")
    scratch = Path(settings.scratch)
    with Archive("memory://films", scratch) as archive:
        assert take_in(archive, scratch, warehouse, instance).settling == 2
        archive._index.execute("UPDATE files SET noted_at = noted_at - 60")
        taken = take_in(archive, scratch, warehouse, instance)
        assert [(group.reason, group.examples) for group in taken.skipped] == [("text", ("/films/notes",))]
        (key,) = taken.new
    source = warehouse.read_partition("sources", key).row(0, named=True)
    assert source["path"] == "memory:///films/one.mp4"

    from vid_assets.media.remote import local_path

    copy = local_path(source["path"], source["content_hash"], scratch)
    assert copy.read_bytes() == MATROSKA + b"remote"
    copy.unlink()
    assert local_path(source["path"], source["content_hash"], scratch).read_bytes() == MATROSKA + b"remote"
    copy.unlink()
    memory.pipe("/films/one.mp4", MATROSKA + b"changed")
    with pytest.raises(MediaError, match="no longer the file"):
        local_path(source["path"], source["content_hash"], scratch)


VERSIONS = {"videos": "1", "a": "1-a", "b": "1-b", "c": "1-c"}
UPSTREAM = {"videos": (), "a": ("videos",), "b": ("videos", "a"), "c": ("videos",)}
WANTED = {name: Wanted(version, upstream=UPSTREAM[name]) for name, version in VERSIONS.items()}


def answered(warehouse, key, **changes):
    """Records of a video that is done, but for the changes: analyzer to (status, code_version, failures)."""
    told = {name: ("value", want.version, 0) for name, want in WANTED.items()} | changes
    rows = [
        {"video_id": key, "analyzer": name, "status": row[0], "code_version": row[1], "failures": row[2]}
        for name, row in told.items()
        if row is not None
    ]
    warehouse.replace_partition(ANALYZER_RUNS.name, key, ANALYZER_RUNS.frame(rows))


def test_what_is_due(home):
    _, warehouse, _, _ = home
    cases = {
        "done": ({}, None),
        "unseen": (None, ({"videos", "a", "b", "c"}, "missing")),
        "lacking": ({"c": None}, ({"c"}, "missing")),
        "switched": ({"c": ("disabled", "1-c", 0)}, ({"c"}, "missing")),
        "stale": ({"a": ("value", "0-a", 0)}, ({"a", "b"}, "stale")),
        "failed": ({"b": ("failed", "1-b", 2)}, ({"b"}, "failed")),
        "hopeless": ({"b": ("failed", "1-b", 3)}, None),
        "mended": ({"b": ("failed", "0-b", 3)}, ({"b"}, "stale")),
        "broken": ({"videos": ("failed", "1", 3), "a": None, "b": None, "c": None}, None),
    }
    for key, (changes, _) in cases.items():
        if changes is not None:
            answered(warehouse, key, **changes)
    found = {item.video_id: (set(item.assets), item.reason) for item in due(warehouse, list(cases), WANTED)}
    assert found == {key: expected for key, (_, expected) in cases.items() if expected is not None}


def test_a_night_has_a_budget():
    items = [DuePartition(str(number), frozenset("a"), "missing", 1, 2.0) for number in range(5)]
    assert len(list(within(items, Budget()))) == 5
    assert len(list(within(items, Budget(videos=3)))) == 3
    assert len(list(within(items, Budget(hours=4.5)))) == 2
    assert len(list(within(items, Budget(hours=0.1)))) == 1


def test_neighbours_share_a_run():
    order = [f"v{number}" for number in range(8)]
    items = [DuePartition(order[number], frozenset("a"), "missing") for number in (6, 5, 4, 1, 0)]
    assert batches(items, order, size=2) == [
        Batch("v0", "v1", 2, frozenset("a"), "missing"),
        Batch("v4", "v5", 2, frozenset("a"), "missing"),
        Batch("v6", "v6", 1, frozenset("a"), "missing"),
    ]
    other = replace(items[3], assets=frozenset("ab"))
    assert [batch.videos for batch in batches([other, items[4]], order)] == [1, 1]


def test_the_sensor_requests_runs_for_new_files_only(home, monkeypatch):
    root, warehouse, settings, instance = home
    for number in range(12):
        put(root / f"{number:02}.mp4", str(number))
    known = register(put(root / "known.mp4", "known"), warehouse, instance).video_id
    resources = {"settings": settings, "warehouse": warehouse, "media": MediaResource()}

    def tick():
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            return automation.archive_sensor(context)

    result = tick()
    assert isinstance(result, dg.SensorResult)
    order = instance.get_dynamic_partitions("videos")
    ranges = [
        [order.index(request.tags[tag]) for tag in automation._RANGE_TAGS] for request in result.run_requests or []
    ]
    assert ranges == [[1, 10], [11, 12]]
    assert order[0] == known
    assert all(request.asset_selection is None for request in result.run_requests or [])
    assert isinstance(tick(), dg.SkipReason)


def test_after_a_full_disk_the_sensor_goes_on_with_everything(home, monkeypatch):
    root, warehouse, settings, instance = home
    known = register(put(root / "known.mp4", "known"), warehouse, instance).video_id
    put(root / "new.mp4", "new")
    resources = {"settings": settings, "warehouse": warehouse, "media": MediaResource()}

    def tick(cursor):
        with dg.build_sensor_context(instance=instance, resources=resources, cursor=cursor) as context:
            return automation.archive_sensor(context), context.cursor

    monkeypatch.setenv("VID_FREE_GB", "1e9")
    result, cursor = tick(None)
    assert isinstance(result, dg.SkipReason)
    assert "its disk is full" in str(result.skip_message)
    assert instance.get_dynamic_partitions("videos") == [known]
    monkeypatch.delenv("VID_FREE_GB")
    result, _ = tick(cursor)
    assert isinstance(result, dg.SensorResult)
    assert [request.tags[automation._RANGE_TAGS[0]] for request in result.run_requests or []] == [known]
    assert instance.get_dynamic_partitions("videos")[1].startswith("new-")
    assert isinstance(tick(result.cursor)[0], dg.SkipReason)


def test_a_page_that_could_not_be_written_is_due(home, monkeypatch, tmp_path):
    root, warehouse, _, instance = home
    reports = tmp_path / "reports"
    reports.mkdir()
    monkeypatch.setenv("VID_REPORTS", str(reports))
    keys = [register(put(root / f"{number}.mp4", str(number)), warehouse, instance).video_id for number in range(4)]
    monkeypatch.setattr(automation, "wanted_answers", lambda: {"videos": Wanted("1")})
    at = datetime.now(UTC)
    for key in keys[:3]:
        row = {"video_id": key, "analyzer": "videos", "status": "value", "code_version": "1", "own_settings": False}
        warehouse.replace_partition(
            "analyzer_runs", key, ANALYZER_RUNS.frame([row | {"started_at": at, "ended_at": at}])
        )
        warehouse.replace_partition("videos", key, VIDEOS.frame([{"video_id": key}]))
    for key, age_s in ((keys[0], -60.0), (keys[1], 60.0)):
        (reports / f"{key}.html").touch()
        os.utime(reports / f"{key}.html", (at.timestamp() - age_s,) * 2)
    made = automation.planned(instance, warehouse)
    assert [(batch.first, batch.last, sorted(batch.assets)) for batch in made] == [
        (keys[1], keys[2], ["video_report"]), (keys[3], keys[3], ["videos"]),
    ]  # fmt: skip


def test_the_night_leaves_out_what_is_under_way(home, tmp_path):
    root, warehouse, *_ = home
    (tmp_path / "dagster").mkdir()
    instance = dg.DagsterInstance.local_temp(str(tmp_path / "dagster"))
    keys = [register(put(root / f"{number}.mp4", str(number)), warehouse, instance).video_id for number in range(4)]
    assert [batch.videos for batch in automation.planned(instance, warehouse)] == [4]
    tags: dict[str, str] = dict(zip(automation._RANGE_TAGS, keys[1:3], strict=True))
    instance.create_run_for_job(never, tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)
    assert [(batch.first, batch.last) for batch in automation.planned(instance, warehouse)] == [
        (keys[0], keys[0]), (keys[3], keys[3]),
    ]  # fmt: skip
    with dg.build_schedule_context(
        instance=instance, resources={"warehouse": warehouse}, scheduled_execution_time=datetime.now(UTC)
    ) as context:
        requests = automation.nightly_backfill.evaluate_tick(context).run_requests or []
    assert [request.tags[automation.REASON_TAG] for request in requests] == ["missing", "missing"]
    assert len({request.run_key for request in requests}) == 2


@dg.job
def never():
    """A job for runs that only stand in the queue."""


def test_a_changed_analyzer_runs_again_with_what_rests_on_it(home):
    root, warehouse, settings, instance = home
    clips = [root / f"{name}.mp4" for name in ("one", "two")]
    for clip, background in zip(clips, ("grey", "brown"), strict=True):
        render(Clip(shots=(Shot(0.4, background=background),), width=64, height=36), clip)
    keys = [register(clip, warehouse, instance).video_id for clip in clips]
    resources = {"settings": settings, "warehouse": warehouse, "media": MediaResource()}
    base, alone = make_analyzer("base"), make_analyzer("alone")
    upon = make_analyzer("upon", inputs=("base",), run=lambda base: base)

    def definitions(version):
        assets = [videos_asset(), *map(analyzer_asset, (replace(base, version=version), upon, alone))]
        return dg.Definitions(assets=assets, resources=resources)

    def requested(version, cursor):
        result = dg.evaluate_automation_conditions(definitions(version), instance, cursor=cursor)
        named = {
            name: result.get_requested_partitions(dg.AssetKey(name)) for name in ("base", "upon", "alone", "videos")
        }
        return result.cursor, {name: found for name, found in named.items() if found}

    cursor, found = requested("1", None)
    assert found == {}
    everything = definitions("1").resolve_implicit_global_asset_job_def()
    assert everything.execute_in_process(instance=instance, partition_key=keys[0]).success
    cursor, found = requested("1", cursor)
    assert found == {}
    # a look in the middle of a run: what it has updated is for itself to go on with
    job = definitions("1").resolve_implicit_global_asset_job_def()
    half = [dg.AssetKey("videos"), dg.AssetKey("base")]
    assert job.execute_in_process(instance=instance, partition_key=keys[0], asset_selection=half).success
    cursor, found = requested("1", cursor)
    assert found == {}
    cursor, found = requested("2", cursor)
    assert found == {"base": {keys[0]}, "upon": {keys[0]}}
    started = {name: row["started_at"] for name, row in read_records(keys[0], warehouse).items()}
    both = [analyzer_asset(replace(base, version="2")), analyzer_asset(upon)]
    assert dg.materialize(both, instance=instance, resources=resources, partition_key=keys[0]).success
    again = {name for name, row in read_records(keys[0], warehouse).items() if row["started_at"] > started[name]}
    assert again == {"base", "upon"}
    cursor, found = requested("2", cursor)
    assert found == {}
