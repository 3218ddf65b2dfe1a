"""Model hosts and the machine: budget, idling, leftovers, other users, other versions, the commands."""

import os
import re
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import resources
from resources.catalog import profiles
from resources.catalog.rows import catalogue, find
from resources.catalog.spec import PROFILES, ModelSpec, hub_manifest
from resources.errors import HostsFolderError, ModelError, ModelUnavailable
from resources.hosting import identity, rundir
from resources.hosting.local import budget
from resources.hosting.local.budget import Standing, who_leaves
from resources.hosting.rundir import Record, hosts_folder
from tests.kit.host_kit import handle, home, is_running, wait_until
from vid_assets.cli import main

__all__ = ["home"]

VERSIONED = """
import os
import polars as pl
from resources.hosting.host import Host, served
class VersionedHost(Host):
    def load(self): pass
    @served
    def version(self, requests): return [pl.DataFrame({"version": [VERSION], "pid": [os.getpid()]}) for _ in requests]
"""


def test_a_stale_socket_lock_and_record_do_not_matter(home: Path) -> None:
    model = handle(home)
    pid = model.echo()["pid"][0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid))
    assert {path.suffix for path in model.folder.glob("echo-*")} == {".sock", ".lock", ".json", ".log"}
    # The lock goes with the process's last thread, a moment after the process.
    wait_until(lambda: model.status().state == "absent")
    assert model.echo()["pid"][0] != pid


def test_a_foreign_file_in_the_sockets_place_does_not_matter(home: Path) -> None:
    model = handle(home)
    stem = identity.identify(model.spec(), model.settings).stem
    (model.folder / f"{stem}.sock").write_text("not a socket")
    assert model.echo()["mean"][0] == 1.0


def test_a_stopped_process_is_killed_when_its_call_is_overdue(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.hosting.local.hosts.GRACE_S", 0.2)
    model = handle(home).model_copy(update={"deadline_s": 0.3})
    pid = model.echo()["pid"][0]
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ModelError, match=rf"pid {pid}\) did not answer within \d+ s and was killed"):
        model.echo()
    wait_until(lambda: not is_running(pid))
    assert model.echo()["pid"][0] != pid


def test_an_idle_host_leaves_and_takes_its_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID_MODEL_IDLE_S", "0.3")
    model = handle(home)
    pid = model.echo(sleep_s=0.6)["pid"][0]
    wait_until(lambda: not is_running(pid))
    assert list(model.folder.glob("echo-*")) == []
    assert model.status().state == "absent"
    assert model.echo()["pid"][0] != pid


def test_another_code_version_is_another_host_and_the_idle_old_one_goes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(home / "code")
    (home / "code").mkdir()
    file = home / "code" / "versioned_fake.py"
    answers = []
    for version in (1, 2):
        # of another length: Python takes a source of the same size and second for the one that it compiled
        file.write_text(f"VERSION = {version}\n{VERSIONED}" + version * "\n")
        identity.code_digest.cache_clear()
        for cached in (identity.answering_code, identity._read):
            cached.cache_clear()
        model = handle(home, {"host": "versioned_fake:VersionedHost"})
        answers.append(model.try_method("version").row(0))
    assert [version for version, _ in answers] == [1, 2]
    wait_until(lambda: not is_running(answers[0][1]))
    assert is_running(answers[1][1])


def test_the_code_version_follows_what_a_host_imports() -> None:
    whisper = [
        path.name for path in identity._reached(identity.SERVER, "resources.models.whisper:WhisperHost").values()
    ]
    assert {"whisper.py", "host.py", "wire.py", "batching.py"} <= set(whisper)
    assert {"rapidocr.py", "handle.py", "resource.py"}.isdisjoint(whisper)


def test_the_least_recently_used_idle_host_makes_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID_HOST_MEMORY_MB", "250")
    first, second, third = (handle(home, load_s=number / 1000) for number in range(3))
    pids = [first.echo()["pid"][0], second.echo()["pid"][0]]
    first.echo()
    third.echo()
    assert (first.status().state, second.status().state, third.status().state) == ("warm", "absent", "warm")
    assert is_running(pids[0])


def test_a_busy_host_never_makes_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID_HOST_MEMORY_MB", "150")
    first, second = handle(home), handle(home, load_s=0.001)
    pid = first.echo()["pid"][0]
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(first.echo, sleep_s=1.5)
        wait_until(lambda: first.status().busy_s is not None)
        second.echo()
        assert long.result()["pid"][0] == pid
    assert (first.status().state, second.status().state) == ("absent", "warm")


