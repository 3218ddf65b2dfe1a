"""What a run leaves behind in Dagster's storage: exact counts, so that every further row is a decision."""

from pathlib import Path

import dagster as dg
import pytest

from resources.warehouse.resource import Warehouse
from tests.kit import recorded
from vid_assets.archive.register import register

ASSETS, CHECKS, VIDEOS = 4, 4 + 3, 10


@pytest.fixture
def home(tmp_path):
    """An instance on SQLite, and the ids of ten registered clips."""
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield (
            instance,
            tmp_path,
            [register(clip, warehouse, instance).video_id for clip in recorded.make_clips(tmp_path / "clips", VIDEOS)],
        )


def shard(instance, name):
    return Path(instance.event_log_storage.path_for_shard(name))


def test_the_rows_of_a_run_of_ten_videos(home):
    instance, folder, keys = home
    result = recorded.run(instance, folder, keys)
    assert result.success
    own, index = recorded.rows(shard(instance, result.run_id)), recorded.rows(shard(instance, "index"))
    notes = own.pop("ENGINE_EVENT")
    own.pop(None, 0)  # what confines the decoder is told once per process
    assert own == {
        "ASSET_MATERIALIZATION": ASSETS * VIDEOS,
        "ASSET_CHECK_EVALUATION": CHECKS,
        "STEP_START": ASSETS,
        "STEP_OUTPUT": ASSETS + CHECKS,
        "STEP_SUCCESS": ASSETS,
        "RESOURCE_INIT_STARTED": 1,
        "RESOURCE_INIT_SUCCESS": 1,
        "LOGS_CAPTURED": 1,
        "PIPELINE_START": 1,
        "PIPELINE_SUCCESS": 1,
    }
    assert index == {
        "ASSET_MATERIALIZATION": ASSETS * VIDEOS,
        "ASSET_CHECK_EVALUATION": CHECKS,
        "PIPELINE_START": 1,
        "PIPELINE_SUCCESS": 1,
    }
    assert notes <= 6
    events = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    # two of at most this size share a page of SQLite, and each is stored twice
    assert max(len(dg.serialize_value(event)) for event in events) < 1900


def test_what_was_planned_and_did_not_happen_stays(home):
    instance, folder, keys = home
    (folder / "clips/clip3.mp4").write_bytes(b"no video")
    good = recorded.run(instance, folder, keys)
    assert good.success
    assert recorded.rows(shard(instance, "index"))["ASSET_MATERIALIZATION_PLANNED"] == ASSETS
    result = recorded.run(instance, folder, keys[3:4])
    assert not result.success
    # what was not checked does not hide the last result
    storage = instance.event_log_storage
    for name in recorded.NAMES:
        key = dg.AssetCheckKey(dg.AssetKey(name), "plausible")
        (latest,) = storage.get_latest_asset_check_execution_by_key([key]).values()
        assert (latest.status.value, latest.run_id) == ("SUCCEEDED", good.run_id)
    for name in ("videos", *recorded.NAMES):
        found = instance.get_status_by_partition(dg.AssetKey(name), keys, recorded.assets()[0].partitions_def)
        assert {key: status and status.value for key, status in found.items()} == {
            key: "FAILED" if key == keys[3] else "MATERIALIZED" for key in keys
        }
