"""Handles and catalogue rows for `host_fakes`, and a look at what processes are left."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import grpc
import numpy as np
import polars as pl
import psutil
import pytest

from resources.catalog.spec import ModelSpec
from resources.catalog.store import seal
from resources.hosting.handle import ModelHostsResource, ModelResource
from resources.hosting.messages import Stream
from resources.tasks import Field, FramesLike, Task
from resources.tasks.task import ROW

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
        "task": "echo",
        "profiles": ("offline",),
        "host": "tests.kit.host_fakes:EchoHost",
        "source": "folder",
        "repo": str(weights),
        "revision": "r1",
        "licence": "MIT",
        "precision": "fp32",
        "memory_mb": 100,
        "load_deadline_s": 30.0,
    }
    return ModelSpec(**{**values, **changes})


class EchoModel(Protocol):
    """Answers with what it got."""

    def echo(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """The mean of each picture."""
        ...


ECHO = Task(
    name="echo",
    question="What did you get?",
    model=EchoModel,
    each="rows",
    answer={"row": ROW, "mean": Field(pl.Float64, "1", "Mean of the picture.")},
)


class EchoResource(ModelResource):
    """A handle for `EchoHost`; `home` holds its weights, its scratch folder and its models."""

    task: ClassVar[Task] = ECHO

    home: str
    row: dict[str, Any] = {}  # noqa: RUF012  pydantic copies it
    settings: dict[str, Any] = {}  # noqa: RUF012

    def spec(self, profile: str = "") -> ModelSpec:
        return fake_spec(Path(self.home), options=self.settings, **self.row)

    def call(self, method: str, streams: Mapping[str, Stream], args: Mapping[str, Any], video_id: str) -> pl.DataFrame:
        """Calls any method."""
        answer = self.hosts.engine().call(
            self.deployment(),
            method,
            streams,
            args,
            video_id=video_id,
            deadline_s=self.deadline_s,
            calls=self._calls,
        )
        return answer.drop("video_id", "model_revision")

    def echo(
        self, value: float = 1.0, rows: tuple[int, ...] = (0, 1), video_id: str = "v", **args: Any
    ) -> pl.DataFrame:
        """Calls ``echo`` about pictures that are `value` everywhere."""
        pictures = np.full((4, 3, 5, 3), value, np.float32)
        return self.call("echo", {"frames": Stream(pictures, None, rows)}, args, video_id)

    def try_method(self, method: str) -> pl.DataFrame:
        """Calls any method about two rows."""
        return self.call(method, {"frames": Stream(np.zeros((4, 2)), None, (0, 1))}, {}, "v")

    @property
    def folder(self) -> Path:
        """The hosts' folder."""
        return self.hosts.engine().folder  # pyright: ignore[reportAttributeAccessIssue]

    def down(self) -> None:
        """Stops everything."""
        self.hosts.engine().stop()

    def records(self) -> list[dict[str, Any]]:
        """What the hosts' files say."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]


class BrokenCall(grpc.RpcError):
    """A call whose connection broke, as gRPC may name it."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def result(self) -> bytes:
        raise self

    def cancel(self) -> None:
        pass

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "Stream removed"


def handle(home: Path, row: dict[str, Any] | None = None, **settings: Any) -> EchoResource:
    """A handle whose scratch and models lie under `home`."""
    engine = ModelHostsResource(scratch=str(home / "s"), models=str(home / "m"))
    return EchoResource(home=str(home), hosts=engine, row=row or {}, settings=settings, deadline_s=20.0)


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
