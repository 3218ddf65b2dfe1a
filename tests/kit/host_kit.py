"""Handles and catalogue rows for `host_fakes`, and a look at what processes are left."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import psutil
import pytest

from resources.catalog.spec import ModelSpec
from resources.catalog.store import seal
from resources.hosting.handle import ModelResource
from resources.hosting.messages import Stream

ROOT = Path(__file__).parents[2]


def fake_spec(folder: Path, **changes: Any) -> ModelSpec:
    """The row of a fake model whose weights are one small sealed file under `folder`."""
    weights = folder / "weights"
    if not weights.exists():
        weights.mkdir(parents=True)
        (weights / "model.bin").write_bytes(bytes(range(256)))
        seal(weights)
    values = {
        "name": "echo",
        "profiles": ("offline",),
        "host": "tests.kit.host_fakes:EchoHost",
        "source": "vendored",
        "repo": str(weights),
        "revision": "r1",
        "licence": "MIT",
        "precision": "fp32",
        "memory_mb": 100,
        "load_deadline_s": 30.0,
    }
    return ModelSpec(**{**values, **changes})


class EchoResource(ModelResource):
    """A handle for `EchoHost`; `home` holds its weights, its scratch folder and its models."""

    model: ClassVar[str] = "echo"

    home: str
    row: dict[str, Any] = {}  # noqa: RUF012  pydantic copies it
    settings: dict[str, Any] = {}  # noqa: RUF012

    def spec(self) -> ModelSpec:
        return fake_spec(Path(self.home), **self.row)

    def options(self) -> dict[str, Any]:
        return dict(self.settings)

    def echo(
        self, value: float = 1.0, rows: tuple[int, ...] = (0, 1), video_id: str = "v", **args: Any
    ) -> pl.DataFrame:
        """Calls ``echo`` about pictures that are `value` everywhere."""
        pictures = np.full((4, 3, 5, 3), value, np.float32)
        return self._call("echo", {"frames": Stream(pictures, None, rows)}, args, video_id=video_id)

    def ask(self, method: str) -> pl.DataFrame:
        """Calls any method about two rows."""
        return self._call(method, {"frames": Stream(np.zeros((4, 2)), None, (0, 1))}, video_id="v")

    @property
    def folder(self) -> Path:
        """The hosts' folder."""
        return self._hosts().folder  # pyright: ignore[reportAttributeAccessIssue]

    def down(self) -> None:
        """Stops everything."""
        self._hosts().stop()

    def records(self) -> list[dict[str, Any]]:
        """What the hosts' files say."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]


def handle(home: Path, row: dict[str, Any] | None = None, **settings: Any) -> EchoResource:
    """A handle whose scratch and models lie under `home`."""
    return EchoResource(
        home=str(home),
        scratch=str(home / "s"),
        models=str(home / "m"),
        row=row or {},
        settings=settings,
        deadline_s=20.0,
    )


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Waits for a condition; fails after `seconds`."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def hosts_of(folder: Path) -> list[int]:
    """Process ids of all hosts that have files open under `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if "resources.hosting.server.process" in process.cmdline() and any(
                Path(file.path).is_relative_to(folder) for file in process.open_files()
            ):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def in_process(home: Path, code: str, **variables: str) -> "subprocess.Popen[str]":
    """Runs code in another process, with ``handle`` and ``home`` at hand."""
    start = f"from pathlib import Path\nfrom tests.kit.host_kit import handle\nhome = Path({str(home)!r})\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for one test; afterwards its hosts are stopped, and nothing of them may be left."""
    for variable in ("VID_HOST_MEMORY_MB", "VID_HOST_THREADS", "VID_MODEL_IDLE_S", "VID_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    fake_spec(tmp_path)
    yield tmp_path
    any_handle = handle(tmp_path)
    folder = any_handle.folder
    any_handle.down()
    assert not folder.exists()
    assert hosts_of(folder) == []
