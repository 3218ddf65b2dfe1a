"""Model hosts as real processes: start, share, batch, fail, die, stop."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import grpc
import numpy as np
import psutil
import pytest

from resources.errors import ModelCancelled, ModelDeadline, ModelError, ModelUnavailable
from resources.hosting.local.link import Link
from resources.hosting.messages import Stream
from resources.hosting.usage import collect_usage
from tests.kit.host_kit import BrokenCall, EchoResource, handle, home, in_process, is_running, wait_until

__all__ = ["home"]


def test_a_call_starts_the_host_and_answers(home: Path) -> None:
    model = handle(home)
    assert model.status().state == "absent"
    answer = model.echo(3.0, rows=(3, 1))
    assert answer.select("row", "mean").rows() == [(3, 3.0), (1, 3.0)]
    status = model.status()
    assert (status.state, status.calls, status.device, status.busy_s) == ("warm", 1, "cpu", None)
    assert status.memory_mb is not None
    assert status.p50_ms is not None
    assert is_running(answer["pid"][0])


def test_all_handles_share_one_host(home: Path) -> None:
    assert handle(home).echo()["pid"][0] == handle(home).echo()["pid"][0]


def test_other_options_are_another_host(home: Path) -> None:
    assert handle(home).echo()["pid"][0] != handle(home, load_s=0.01).echo()["pid"][0]


def test_the_socket_is_private_and_no_port_is_opened(home: Path) -> None:
    model = handle(home)
    pid = model.echo()["pid"][0]
    (sock,) = model.folder.glob("*.sock")
    assert sock.stat().st_mode & 0o777 == 0o600
    assert model.folder.stat().st_mode & 0o777 == 0o700
    kinds = {connection.type for connection in psutil.Process(pid).net_connections("inet")}
    assert kinds == set()
    assert psutil.Process(pid).net_connections("unix")[0].family == socket.AF_UNIX


def test_the_host_is_detached_from_the_run(home: Path) -> None:
    process = in_process(home, "print(handle(home).echo()['pid'][0])")
    out, err = process.communicate(timeout=60)
    assert err == ""
    pid = int(out)
    assert is_running(pid)
    assert os.getsid(pid) != os.getsid(0)
    assert handle(home).echo()["pid"][0] == pid


def test_a_host_process_stays_clear_of_dagster(home: Path) -> None:
    model = handle(home, {"host": "tests.kit.host_fakes:ModulesHost"})
    modules = set(model.call("modules", {}, {}, "")["name"])
    assert "resources.hosting.host" in modules
    assert not modules & {"dagster", "torch", "transformers", "onnxruntime"}


def test_processes_that_start_at_once_start_one_host(home: Path) -> None:
    code = "print(handle(home, note=str(home / 'loads'), load_s=0.3).echo()['pid'][0])"
    processes = [in_process(home, code) for _ in range(2)]
    pids = {process.communicate(timeout=90)[0].strip() for process in processes}
    assert len(pids) == 1
    assert (home / "loads").read_text().split() == list(pids)


def test_threads_that_start_at_once_start_one_host(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        pids = set(pool.map(lambda _: handle(home).echo()["pid"][0], range(8)))
    assert len(pids) == 1


def test_loads_do_not_wait_for_each_other(home: Path) -> None:
    slow, quick = handle(home, load_s=30.0), handle(home, load_s=0.1)
    slow.prewarm()
    quick.prewarm()
    quick.echo()
    assert quick.status().state == "warm"
    assert slow.status().state == "loading"


def test_prewarm_returns_at_once_and_loads(home: Path) -> None:
    model = handle(home, load_s=1.0)
    model.prewarm()
    assert model.status().state == "loading"
    wait_until(lambda: model.status().state == "warm")
    assert model.status().calls == 0


def test_usage_counts_waiting_computing_and_the_load_once(home: Path) -> None:
    model = handle(home, load_s=2.0)
    with collect_usage() as first:
        model.echo(sleep_s=0.1)
    with collect_usage() as second:
        model.echo()
        model.echo()
    assert first.wait_s > 1.9
    assert 0.1 <= first.compute_s < 1.9
    assert (first.calls, first.model, first.revision, first.precision) == (1, "echo", "r1", "fp32")
    assert (first.source, first.device, first.host_pid) == ("folder", "cpu", model.status().pid)
    assert first.load is not None
    assert first.load.kind in ("cold", "warm_disk")
    assert first.load.load_s >= 2.0
    assert first.load.bytes == 256
    assert second.calls == 2
    assert second.wait_s < 1.9
    assert second.load is not None
    assert (second.load.kind, second.load.load_s) == ("hit", 0.0)


def test_calls_outside_a_block_count_nowhere(home: Path) -> None:
    model = handle(home)
    with collect_usage() as outer, collect_usage() as inner:
        model.echo()
    assert (outer.calls, inner.calls) == (0, 1)


def test_concurrent_calls_become_one_batch_and_none_is_mixed_up(home: Path) -> None:
    model = handle(home, {"batch": 4, "window_ms": 200.0})
    model.echo()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: model.echo(float(number), video_id=f"v{number}"), range(12)))
    for number, answer in enumerate(answers):
        assert answer["mean"].to_list() == [float(number)] * 2
    assert max(answer["batch"][0] for answer in answers) == 4


def test_one_bad_request_does_not_fail_its_batch(home: Path) -> None:
    model = handle(home, {"batch": 3, "window_ms": 300.0})
    model.echo()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(model.echo, float(number), bad=number == 1) for number in range(3)]
    assert futures[0].result()["mean"][0] == 0.0
    assert futures[2].result()["mean"][0] == 2.0
    with pytest.raises(ModelError, match="bad input"):
        futures[1].result()


def test_an_error_in_the_host_is_one_line_and_its_traceback_is_in_the_log(home: Path) -> None:
    model = handle(home)
    with pytest.raises(ModelError) as caught:
        model.echo(bad=True)
    assert str(caught.value).startswith("echo: ValueError: bad input; its traceback is in ")
    log = Path(str(caught.value).rpartition(" ")[2])
    assert "Traceback (most recent call last)" in log.read_text()
    assert model.echo()["mean"][0] == 1.0


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("secret", "serves no method 'secret'"),
        ("missing", "serves no method 'missing'"),
        ("mixed", "did not ask for it"),
        ("short", "did not return one DataFrame per request"),
    ],
)
def test_a_host_that_breaks_its_contract_is_told(home: Path, method: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        handle(home).try_method(method)


def test_a_mapped_file_is_named_and_checked(home: Path) -> None:
    model = handle(home)
    path = home / "frames.npy"
    pictures = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.save(path, pictures)
    answer = model.call("echo", {"frames": Stream(pictures, path, [2])}, {}, "")
    assert answer["mean"].to_list() == [14.5]
    with pytest.raises(ModelError, match="holds float32"):
        model.call("echo", {"frames": Stream(pictures[:2], path, [0])}, {}, "")
    with pytest.raises(ModelError, match="has no row 9"):
        model.call("echo", {"frames": Stream(pictures, path, [9])}, {}, "")
    path.unlink()
    with pytest.raises(ModelError, match="the array's file no longer exists"):
        model.call("echo", {"frames": Stream(pictures, path, [0])}, {}, "")


def test_arrays_without_a_file_leave_none_behind(home: Path) -> None:
    model = handle(home)
    model.echo()
    assert list(model.folder.glob("spill-*")) == []


def test_a_killed_host_is_started_again_and_the_call_repeated(home: Path) -> None:
    model = handle(home)
    first = model.echo()["pid"][0]
    os.kill(first, signal.SIGKILL)
    second = model.echo()["pid"][0]
    assert second != first
    threading.Timer(0.3, os.kill, (second, signal.SIGKILL)).start()
    answer = model.echo(5.0, sleep_s=1.0)
    assert answer["mean"].to_list() == [5.0, 5.0]
    assert answer["pid"][0] not in (first, second)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED])
@pytest.mark.parametrize("dies", [True, False])
def test_a_call_is_repeated_whatever_name_its_host_s_death_gets(
    home: Path, monkeypatch: pytest.MonkeyPatch, code: grpc.StatusCode, dies: bool
) -> None:
    model = handle(home)
    pid = model.echo()["pid"][0]
    call = Link.call

    def broken(link: Link, payload: bytes, seconds: float) -> object:
        if link.record.pid != pid:
            return call(link, payload, seconds)
        if dies:
            threading.Timer(0.1, os.kill, (pid, signal.SIGKILL)).start()
        return BrokenCall(code)

    monkeypatch.setattr(Link, "call", broken)
    if dies:
        assert model.echo()["pid"][0] != pid
    else:
        with pytest.raises(
            ModelError, match="exited twice during the call" if code == grpc.StatusCode.UNAVAILABLE else code.name
        ):
            model.echo()


@pytest.mark.slow
def test_fifty_kills_during_calls_lose_and_double_nothing(home: Path) -> None:
    model = handle(home)
    for number in range(50):
        pid = model.echo()["pid"][0]
        threading.Timer(0.1, os.kill, (pid, signal.SIGKILL)).start()
        answer = model.echo(float(number), rows=(0, 1, 2), sleep_s=0.3)
        assert answer.select("row", "mean").rows() == [(row, float(number)) for row in range(3)]


def test_a_host_that_dies_again_is_an_error(home: Path) -> None:
    with pytest.raises(ModelError, match=r"exited twice during the call|exited twice while it started"):
        handle(home, crash=True).echo()


def test_a_host_that_dies_before_anyone_can_call_it_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "is_up", lambda _link: False)
    began = time.monotonic()
    with pytest.raises(ModelError, match="exited twice while it started"):
        handle(home, crash=True).echo()
    assert time.monotonic() - began < 20


def test_a_failed_load_is_told_once_and_not_tried_again_at_once(home: Path) -> None:
    model = handle(home, fail=True, note=str(home / "loads"))
    model.prewarm()
    wait_until(lambda: model.status().state == "failed")
    assert "OSError: no such adapter" in (model.status().error or "")
    assert "second line" not in (model.status().error or "")
    for _ in range(2):
        with pytest.raises(ModelError, match="no such adapter"):
            model.echo()
    assert len((home / "loads").read_text().split()) == 1


def test_a_call_during_a_failing_load_gets_its_error(home: Path) -> None:
    with pytest.raises(ModelError, match="no such adapter"):
        handle(home, fail=True, load_s=0.5).echo()


def test_a_call_that_hangs_ends_at_its_deadline_and_takes_the_process_with_it(home: Path) -> None:
    model = handle(home).model_copy(update={"deadline_s": 0.5})
    pid = model.echo()["pid"][0]
    with pytest.raises(ModelDeadline, match=r"hang was not answered within 0.5 s \(computing\)"):
        model.try_method("hang")
    wait_until(lambda: not is_running(pid))
    assert model.echo()["pid"][0] != pid


def test_a_call_waits_for_its_turn_longer_than_it_may_compute(home: Path) -> None:
    patient, hasty = handle(home), handle(home).model_copy(update={"deadline_s": 0.5})
    pid = patient.echo()["pid"][0]
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(patient.echo, sleep_s=2.0)
        wait_until(lambda: patient.status().busy_s is not None)
        assert hasty.echo()["pid"][0] == pid
        assert long.result()["pid"][0] == pid


def test_a_call_that_waits_for_its_turn_too_long_leaves_the_host_alone(home: Path, monkeypatch) -> None:
    monkeypatch.setattr("resources.hosting.local.exchange.TURNS", 1)
    patient, hasty = handle(home), handle(home).model_copy(update={"deadline_s": 0.3})
    pid = patient.echo()["pid"][0]
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(patient.echo, sleep_s=1.5)
        wait_until(lambda: patient.status().busy_s is not None)
        with pytest.raises(ModelDeadline, match="waiting for its turn"):
            hasty.echo()
        assert long.result()["pid"][0] == pid


def test_cancel_ends_calls_in_flight_and_later_ones_of_that_handle(home: Path) -> None:
    model, other = handle(home), handle(home)
    model.echo()
    with ThreadPoolExecutor(1) as pool:
        flying = pool.submit(model.echo, sleep_s=10.0)
        wait_until(lambda: model.status().busy_s is not None)
        model.cancel()
        with pytest.raises(ModelCancelled):
            flying.result(timeout=2)
    with pytest.raises(ModelCancelled):
        model.echo()
    assert other.status().state == "warm"


def test_cancel_ends_a_call_whose_model_is_loading(home: Path) -> None:
    model = handle(home, load_s=30.0)
    with ThreadPoolExecutor(1) as pool:
        flying = pool.submit(model.echo)
        wait_until(lambda: model.status().state == "loading")
        model.cancel()
        with pytest.raises(ModelCancelled):
            flying.result(timeout=2)


def test_a_handle_is_cheap_and_configurable(home: Path) -> None:
    model = handle(home)
    assert model.model_copy(update={"deadline_s": 1.0}).deployment() == model.deployment()
    assert not (home / "s").exists()


def test_missing_and_altered_weights_name_the_file_and_the_mend(home: Path) -> None:
    model = handle(home)
    model.echo()
    model.down()
    file = home / "weights" / "model.bin"
    file.write_bytes(bytes(range(255)) + b"x")
    with pytest.raises(ModelUnavailable, match=rf"{file} has changed \(sha256 .*vid-assets models seal"):
        model.echo()
    file.unlink()
    model.prewarm()
    wait_until(lambda: model.status().state == "failed")
    assert f"{file} is missing" in (model.status().error or "")
    (home / "weights" / "SHA256SUMS").unlink()
    with pytest.raises(ModelUnavailable, match="SHA256SUMS is missing"):
        model.echo()


def test_a_run_that_was_cancelled_does_not_spoil_the_next(home: Path) -> None:
    model = handle(home)
    answers = []

    @dg.asset
    def first(echo: EchoResource) -> None:
        echo.cancel()
        with pytest.raises(ModelCancelled):
            echo.echo()

    @dg.asset
    def second(echo: EchoResource) -> None:
        answers.append(echo.echo(2.0)["mean"].to_list())

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([first], resources={"echo": model}, instance=instance).success
        assert dg.materialize([second], resources={"echo": model}, instance=instance).success
    assert answers == [[2.0, 2.0]]
