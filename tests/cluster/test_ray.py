"""Runs on two Ray nodes: they share the work, and a node that is lost or a run that is stopped loses nothing."""

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from deploy.machine import Cluster, has_own_names
from deploy.work import (
    ENDED,
    NODES,
    ROOT,
    add_clips,
    hosts_of,
    lake,
    own_cluster,
    published,
    records,
    runs,
    start_seconds,
    until,
    until_begun,
    until_published,
)
from resources.warehouse.records import ANALYZER_RUNS, CUES, MODEL_LOADS, SOURCES, TRACKS, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.registry import discover

# the clients of Ray and Postgres leave sockets to the garbage collector
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

# two without a model, and one with a model host, which also reads another's table
USED = ("background_segmentation", "color_analysis", "cut_analysis")
# what differs between two right answers: times, and who gave them
OWN = {"decode_s", "decode_passes", "registered_at", "seen_at", "modified_at", "vanished_at"}
OWN_OF_RECORDS = ("video_id", "analyzer", "status", "reason", "rows", "covered", "code_version", "content_hash",
                  "provenance")  # fmt: skip
START_S = 6.0


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    unused = [item.name for item in discover() if item.name not in USED]
    with own_cluster(disabled=unused) as made:
        for node in NODES:
            made.start_node(node)
        made.start_daemon()
        yield made


