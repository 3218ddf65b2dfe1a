"""Runs on two Ray nodes: they share the work, and a node that is lost or a run that is stopped loses nothing."""

import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import psutil
import pytest

from deploy.demo import NODES, add_clips
from deploy.machine import Cluster, cluster
from resources.errors import WarehouseError
from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from vid_assets.registry import discover

# the clients of Ray and Postgres leave sockets to the garbage collector
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

# one without a model, one with a model host
USED = ("color_analysis", "object_detection")
WAIT_S = 900.0


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    unused = ",".join(item.name for item in discover() if item.name not in USED)
    models = os.environ.get("VID_MODELS", "data/models")
    settings = {"VID_PROFILE": "offline", "VID_DISABLED": unused, "VID_MODELS": str(Path(models).absolute())}
    settings["PYTHONPATH"] = str(Path(__file__).parents[2])
    with tempfile.TemporaryDirectory(prefix="vid-") as folder, cluster(Path(folder), settings) as made:
        before = dict(os.environ)
        os.environ.update(made.environment)
        try:
            for node in NODES:
                made.start_node(node)
            made.start_daemon()
            yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


@pytest.fixture
def instance(two_nodes: Cluster) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(two_nodes.environment["DAGSTER_HOME"]) as made:
        yield made


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.5)


def published(made: Cluster) -> set[str]:
    try:
        return set(Warehouse(path=made.environment["VID_WAREHOUSE"]).partitions("color_analysis"))
    except WarehouseError:
        return set()


def hosts_of(made: Cluster, node: str) -> set[int]:
    found = set()
    for process in psutil.process_iter():
        try:
            if "resources.hosting.server" in process.cmdline() and str(made.folder / node) in str(process.environ()):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


def runs_of(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=list(statuses) or None)))


def answers(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    records = [
        "video_id",
        "analyzer",
        "status",
        "reason",
        "rows",
        "covered",
        "code_version",
        "content_hash",
        "provenance",
    ]
    tables = {name: warehouse.read_table(name).collect() for name in USED}
    tables["records"] = warehouse.read_table(ANALYZER_RUNS.name).select(records).collect()
    return {name: table.sort(pl.all()) for name, table in tables.items() if table.sort("video_id").height}


def test_only_who_has_the_token_sees_the_dashboard(two_nodes: Cluster) -> None:
    asked = urllib.request.Request(f"{two_nodes.environment['RAY_DASHBOARD']}/api/jobs/")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(asked, timeout=60)
    assert error.value.code == 401
    error.value.close()
    asked.add_header("Authorization", f"Bearer {two_nodes.environment['RAY_AUTH_TOKEN']}")
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.status == 200


def test_two_nodes_answer_as_one_machine_does(
    two_nodes: Cluster, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_clips(two_nodes, range(2))
    until(lambda: runs_of(instance), "the sensor asks for no run")
    add_clips(two_nodes, range(2, 4))
    until(lambda: len(published(two_nodes)) == 4, "the clips are not analysed")
    until(lambda: not runs_of(instance, dg.DagsterRunStatus.STARTED), "the runs do not end")
    assert {run.status for run in runs_of(instance)} == {dg.DagsterRunStatus.SUCCESS}
    assert [len(two_nodes.decoded_on(node)) for node in NODES] == [2, 2]
    for node in NODES:
        assert len(hosts_of(two_nodes, node)) == 1  # its model stays there for the next run

    one = Warehouse(path=str(tmp_path / "one"))
    for name in ("WAREHOUSE", "SCRATCH", "REPORTS"):
        monkeypatch.setenv(f"VID_{name}", str(tmp_path / ("one" if name == "WAREHOUSE" else name.lower())))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    from vid_assets.cli import main

    assert main(["backfill"]) == 0
    lake = Warehouse(path=two_nodes.environment["VID_WAREHOUSE"])
    mine, theirs = answers(lake), answers(one)
    assert mine.keys() == theirs.keys()
    for name, table in mine.items():
        assert table.equals(theirs[name]), name


def test_a_stopped_run_frees_its_node_and_leaves_its_model_hosts(
    two_nodes: Cluster, instance: dg.DagsterInstance
) -> None:
    before, hosts = published(two_nodes), {node: hosts_of(two_nodes, node) for node in NODES}
    add_clips(two_nodes, range(10, 12))
    until(lambda: runs_of(instance, dg.DagsterRunStatus.STARTED), "no run starts")
    (run,) = runs_of(instance, dg.DagsterRunStatus.STARTED)
    instance.run_launcher.terminate(run.run_id)
    until(lambda: not runs_of(instance, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING), "it goes on")
    assert {node: hosts_of(two_nodes, node) & hosts[node] for node in NODES} == hosts
    add_clips(two_nodes, range(12, 14))
    until(lambda: len(published(two_nodes) - before) >= 2, "the node takes no other run")


def test_the_runs_of_a_lost_node_finish_on_the_other(two_nodes: Cluster, instance: dg.DagsterInstance) -> None:
    before = published(two_nodes)
    add_clips(two_nodes, range(20, 23))
    until(lambda: runs_of(instance, dg.DagsterRunStatus.STARTED), "no run starts")
    known = {node: two_nodes.decoded_on(node) for node in NODES}
    until(lambda: any(two_nodes.decoded_on(node) - known[node] for node in NODES), "nothing is decoded")
    lost = next(node for node in NODES if two_nodes.decoded_on(node) - known[node])
    two_nodes.kill_node(lost)
    until(lambda: len(published(two_nodes) - before) >= 3, "the other node does not do it")
    lake = Warehouse(path=two_nodes.environment["VID_WAREHOUSE"])
    records = lake.read_table(ANALYZER_RUNS.name).collect()
    assert records.select("video_id", "analyzer").is_unique().all()
    assert lake.read_table("color_analysis").collect().is_unique().all()
