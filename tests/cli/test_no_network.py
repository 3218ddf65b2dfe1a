"""Nothing opens a connection that nobody asked for, and a whole analysis needs none."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resources.hosting.local.starter import _environment
from resources.telemetry import OPT_OUT, opt_out
from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from vid_assets.registry import computed
from vid_assets.synthetic.clips import Clip, Shot, Sound, Text, render

ROOT = Path(__file__).parents[2]
CALLS = "connect,sendto,sendmsg,sendmmsg"
# An address of the internet in a system call, as strace prints it.
ADDRESS = re.compile(r'sin_addr=inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


@pytest.mark.parametrize("package", ["vid_assets", "resources", "vid_assets.definitions", "vid_assets.cli"])
def test_every_process_opts_out_before_it_imports_anything(package):
    code = f"import os, {package}; print(*(os.environ[name] for name in {sorted(OPT_OUT)!r}))"
    bare = {name: value for name, value in os.environ.items() if name not in OPT_OUT}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=bare, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [OPT_OUT[name] for name in sorted(OPT_OUT)]


def test_model_hosts_are_told(monkeypatch):
    assert {name: _environment()[name] for name in OPT_OUT} == OPT_OUT
    # who wants to report may
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    opt_out()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


@pytest.fixture
def places(tmp_path):
    """A clip, and the environment of a process that analyses it with hosts of its own."""
    shots = (Shot(2.0, texture="noise", seed=1), Shot(2.0, background="grey"))
    texts = (Text("HELLO", start_s=2.0, y=0.5, height=0.2),)
    render(
        Clip(shots=shots, texts=texts, sounds=(Sound("tone", 0.5, 1.5),), width=160, height=90), tmp_path / "clip.mp4"
    )
    (tmp_path / "dagster").mkdir()
    shutil.copy(ROOT / "dagster_home" / "dagster.yaml", tmp_path / "dagster")
    folders = {"VID_WAREHOUSE": "warehouse", "VID_SCRATCH": "scratch", "VID_REPORTS": "reports", "HOME": "home"}
    kept = {name: value for name, value in os.environ.items() if name not in OPT_OUT}
    return tmp_path, {
        **kept,
        **{name: str(tmp_path / folder) for name, folder in folders.items()},
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "VID_MODELS": str(Path(os.environ.get("VID_MODELS") or ROOT / "data" / "models").absolute()),
        "VID_PROFILE": "offline",
    }


def analysed(places, *around):
    """Analyse the clip and stop the hosts, inside another program; every analyzer must have answered."""
    folder, environment = places
    script = f"{sys.executable} -m vid_assets analyze clip.mp4; {sys.executable} -m vid_assets models down"
    environment |= {"PYTHONPATH": str(ROOT)}
    command = [*around, "sh", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    records = Warehouse(path=str(folder / "warehouse")).read_table(ANALYZER_RUNS.name).collect()
    assert set(records["analyzer"]) == {"videos", *(analyzer.name for analyzer in computed())}, (
        done.stdout + done.stderr
    )
    assert records.filter(records["status"] == "failed").is_empty()
    assert {"pp-ocr-v6", "mediapipe-face"} <= set(records["model"].drop_nulls())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_whole_analysis_needs_no_network(places):
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network namespace")
    analysed(places, "unshare", "-n")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_whole_analysis_connects_to_nobody(places):
    folder, _ = places
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = folder / "trace"
    if subprocess.run(["strace", "-o", str(trace), "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not trace processes")
    analysed(places, "strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(trace))
    calls = trace.read_text(errors="replace")
    # the hosts' sockets are seen, so the trace is whole
    assert calls.count("sa_family=AF_UNIX") > 5
    reached = {first or second for first, second in ADDRESS.findall(calls)}
    assert {address for address in reached if not re.match(r"127\.|::1$", address)} == set()


def test_addresses_are_read_as_strace_prints_them():
    calls = """
    7 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.1.2.3")}, 16) = 0
    7 connect(6, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0),
      inet_pton(AF_INET6, "2603:1030::1", &sin6_addr), sin6_scope_id=0}, 28) = -1
    7 connect(7, {sa_family=AF_UNIX, sun_path="/x"}, 10) = 0
    """
    assert {first or second for first, second in ADDRESS.findall(calls)} == {"10.1.2.3", "2603:1030::1"}
