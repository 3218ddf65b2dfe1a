"""A cluster on one machine: Postgres, a Ray head without runs, and two nodes with folders of their own."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy import postgres
from vid_assets.media.scratch import last_opened

INSTANCE = Path(__file__).with_name("dagster.yaml")
PROGRAMS = Path(sys.executable).parent
_TRIES = 3


@dataclass
class Cluster:
    """The cluster, with everything below one folder.

    Attributes:
        folder: The folder.
        environment: The variables of the head, of the daemon, and of who asks.
        agents: The port of Ray's agent on each machine.
    """

    folder: Path
    environment: dict[str, str]
    agents: dict[str, int] = field(default_factory=dict)
    _daemon: subprocess.Popen | None = None

    @property
    def archive(self) -> Path:
        """Return the folder of the videos."""
        return self.folder / "archive"

    def start_head(self) -> None:
        """Start the head. It takes no runs."""
        port = self.environment["RAY_PORT"]
        dashboard = self.environment["RAY_DASHBOARD"].rpartition(":")[2]
        self._ray(
            "head", "--head", f"--port={port}", "--num-cpus=0", "--dashboard-host=127.0.0.1",
            f"--dashboard-port={dashboard}", "--include-dashboard=true", f"--temp-dir={self.folder / 'ray'}",
        )  # fmt: skip

    def start_node(self, name: str, *, core: int | None = None, code: Path | None = None) -> None:
        """Start a node that takes one run at a time.

        Args:
            name: Its name, also a resource of Ray and, for root, its host name.
            core: The processor that it and its runs keep to; None for all.
            code: A folder with code of its own; None for the same code as the head.
        """
        own = {"VID_SCRATCH": str(self.scratch(name))}
        own |= {"PYTHONPATH": str(code)} if code is not None else {}
        prefix = [] if core is None else ["taskset", "--cpu-list", str(core)]
        self._ray(
            name, f"--address=127.0.0.1:{self.environment['RAY_PORT']}", "--num-cpus=1",
            f'--resources={{"{name}": 1}}', more=own, prefix=[*prefix, *_named(name)],
        )  # fmt: skip

    def scratch(self, name: str) -> Path:
        """Return the scratch folder of a node."""
        return self.folder / name / "scratch"

    def decoded_on(self, name: str) -> set[str]:
        """Return the videos that a node has decoded."""
        return set(last_opened(self.scratch(name)))

    def is_up(self, name: str) -> bool:
        """Whether a node has been started, and not been killed since."""
        return any(self._processes(self.folder / name))

    def kill_node(self, name: str) -> None:
        """Kill a node with all that runs on it, as if its machine had lost its power."""
        self._kill(self.folder / name)

    def start_daemon(self) -> None:
        """Start Dagster's daemon, which looks at the archive and asks for runs."""
        with (self.folder / "daemon.log").open("ab") as sink:
            self._daemon = subprocess.Popen(
                [PROGRAMS / "dagster-daemon", "run", "-m", "vid_assets.definitions"],
                env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=sink,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """Kill everything."""
        self._kill(self.folder)
        if self._daemon is not None:
            self._daemon.wait()

    def _ray(self, name: str, *options: str, more: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> None:
        """Start processes of Ray, which stay."""
        log = self.folder / f"{name}.log"
        self.agents[name] = postgres.free_port()
        command = [
            PROGRAMS / "ray", "start", "--num-gpus=0", "--object-store-memory=100000000", "--disable-usage-stats",
            # its default is one port, of which this machine needs several
            f"--dashboard-agent-listen-port={self.agents[name]}", *options,
        ]  # fmt: skip
        for _ in range(_TRIES):
            with log.open("ab") as sink:
                done = subprocess.run(
                    [*prefix, *command],
                    env=self.environment | dict(more or {}), cwd=self.folder, stdin=subprocess.DEVNULL,
                    stdout=sink, stderr=subprocess.STDOUT, check=False,
                )  # fmt: skip
            if done.returncode == 0:
                return
            self._kill(self.folder / name)
        raise RuntimeError(f"Ray does not start here; see {log}")

    def _kill(self, folder: Path) -> None:
        """Kill the processes of this cluster whose scratch folder is in a folder, also those that are detached."""
        # a process may start another one just before it is killed
        while found := list(self._processes(folder)):
            for process in found:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(found, timeout=5)

    def _processes(self, folder: Path) -> Iterator[psutil.Process]:
        token = self.environment["RAY_AUTH_TOKEN"]
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                values = process.environ()
                mine = values.get("RAY_AUTH_TOKEN") == token and process.pid != os.getpid()
                if mine and folder in Path(values.get("VID_SCRATCH", "")).parents:
                    yield process


def instance_settings(slots: int) -> str:
    """Return ``dagster.yaml`` for a cluster that takes so many runs at once."""
    text, count = re.subn(r"max_concurrent_runs: \d+", f"max_concurrent_runs: {slots}", INSTANCE.read_text())
    assert count == 1, f"{INSTANCE} says {count} times how many runs there may be at once"
    return text


def has_own_names() -> bool:
    """Whether nodes have host names of their own, as machines have: this user may give them."""
    return os.getuid() == 0


def _named(name: str) -> list[str]:
    """Return what starts a program under a host name. A run says on which machine its process is."""
    return ["unshare", "--uts", "sh", "-c", f'hostname {name} && exec "$@"', "sh"] if has_own_names() else []


@contextmanager
def cluster(folder: Path, settings: Mapping[str, str], *, slots: int = 2) -> Iterator[Cluster]:
    """Start Postgres and the head, and stop all at the end.

    Args:
        folder: An empty folder; the path is short, because Ray makes sockets in it.
        settings: Variables for all machines, such as ``VID_PROFILE``.
        slots: Number of runs at once, one for each node.
    """
    with postgres.server() as server:
        server.create("dagster")
        server.create("lake")
        for name in ("archive", "home", "shared"):
            (folder / name).mkdir()
        (folder / "home" / "dagster.yaml").write_text(instance_settings(slots))
        database, user = f"127.0.0.1:{server.port}", postgres.USER
        made = Cluster(
            folder,
            {
                **os.environ,
                "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
                "DAGSTER_HOME": str(folder / "home"),
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": secrets.token_hex(32),
                "RAY_PORT": str(postgres.free_port()),
                "RAY_DASHBOARD": f"http://127.0.0.1:{postgres.free_port()}",
                # time for a stopped run to publish what it has
                "RAY_JOB_STOP_WAIT_TIME_S": "30",
                "PGPASSWORD": postgres.PASSWORD,
                "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://{user}:{postgres.PASSWORD}@{database}/dagster",
                "DAGSTER_COMPUTE_LOGS": str(folder / "shared" / "logs"),
                "VID_ARCHIVE": str(folder / "archive"),
                "VID_REPORTS": str(folder / "shared" / "reports"),
                "VID_SCRATCH": str(folder / "head" / "scratch"),
                "VID_WAREHOUSE": f"ducklake:postgres:host=127.0.0.1 port={server.port} user={user} dbname=lake",
                "VID_WAREHOUSE_DATA": str(folder / "shared" / "results"),
                **settings,
            },
        )
        try:
            made.start_head()
            yield made
        finally:
            made.stop()
