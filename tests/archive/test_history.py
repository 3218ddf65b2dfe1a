"""What prune removes of Dagster's records, and that Dagster knows the same afterwards."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from resources.warehouse.resource import Warehouse
from tests.kit import recorded
from vid_assets.archive.prune import prune
from vid_assets.archive.register import register
from vid_assets.sql.publish import publish

KEYS = [dg.AssetKey(name) for name in ("videos", *recorded.NAMES)]


@pytest.fixture
def home(tmp_path):
    """An instance on SQLite, a folder with a warehouse, and the ids of three registered clips."""
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        clips = recorded.make_clips(tmp_path / "clips", 3)
        yield instance, tmp_path, [register(clip, warehouse, instance).video_id for clip in clips]


def pruned(instance, folder, *, dry_run=False):
    """Prunes from an instance of its own, as the command line does."""
    with dg.DagsterInstance.local_temp(instance.root_directory) as own:
        return prune(
            own, Warehouse(path=str(folder / "warehouse")), folder / "scratch", folder / "reports", (), 0.0,
            former_checks=("schema",), results=False, busy=(), dry_run=dry_run,
        )  # fmt: skip


def known(instance, keys):
    """All that Dagster derives from its events: colours, versions, provenance, and the results of checks."""
    partitions = recorded.assets()[0].partitions_def
    statuses = {key: instance.get_status_by_partition(key, keys, partitions) for key in KEYS}
    latest = {}
    for key in KEYS:
        for video_id in keys:
            wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[video_id])
            found = instance.fetch_materializations(wanted, limit=1).records
            latest[key, video_id] = found and (found[0].storage_id, found[0].event_log_entry)
    materialized = {key: instance.get_materialized_partitions(key) for key in KEYS}
    with sqlite3.connect(index_of(instance)) as index:
        checks = index.execute(
            "SELECT asset_key, check_name, execution_status, evaluation_event FROM asset_check_executions WHERE id IN"
            " (SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name) ORDER BY 1, 2"
        ).fetchall()
    return statuses, latest, materialized, checks


def index_of(instance):
    return Path(instance.event_log_storage.path_for_shard("index"))


def logs(instance):
    return {path.stem for path in index_of(instance).parent.glob("*.db")} - {"index"}


def test_dagster_knows_the_same_afterwards(home):
    instance, folder, keys = home
    superseded = recorded.run(instance, folder, keys)
    broken = folder / "clips/clip1.mp4"
    broken.write_bytes(b"no video")
    needed = recorded.run(instance, folder, keys)
    failed = recorded.run(instance, folder, keys[1:2])
    assert (superseded.success, needed.success, failed.success) == (True, True, False)
    conditions = recorded.definitions()
    seen = dg.evaluate_automation_conditions(conditions, instance)
    before = known(instance, keys)
    assert {status[keys[0]].value for status in before[0].values()} == {"MATERIALIZED"}
    assert {status[keys[1]].value for status in before[0].values()} == {"FAILED"}
    assert sorted(pruned(instance, folder, dry_run=True).logs) == sorted(
        [superseded.run_id, needed.run_id, failed.run_id]
    )
    assert known(instance, keys) == before
    made = pruned(instance, folder)
    # the materialization of the broken clip is still the last one of its partition
    assert (made.runs, len(made.logs)) == ([], 3)
    assert logs(instance) == set()
    assert known(instance, keys) == before
    assert dg.evaluate_automation_conditions(conditions, instance, cursor=seen.cursor).total_requested == 0
    again = pruned(instance, folder)
    assert (again.runs, again.logs) == ([], [])


def test_runs_that_nothing_leans_on_go(home):
    instance, folder, keys = home
    first, second = recorded.run(instance, folder, keys), recorded.run(instance, folder, keys)
    before = known(instance, keys)
    made = pruned(instance, folder)
    assert (made.runs, made.logs) == ([first.run_id], [second.run_id])
    assert [run.run_id for run in instance.get_runs()] == [second.run_id]
    assert known(instance, keys) == before
    with sqlite3.connect(index_of(instance)) as index:
        (executions,) = index.execute("SELECT count(*) FROM asset_check_executions").fetchone()
        (tags,) = index.execute("SELECT count(*) FROM asset_event_tags").fetchone()
    assert executions == 2 * len(recorded.NAMES) + 1
    assert tags == recorded.rows(index_of(instance))["ASSET_MATERIALIZATION"] == len(KEYS) * len(keys)


def test_growth_is_flat(home):
    instance, folder, keys = home
    sizes = []
    for _ in range(4):
        recorded.run(instance, folder, keys)
        pruned(instance, folder)
        files = [file for file in (folder / "dagster/history").rglob("*") if file.is_file()]
        sizes.append(sum(file.stat().st_size for file in files if "runs.db" not in file.name))
    assert max(sizes[1:]) <= 1.1 * sizes[0]


def test_checks_by_video_of_release_0_2_go(home):
    instance, folder, keys = home
    recorded.run(instance, folder, keys)
    with sqlite3.connect(index_of(instance)) as index:
        index.execute(
            "INSERT INTO asset_check_executions (asset_key, check_name, partition, run_id, execution_status,"
            " evaluation_event, evaluation_event_timestamp) SELECT asset_key, 'schema', ?, 'old', execution_status,"
            " evaluation_event, evaluation_event_timestamp FROM asset_check_executions WHERE check_name = 'plausible'",
            [keys[0]],
        )
    before = known(instance, keys)[:3]
    pruned(instance, folder)
    assert known(instance, keys)[:3] == before
    with sqlite3.connect(index_of(instance)) as index:
        assert {name for (name,) in index.execute("SELECT check_name FROM asset_check_executions")} == {
            "answered", "plausible",
        }  # fmt: skip
