"""Programs that are kept up: started again when they are killed, and ended with their supervisor."""

import os
import signal
import sys
import threading
import time

import pytest

from tests.kit.host_kit import is_running, wait_until
from vid_assets.executor import Stop
from vid_assets.ui import serve as module
from vid_assets.ui.serve import programs, serve

PROGRAM = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()} '); time.sleep(60)"


def pids(file):
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def test_what_is_killed_is_started_again_and_all_ends_together(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AGAIN_S", 0.1)
    files = {name: tmp_path / name for name in ("one", "two")}
    commands = {name: (sys.executable, "-c", PROGRAM, str(file)) for name, file in files.items()}
    stop, lines = Stop(), []
    thread = threading.Thread(target=serve, args=(commands, stop, lines.append))
    thread.start()
    wait_until(lambda: pids(files["one"]) and pids(files["two"]))
    (first,), (other,) = pids(files["one"]), pids(files["two"])
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(pids(files["one"])) == 2)
    assert is_running(other)
    assert lines == ["the one ended (-9) and is started again"]
    stop.soon.set()
    thread.join(20)
    assert not any(is_running(pid) for file in files.values() for pid in pids(file))


def test_a_program_that_ends_at_once_is_not_started_in_a_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AGAIN_S", 60.0)
    stop, starts = Stop(), tmp_path / "starts"
    code = f"open({str(starts)!r}, 'a').write('1')"
    thread = threading.Thread(target=serve, args=({"one": (sys.executable, "-c", code)}, stop, lambda _: None))
    thread.start()
    wait_until(starts.exists)
    time.sleep(1.0)
    stop.soon.set()
    thread.join(20)
    assert starts.read_text() == "1"


@pytest.mark.parametrize("name", ["web server", "daemon"])
def test_both_load_the_pipeline(name):
    command = programs("127.0.0.1", 3000)[name]
    assert command[-6:-4] == ("-m", "vid_assets.definitions") or command[-2:] == ("-m", "vid_assets.definitions")
