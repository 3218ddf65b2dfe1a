"""Runs in a process of their own, as the UI and the queue start them: cancellation, crashes, the command line."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._grpc.types import ExecuteRunArgs

from tests.kit.executor_graphs import STEP_EVENTS, recon
from vid_assets.executor import end_orphans, kept_connections

ROOT = Path(__file__).parents[2]
FAR_LESS_THAN_THE_STEP_S = 20.0


@pytest.fixture
def instance(tmp_path):
    starts_runs_itself = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
    with dg.instance_for_test({"run_coordinator": starts_runs_itself}, temp_dir=str(tmp_path)) as made:
        yield made


class Worker:
    """A run in a process of its own."""

    def __init__(self, instance, graph, executor, config=None):
        self._instance = instance
        job = recon(graph, executor)
        self.run_id = instance.create_run_for_job(
            job.get_definition(), run_config=config, job_code_origin=job.get_python_origin()
        ).run_id
        args = ExecuteRunArgs(job.get_python_origin(), self.run_id, instance.get_ref())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dagster", *args.get_command_args()[-3:]],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def status(self):
        return self._instance.get_run_by_id(self.run_id).status

    def events(self):
        return [entry for entry in self._instance.all_logs(self.run_id) if entry.dagster_event]

    def kinds(self, step_key):
        events = [entry.dagster_event for entry in self.events() if entry.step_key == step_key]
        return [event.event_type_value for event in events if event.event_type in STEP_EVENTS]

    def cancel(self):
        """What the UI's button does; returns seconds until the run says that it is cancelled."""
        self._instance.report_run_canceling(self._instance.get_run_by_id(self.run_id))
        asked = time.time()
        self.process.send_signal(signal.SIGINT)
        wait_for(lambda: self.status == dg.DagsterRunStatus.CANCELED)
        return self._instance.get_run_record_by_id(self.run_id).end_time - asked


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def slow_config(folder, how):
    return {"ops": {"slow": {"config": {"folder": str(folder), "how": how}}}}