@pytest.fixture
def two_nodes(machines: Cluster) -> Cluster:
    """The cluster with both nodes, whatever the test before did to them."""
    for node in NODES:
        if not machines.is_up(node):
            machines.start_node(node)
    return machines


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Cluster], Warehouse]:
    """Analyses what the cluster has in its archive without it, and returns the results."""
    folder = tmp_path_factory.mktemp("one")

    def analyse(made: Cluster) -> Warehouse:
        own = {f"VID_{name}": str(folder / name.lower()) for name in ("WAREHOUSE", "SCRATCH", "REPORTS")}
        environment = {**made.environment, **own, "DAGSTER_HOME": str(folder / "home")}
        for command in (["backfill"], ["models", "down"]):
            done = subprocess.run(
                [sys.executable, "-m", "vid_assets", *command], env=environment, cwd=folder, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
        return Warehouse(path=own["VID_WAREHOUSE"])

    return analyse


def answers(warehouse: Warehouse, videos: Collection[str]) -> dict[str, pl.DataFrame]:
    """All rows of these videos by table, in one order; of the records, what was answered and from what."""
    names = (*USED, *(table.name for table in (VIDEOS, SOURCES, TRACKS, CUES)))
    tables = {name: warehouse.read_table(name).drop(OWN, strict=False).collect() for name in names}
    tables["records"] = warehouse.read_table(ANALYZER_RUNS.name).select(OWN_OF_RECORDS).collect()
    return {name: table.filter(pl.col("video_id").is_in(list(videos))).sort(pl.all()) for name, table in tables.items()}


def assert_same_answers(mine: Warehouse, theirs: Warehouse, videos: Collection[str]) -> None:
    one, other = answers(mine, videos), answers(theirs, videos)
    assert set(one["records"]["video_id"]) == set(one["sources"]["video_id"]) == set(videos)
    for name, table in one.items():
        assert_frame_equal(table, other[name])
    assert one["records"].select("video_id", "analyzer").is_unique().all()
    assert one["videos"]["video_id"].is_unique().all()


def answer(address: str, token: str | None = None) -> int:
    """The status with which a server answers."""
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(asked, timeout=60) as found:
            return found.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def messages(made: Cluster, run_id: str) -> str:
    with records(made) as instance:
        return "\n".join(str(entry.dagster_event or entry.user_message) for entry in instance.all_logs(run_id))


def test_only_who_has_the_token_sees_the_dashboard_and_the_agents(two_nodes: Cluster) -> None:
    agents = [f"http://127.0.0.1:{port}/api/job_agent/jobs/" for port in two_nodes.agents.values()]
    assert len(agents) == 3
    dashboard = f"{two_nodes.environment['RAY_DASHBOARD']}/api/jobs/"
    for address in (dashboard, *agents):
        assert answer(address) == 401
        assert answer(address, "0" * 64) in (401, 403)
    assert answer(dashboard, two_nodes.environment["RAY_AUTH_TOKEN"]) == 200


def test_two_nodes_answer_as_one_machine_does(two_nodes: Cluster, one_machine: Callable[[Cluster], Warehouse]) -> None:
    before = len(runs(two_nodes))
    add_clips(two_nodes, "forty", range(40))
    until_published(two_nodes, 40)
    videos = published(two_nodes)
    assert len(videos) == 40
    made = runs(two_nodes)[before:]
    assert {run.dagster_run.status for run in made} == {dg.DagsterRunStatus.SUCCESS}
    decoded = [two_nodes.decoded_on(node) for node in NODES]
    assert all(decoded)
    assert len(decoded[0]) + len(decoded[1]) == len(decoded[0] | decoded[1]) == 40
    assert_same_answers(lake(two_nodes), one_machine(two_nodes), videos)


def test_a_run_starts_soon_and_uses_the_hosts_of_the_run_before(two_nodes: Cluster) -> None:
    hosts = {node: hosts_of(two_nodes, node) for node in NODES}
    known = {node: two_nodes.decoded_on(node) for node in NODES}
    before = len(runs(two_nodes))
    for number in range(3):
        add_clips(two_nodes, f"one{number}", [100 + number])
        until_published(two_nodes, len(published(two_nodes)) + 1)
    # the quickest of three; other work on this machine delays a start
    slower = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    seconds = [start_seconds(two_nodes, run.dagster_run.run_id) for run in runs(two_nodes)[before:]]
    assert min(seconds) < START_S * slower, f"{seconds} s at a load of {os.getloadavg()[0]:.1f}"
    sys.stdout.write(f"runs began {seconds} s after their launch, at a load of {os.getloadavg()[0]:.1f}\n")
    used = [node for node in NODES if two_nodes.decoded_on(node) - known[node]]
    for node in used:
        assert len(hosts_of(two_nodes, node)) == 1
        assert hosts_of(two_nodes, node) >= hosts[node]  # a node that had no run before has none
    # each host that lives was loaded once, and all other calls found it warm
    loaded = lake(two_nodes).read_table(MODEL_LOADS.name).filter(pl.col("kind") != "hit").collect()
    assert sorted(int(host.rpartition(":")[2]) for host in loaded["host"]) == sorted(
        pid for node in NODES for pid in hosts_of(two_nodes, node)
    )


def test_a_stopped_run_frees_its_node_and_leaves_its_model_hosts(two_nodes: Cluster) -> None:
    before, hosts = len(published(two_nodes)), {node: hosts_of(two_nodes, node) for node in NODES}
    known = runs(two_nodes)
    # both nodes have a run, so that what comes after it waits for one of them
    for number in range(2):
        add_clips(two_nodes, f"stopped{number}", range(200 + 5 * number, 205 + 5 * number))
        until_begun(two_nodes, len(known) + number + 1)
    victim = runs(two_nodes, [dg.DagsterRunStatus.STARTED])[-1].dagster_run.run_id
    with records(two_nodes) as instance:
        assert instance.run_launcher.terminate(victim)
    until(lambda: victim in {run.dagster_run.run_id for run in runs(two_nodes, ENDED)}, "the run does not stop")
    (stopped,) = [run for run in runs(two_nodes) if run.dagster_run.run_id == victim]
    assert stopped.dagster_run.status is dg.DagsterRunStatus.CANCELED
    assert {node: hosts_of(two_nodes, node) >= hosts[node] for node in NODES} == dict.fromkeys(NODES, True)
    add_clips(two_nodes, "after", range(210, 214))
    until_published(two_nodes, before + 5 + 4)
    assert {run.dagster_run.status for run in runs(two_nodes)[len(known) :]} <= {
        dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED
    }  # fmt: skip


def test_the_runs_of_a_lost_node_finish_on_the_other(
    two_nodes: Cluster, one_machine: Callable[[Cluster], Warehouse]
) -> None:
    before, known = published(two_nodes), len(runs(two_nodes))
    decoded = {node: two_nodes.decoded_on(node) for node in NODES}
    add_clips(two_nodes, "lost", range(300, 312))
    until(lambda: all(two_nodes.decoded_on(node) - decoded[node] for node in NODES), "not both nodes decode")
    lost, other = NODES
    two_nodes.kill_node(lost)
    until_published(two_nodes, len(before) + 12)
    made = runs(two_nodes)[known:]
    (failed,) = [run for run in made if run.dagster_run.status is dg.DagsterRunStatus.FAILURE]
    again = [run for run in made if run.dagster_run.parent_run_id == failed.dagster_run.run_id]
    assert [run.dagster_run.status for run in again] == [dg.DagsterRunStatus.SUCCESS]
    if has_own_names():
        assert "Detected run worker status" in messages(two_nodes, failed.dagster_run.run_id)
    assert len(two_nodes.decoded_on(other) - decoded[other]) == 12
    # without those of the run that was stopped, which wait for the nightly backfill
    assert_same_answers(lake(two_nodes), one_machine(two_nodes), published(two_nodes) - before)


def test_a_node_with_other_code_says_so_and_does_nothing(two_nodes: Cluster, tmp_path: Path) -> None:
    code = tmp_path / "code"
    for package in ("vid_assets", "resources"):
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    changed = code / "vid_assets" / "analyzers" / "color_analysis.py"
    changed.write_text(changed.read_text() + "# changed\n")
    for node in NODES:
        two_nodes.kill_node(node)
    two_nodes.start_node("odd", code=code)
    known, before = len(runs(two_nodes)), published(two_nodes)
    add_clips(two_nodes, "mixed", [400])
    until(lambda: len(runs(two_nodes, ENDED)) > known, "the run does not end")
    run = runs(two_nodes)[known]  # it is tried again, as another node may have the right code
    assert run.dagster_run.status is dg.DagsterRunStatus.FAILURE
    said = messages(two_nodes, run.dagster_run.run_id)
    assert re.search(r"this machine has other code or settings .*: sources \w+ there, \w+ here; install the same", said)
    assert two_nodes.decoded_on("odd") == set()
    assert hosts_of(two_nodes, "odd") == set()
    assert published(two_nodes) == before
    two_nodes.kill_node("odd")