def test_a_prewarm_pushes_out_no_host_that_awaits_its_first_call(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID_HOST_MEMORY_MB", "150")
    first, second = handle(home), handle(home, load_s=0.001)
    first.prewarm()
    wait_until(lambda: first.status().state == "warm")
    second.prewarm()
    assert second.status().state == "loading"
    assert first.status().state == "warm"
    first.echo()
    wait_until(lambda: second.status().state == "warm")
    assert first.status().state == "absent"


def test_a_model_larger_than_the_budget_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID_HOST_MEMORY_MB", "50")
    with pytest.raises(
        ModelError, match="needs 100 MB, the limit for all model hosts together is 50 MB; raise VID_HOST"
    ):
        handle(home).echo()


def test_threads_are_named_or_half_of_the_cores(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget.threads() == max(1, len(os.sched_getaffinity(0)) // 2)
    monkeypatch.setenv("VID_HOST_THREADS", "3")
    assert handle(home).echo()["threads"][0] == "3"


def record(number: int, memory_mb: int = 0, gpu_share: float = 0.0) -> Record:
    return Record("echo", f"echo-{number}", "c", number, float(number), memory_mb, gpu_share)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.booleans(), st.floats(0, 500), st.integers(0, 2)), max_size=8),
    st.integers(0, 1000),
    st.booleans(),
)
def test_who_leaves_is_enough_idle_and_oldest_first(
    hosts: list[tuple[int, bool, float, int]], need: int, spare: bool
) -> None:
    standings = [
        Standing(record(number, memory), idle, idle_s, calls)
        for number, (memory, idle, idle_s, calls) in enumerate(hosts)
    ]
    spec = fake_spec_without_files(need)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID_HOST_MEMORY_MB", "1000")
        leaving = who_leaves(spec, standings, spare_expected=spare)
    may_go = [one for one in standings if one.idle and not (spare and one.expected)]
    held = sum(one.record.memory_mb for one in standings)
    if leaving is None:
        assert held - sum(one.record.memory_mb for one in may_go) + need > 1000
        return
    gone = {one.stem for one in leaving}
    assert gone <= {one.record.stem for one in may_go}
    assert held - sum(one.memory_mb for one in leaving) + need <= 1000
    if leaving:
        assert held - sum(one.memory_mb for one in leaving[:-1]) + need > 1000


def fake_spec_without_files(memory_mb: int, gpu_share: float = 0.0) -> ModelSpec:
    return ModelSpec(
        name="echo", task="echo", profiles=("offline",), host="x:Y", source="folder", repo="x", revision="1",
        licence="MIT", precision="fp32", memory_mb=memory_mb, gpu_share=gpu_share,
    )  # fmt: skip


def test_gpu_shares_are_kept_too() -> None:
    standings = [Standing(record(1, gpu_share=0.7), True, 200.0, 1), Standing(record(2, memory_mb=5), True, 300.0, 1)]
    leaving = who_leaves(fake_spec_without_files(1, gpu_share=0.5), standings, spare_expected=False)
    assert leaving is not None
    assert [one.stem for one in leaving] == ["echo-1"]


def test_a_long_scratch_path_gets_a_short_folder(tmp_path: Path) -> None:
    scratch = tmp_path / ("x" * 120)
    folder = hosts_folder(scratch)
    try:
        assert len(str(folder)) <= rundir.LONGEST_FOLDER
        assert folder == hosts_folder(scratch)
        assert folder != hosts_folder(tmp_path / ("y" * 120))
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()
        hosts_folder(tmp_path / ("y" * 120)).rmdir()


def test_a_host_serves_under_a_long_scratch_path(tmp_path: Path) -> None:
    model = handle(tmp_path / ("z" * 120))
    assert model.echo()["mean"][0] == 1.0
    assert (model.folder / "budget.lock").exists()
    model.down()
    assert not model.folder.exists()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="vid-") as folder:
        yield Path(folder)


def test_a_folder_open_to_others_is_refused(short: Path) -> None:
    hosts_folder(short).chmod(0o755)
    with pytest.raises(HostsFolderError, match=r"is open to others \(mode 0755\); chmod 700"):
        hosts_folder(short)


