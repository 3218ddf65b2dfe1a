"""Events and lines of steps on threads: whose they are, and that they are stored at once."""

import logging
import threading
import time

import dagster as dg

from tests.kit.executor_graphs import GRAPHS
from tests.kit.executor_steps import executor, flat, run, step


def test_steps_run_side_by_side_and_each_line_belongs_to_its_step(instance):
    result = run(GRAPHS["threads"](executor()), instance)
    assert result.success
    lines = [
        (entry.step_key, entry.user_message) for entry in instance.all_logs(result.run_id) if "by " in entry.message
    ]
    lines += [
        (entry.step_key, entry.user_message) for entry in instance.all_logs(result.run_id) if "line of" in entry.message
    ]
    assert sorted(lines) == [
        ("left", "line of left"), ("left", "logged by left"), ("right", "line of right"), ("right", "logged by right"),
    ]  # fmt: skip


def test_lines_from_a_steps_own_threads_are_kept_once(instance):
    def work():
        helper = threading.Thread(target=lambda: dg.get_dagster_logger().info("from a helper"))
        helper.start()
        helper.join()

    result = run(flat([step("a", work=work), step("b", work=lambda: time.sleep(0.2))]), instance)
    entries = [entry for entry in instance.all_logs(result.run_id) if entry.user_message == "from a helper"]
    assert [entry.step_key for entry in entries] == [None]


def test_steps_store_events_while_another_holds_the_locks_of_their_handlers(instance):
    """Configuring `logging` takes them all, with the lock in hand that storing an event asks for."""
    held, stored = threading.Event(), threading.Event()

    def holds():
        handlers = [handler for ref in logging._handlerList if (handler := ref())]
        handlers = [handler for handler in handlers if not isinstance(handler, logging.StreamHandler)]
        for handler in handlers:
            handler.acquire()
        held.set()
        try:
            assert stored.wait(20)
        finally:
            for handler in handlers:
                handler.release()

    def stores():
        assert held.wait(20)
        dg.get_dagster_logger().info("a line")
        stored.set()

    assert run(flat([step("a", work=holds), step("b", work=stores)]), instance).success


def test_another_process_sees_events_while_the_step_runs(instance):
    """The web server watches the run's file for changes; the kept connection must not hide them until the end."""
    seen = threading.Event()

    def watch(entry, cursor):
        if entry.dagster_event and entry.dagster_event.event_type_value == "ASSET_MATERIALIZATION":
            seen.set()

    @dg.op
    def streams(context):
        with dg.DagsterInstance.from_ref(context.instance.get_ref()) as web_server:
            web_server.watch_event_logs(context.run_id, None, watch)
            yield dg.AssetMaterialization("first")
            assert seen.wait(20)
            web_server.end_watch_event_logs(context.run_id, watch)
        yield dg.Output(1)

    assert run(flat([streams]), instance).success


def test_the_event_log_is_as_it_was_after_a_run(instance):
    before = dict(vars(instance.event_log_storage))
    assert run(flat([step("a")]), instance).success
    assert set(vars(instance.event_log_storage)) - set(before) <= {"supports_global_concurrency_limits"}


def test_compute_logs_of_the_run_hold_what_steps_print(instance):
    result = run(flat([step("a", work=lambda: print("printed by a"))]), instance)
    captured = next(event for event in result.all_events if event.event_type_value == "LOGS_CAPTURED")
    assert captured.logs_captured_data.step_keys == ["a"]
    key = instance.compute_log_manager.build_log_key_for_run(result.run_id, captured.logs_captured_data.file_key)
    assert instance.compute_log_manager.is_capture_complete(key)