CANCELLED = [
    ("waits_for_signal", "warm", "sleep"),
    ("waits_for_signal", "warm", "spin"),
    ("waits_for_signal", "warm", "asks"),
    ("waits_for_model", "warm", "call"),
    pytest.param("waits_for_signal", "in_process", "spin", marks=pytest.mark.slow),
    pytest.param("waits_for_signal", "multiprocess", "spin", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("graph", "executor", "how"), CANCELLED)
def test_a_cancelled_run_ends_soon_whatever_its_steps_are_at(instance, tmp_path, graph, executor, how):
    worker = Worker(instance, graph, executor, slow_config(tmp_path, how))
    wait_for(lambda: (tmp_path / "started").exists())
    took = worker.cancel()
    worker.process.wait(30)
    assert took < FAR_LESS_THAN_THE_STEP_S
    assert worker.status == dg.DagsterRunStatus.CANCELED
    assert worker.kinds("slow") == ["STEP_START", "STEP_FAILURE"]
    assert worker.kinds("plus_one") == worker.kinds("needs_loading") == []
    assert not (tmp_path / "ended").exists()
    failure = next(entry.dagster_event for entry in worker.events() if entry.dagster_event.is_step_failure)
    interrupted = dg.DagsterExecutionInterruptedError.__name__
    assert (failure.step_failure_data.error.cls_name == interrupted) is (how in ("sleep", "spin"))


def test_a_crash_keeps_finished_steps_and_reexecution_runs_the_rest(instance):
    worker = Worker(instance, "crashes", "warm")
    assert worker.process.wait(90) == -signal.SIGSEGV
    assert worker.status == dg.DagsterRunStatus.STARTED
    assert worker.kinds("before")[-1] == worker.kinds("one")[-1] == "STEP_SUCCESS"
    instance.report_run_failed(instance.get_run_by_id(worker.run_id), "run worker is gone")

    options = dg.ReexecutionOptions.from_failure(worker.run_id, instance)
    with dg.execute_job(recon("crashes", "warm"), instance=instance, reexecution_options=options) as result:
        assert result.success
        assert [event.step_key for event in result.all_events if event.is_step_start] == ["dies_at_first", "after"]
        assert result.output_for_node("after") == 3


def test_a_run_whose_process_was_killed_is_ended_and_gives_its_slots_back(instance, tmp_path):
    killed = Worker(instance, "waits_for_signal", "warm", slow_config(tmp_path, "sleep"))
    alive_folder = tmp_path / "alive"
    alive_folder.mkdir()
    alive = Worker(instance, "waits_for_signal", "warm", slow_config(alive_folder, "sleep"))
    wait_for(lambda: (tmp_path / "started").exists() and (alive_folder / "started").exists())
    storage = instance.event_log_storage
    storage.set_concurrency_slots("decode", 1)
    assert storage.claim_concurrency_slot("decode", killed.run_id, "slow").is_claimed
    assert end_orphans(instance) == []
    killed.process.kill()
    killed.process.wait(30)
    assert end_orphans(instance) == [killed.run_id]
    assert (killed.status, alive.status) == (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED)
    assert storage.claim_concurrency_slot("decode", alive.run_id, "slow").is_claimed
    # its retry has the tags of the dead process until it has a process of its own
    job, dead = recon("waits_for_signal", "warm").get_definition(), instance.get_run_by_id(killed.run_id)
    again = instance.create_run_for_job(
        job, tags=dead.tags, root_run_id=killed.run_id, parent_run_id=killed.run_id,
        run_config=slow_config(tmp_path, "sleep"),
    )  # fmt: skip
    never_begun = instance.create_run_for_job(job, tags=dead.tags, run_config=slow_config(tmp_path, "sleep"))
    assert end_orphans(instance) == [never_begun.run_id]
    assert instance.get_run_by_id(again.run_id).status == dg.DagsterRunStatus.NOT_STARTED
    alive.cancel()
    alive.process.wait(30)


def test_slots_of_runs_that_have_ended_are_free(instance):
    """A run that ended on a full disk could not free them: the steps of every later run would wait for ever."""
    job = recon("diamond", "warm").get_definition()
    ended = instance.create_run_for_job(job)
    working = instance.create_run_for_job(job)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("decode", 3)
    for run_id in (ended.run_id, "a run that was deleted", working.run_id):
        assert storage.claim_concurrency_slot("decode", run_id, "step").is_claimed
    instance.report_run_failed(ended)
    assert end_orphans(instance) == []
    assert storage.get_concurrency_run_ids() == {working.run_id}


def test_connections_are_kept_from_before_a_run_is_made_until_its_end(instance):
    storage = instance.event_log_storage
    with kept_connections(instance):
        with dg.execute_job(recon("diamond", "warm"), instance=instance) as result:
            assert result.success
        assert {"run_connection", "index_connection"} <= vars(storage).keys()
    assert not {"run_connection", "index_connection"} & vars(storage).keys()
    with dg.DagsterInstance.from_ref(instance.get_ref()) as other:
        kinds = [entry.dagster_event.event_type_value for entry in other.all_logs(result.run_id) if entry.dagster_event]
    assert kinds.count("STEP_START") == kinds.count("STEP_SUCCESS") == 4
    assert kinds.count("PIPELINE_SUCCESS") == 1


def test_a_run_worker_runs_it(instance):
    worker = Worker(instance, "diamond", "warm")
    worker.process.wait(90)
    assert worker.status == dg.DagsterRunStatus.SUCCESS


def test_two_runs_at_once_share_a_pool_of_one(instance):
    """Claims are kept in the instance, so runs in other processes see them."""
    instance.event_log_storage.set_concurrency_slots("one_at_a_time", 1)
    workers = [Worker(instance, "pool", "warm") for _ in range(2)]
    for worker in workers:
        worker.process.wait(120)
    outputs = [entry.dagster_event for worker in workers for entry in worker.events()]
    outputs = [event.step_output_data.metadata for event in outputs if event.is_successful_output]
    spans = sorted((data["started"].value, data["ended"].value) for data in outputs if "started" in data)
    assert len(spans) == 6
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    info = instance.event_log_storage.get_concurrency_info("one_at_a_time")
    assert (info.active_slot_count, info.pending_step_count) == (0, 0)


@pytest.mark.slow
def test_the_command_line_launches_it(instance, tmp_path):
    location = "import dagster as dg\nfrom tests.kit.executor_graphs import job\n"
    location += "defs = dg.Definitions(jobs=[job('diamond', 'warm')])\n"
    (tmp_path / "location.py").write_text(location)
    subprocess.run(
        [sys.executable, "-m", "dagster", "job", "launch", "-f", str(tmp_path / "location.py"), "-j", "j"],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=120,
    )
    wait_for(lambda: instance.get_runs(limit=1)[0].is_finished)
    assert instance.get_runs(limit=1)[0].status == dg.DagsterRunStatus.SUCCESS
