"""A place of its own for the whole pipeline: folders, short clips, supervised processes, and which processes live."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from vid_assets.registry import discover
from vid_assets.synthetic.clips import Clip, Mover, Shape, Shot, render

ROOT = Path(__file__).parents[1]
# What answers quickly, and between them: an analyzer without a model, one upon another's table, one with a host.
ANALYZERS = {"color_analysis", "cut_analysis", "background_segmentation"}
VARIABLE = "VID_HARNESS"
SETTLED_S = 60.0
BACKGROUNDS = ("grey", "brown", "black")
COLOURS = ("white", "red", "green", "blue", "yellow")
KINDS = {
    "decoder": "vid_assets.media.worker",
    "host": "resources.hosting.server.process",
    "compaction": "resources.warehouse.compaction",
    "daemon": "dagster._daemon",
    "webserver": "vid_assets.ui.webserver",
    "run": "multiprocessing.spawn",
    "code server": "dagster api grpc",
    "backfill": "vid_assets backfill",
}


@dataclass(slots=True)
class World:
    """The folders of one archive, and the environment of every process that works on it.

    Attributes:
        root: Folder of all of them.
        models: Folder of the fetched weights.
        token: Marks the processes that were started from here.
    """

    root: Path
    models: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for name in ("videos", "dagster"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "dagster_home" / "dagster.yaml", self.root / "dagster")

    @property
    def videos(self) -> Path:
        """The folder of the archive."""
        return self.root / "videos"

    def variables(self) -> dict[str, str]:
        """Return the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VID_", "DAGSTER_"))}
        off = ",".join(analyzer.name for analyzer in discover() if analyzer.name not in ANALYZERS)
        folders = {name: self.root / name.lower() for name in ("WAREHOUSE", "SCRATCH", "REPORTS")}
        return {
            **kept,
            **{f"VID_{name}": str(folder) for name, folder in folders.items()},
            "DAGSTER_HOME": str(self.root / "dagster"),
            "PYTHONPATH": str(ROOT),
            "VID_ARCHIVE": str(self.videos),
            "VID_DISABLED": off,
            "VID_MODELS": str(self.models),
            "VID_PROFILE": "offline",
            VARIABLE: self.token,
        }

    def add_clips(self, count: int, seed: int, first: int = 0, age_s: float = SETTLED_S) -> None:
        """Put short clips into the archive, each with content of its own."""
        dice = random.Random(seed)
        for number in range(first, first + count):
            shapes = (Mover(Shape("circle", dice.choice(COLOURS), dice.random(), dice.random(), 0.2)),)
            shots = tuple(
                Shot(dice.uniform(0.4, 0.8), background=dice.choice(BACKGROUNDS), shapes=shapes, seed=number)
                for _ in range(2)
            )
            path = self.root / f".clip_{number:04}.mp4"
            render(Clip(shots=shots, width=96, height=54), path)
            settled = time.time() - age_s
            os.utime(path, (settled, settled))
            path.rename(self.videos / path.name.lstrip("."))

    def start(self, arguments: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        """Start a Python program in this world, with its output in a log."""
        with (self.root / f"{log}.log").open("ab") as sink:
            return subprocess.Popen(
                [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=self.variables(),
                cwd=self.root, start_new_session=True,
            )  # fmt: skip

    def run(self, *arguments: str, timeout_s: float = 600.0) -> "subprocess.CompletedProcess[str]":
        """Run ``vid-assets`` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "vid_assets", *arguments], capture_output=True, text=True, env=self.variables(),
            cwd=self.root, timeout=timeout_s, check=False,
        )  # fmt: skip

    def processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield the living processes of this world, each with its kind; other ones have an empty kind."""
        marked = {process.pid: process for process in psutil.process_iter() if self._is_marked(process)}
        for process in list(marked.values()):
            with suppress(psutil.Error):  # a decoder has no environment
                marked |= {child.pid: child for child in process.children(recursive=True)}
        for process in marked.values():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield kind_of(" ".join(process.cmdline())), process

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and process.environ().get(VARIABLE) == self.token
        except psutil.Error:
            return False

    def end(self, patience_s: float = 60.0) -> list[str]:
        """End the model hosts, wait, and kill what is left. A code server ends 45 s after what started it was killed.

        Returns:
            The commands of the processes that were left: orphans.
        """
        with suppress(subprocess.TimeoutExpired):
            self.run("models", "down", timeout_s=120)
        give_up = time.monotonic() + patience_s
        while (left := list(self.processes())) and time.monotonic() < give_up:
            time.sleep(0.2)
        orphans: list[str] = []
        for kind, process in left:
            with suppress(psutil.Error):
                orphans.append(f"{kind or 'process'}: {' '.join(process.cmdline())[:200]}")
                process.kill()
        return orphans


@dataclass(slots=True)
class Service:
    """A program that is started again whenever it ends, as systemd would."""

    world: World
    name: str
    arguments: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None

    def keep_up(self) -> None:
        """Start it unless it runs."""
        if self.process is None or self.process.poll() is not None:
            self.process = self.world.start(self.arguments, self.name)

    def stop(self, patience_s: float = 30.0) -> None:
        """Ask it to end; after the patience, kill it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def services(world: World) -> list[Service]:
    """Return Dagster's daemon and web server, which `make ui` starts too; the web server takes a free port."""
    world.run("status")  # Dagster's programs cannot create its storage side by side
    workspace = ["-w", str(ROOT / "workspace.yaml")]
    return [
        Service(world, "daemon", ["-m", "dagster._daemon", "run", *workspace]),
        Service(world, "webserver", ["-m", "vid_assets.ui.webserver", *workspace, "-h", "127.0.0.1", "-p", "0"]),
    ]


def kind_of(command: str) -> str:
    """Return the kind of a process by its command line; empty if it is none of `KINDS`."""
    return next((kind for kind, mark in KINDS.items() if mark in command), "")