def test_a_link_is_refused(short: Path) -> None:
    (short / "elsewhere").mkdir(mode=0o700)
    (short / "hosts").symlink_to(short / "elsewhere")
    with pytest.raises(HostsFolderError, match="is not a folder"):
        hosts_folder(short)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_the_folder_of_another_user_is_refused(short: Path) -> None:
    os.chown(hosts_folder(short), 12345, -1)
    with pytest.raises(HostsFolderError, match="belongs to user id 12345, this is 0: model hosts are not shared"):
        hosts_folder(short)


def test_a_lock_on_a_removed_file_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = rundir.try_lock(path)
    assert first is not None
    assert rundir.is_held(path)
    assert rundir.try_lock(path) is None
    path.unlink()
    assert not rundir.is_held(path)
    second = rundir.try_lock(path)
    assert second is not None
    os.close(first)
    assert rundir.is_held(path)
    os.close(second)
    assert not rundir.is_held(path)


def test_down_ends_busy_and_loading_hosts_and_leaves_nothing(home: Path) -> None:
    busy, loading = handle(home), handle(home, load_s=60.0)
    pid = busy.echo()["pid"][0]
    loading.prewarm()
    wait_until(lambda: loading.status().pid is not None)
    other = loading.status().pid
    assert other is not None
    with ThreadPoolExecutor(1) as pool:
        flying = pool.submit(busy.echo, sleep_s=60.0)
        wait_until(lambda: busy.status().busy_s is not None)
        busy.cancel()
        folder = busy.folder
        busy.down()
        assert flying.exception() is not None
    assert not folder.exists()
    wait_until(lambda: not is_running(pid) and not is_running(other), 5)


def test_down_ends_prewarms_that_have_not_begun(home: Path) -> None:
    model = handle(home, load_s=60.0)
    with rundir.locked(model.folder / "budget.lock", 5):
        model.prewarm()
        assert model.status().state == "loading"
        stopping = threading.Thread(target=model.down)
        stopping.start()
        # Both wait for the lock: whoever gets it first, no host may be left.
        time.sleep(0.2)
    stopping.join(timeout=20)
    wait_until(lambda: not any(thread.name == "prewarm" for thread in threading.enumerate()))
    assert model.status().state == "absent"
    assert not model.folder.exists()


def test_the_status_command_shows_a_table_in_a_pipe_separated_by_tabs(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VID_SCRATCH", str(home / "s"))
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "no model is loaded\n"
    pid = handle(home).echo()["pid"][0]
    assert main(["models", "status"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "echo" in line)
    cells = line.split("\t")
    assert cells[:2] == ["echo", "warm"]
    assert cells[3] == str(pid)
    assert re.fullmatch(r"\d+ MB", cells[4])
    assert cells[5] == "1"
    assert re.fullmatch(r"[\d.]+ ms", cells[6])
    assert cells[7] == "cpu"


def test_no_profile_is_made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VID_PROFILE", raising=False)
    monkeypatch.setenv("VID_MODELS", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    profiles._detect.cache_clear()
    assert profiles.resolve_profile() == "offline"
    manifest = hub_manifest(find("speech", "cpu"), tmp_path)
    manifest.parent.mkdir()
    manifest.write_text("{}")
    profiles._detect.cache_clear()
    assert profiles.resolve_profile("auto") == "cpu"
    profiles._detect.cache_clear()
    monkeypatch.setenv("VID_PROFILE", "gpu")
    assert profiles.resolve_profile() == "gpu"
    with pytest.raises(ModelUnavailable, match="profile 'huge': unknown; set VID_PROFILE to auto, offline, cpu, gpu"):
        profiles.resolve_profile("huge")
    with pytest.raises(
        ModelUnavailable, match=r"nothing: the profile 'cpu' has no model for it; it answers ages, captions, .*speech"
    ):
        find("nothing", "cpu")


def test_every_task_has_at_most_one_model_in_a_profile() -> None:
    for profile in PROFILES:
        tasks = [spec.task for spec in catalogue() if profile in spec.profiles]
        assert len(tasks) == len(set(tasks))
        assert {"captions", "text", "descriptions", "speech"} <= set(tasks)


def test_hosts_open_no_internet_socket() -> None:
    source = "".join(path.read_text() for path in Path(resources.__file__).parent.rglob("*.py"))
    assert "add_secure_port" not in source
    assert re.findall(r"add_insecure_port\((.{7})", source) == ['f"unix:']
    assert socket.AF_UNIX
