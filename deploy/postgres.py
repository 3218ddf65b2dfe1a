"""A Postgres server for a demo or a test, of Debian's package ``postgresql``."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "vid", "secret"


@dataclass(frozen=True, slots=True)
class Server:
    """A server on 127.0.0.1.

    Attributes:
        port: Its port.
        folder: Where its data are.
    """

    port: int
    folder: Path

    def dsn(self, database: str, password: str = PASSWORD) -> str:
        """Return the connection string of a database."""
        return f"host=127.0.0.1 port={self.port} user={USER} password={password} dbname={database}"

    def create(self, database: str) -> str:
        """Make a database, and return its connection string."""
        import psycopg2

        connection = psycopg2.connect(self.dsn("postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {database}")
        connection.close()
        return self.dsn(database)

    def start(self) -> None:
        """Start it on its port."""
        self._start("start")

    def restart(self) -> None:
        """Stop it, which ends all connections, and start it again."""
        self._start("restart")

    def _start(self, how: str) -> None:
        data = self.folder / "data"
        options = f"-p {self.port} -k {data} -c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=off"
        self.control("-o", options, "-l", str(data / "log"), "-m", "fast", how)

    def control(self, *arguments: str) -> None:
        """Run ``pg_ctl``."""
        _as_postgres(_program("pg_ctl"), "-D", self.folder / "data", "-w", *arguments)


@contextmanager
def server() -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    # not pytest's folder: the server runs as another user, who may not enter that
    with tempfile.TemporaryDirectory(prefix="vid-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        word = folder / "password"
        word.write_text(PASSWORD)
        (folder / "data").mkdir()
        if os.getuid() == 0:
            shutil.chown(folder / "data", "postgres")
        _as_postgres(
            _program("initdb"), "-D", folder / "data", "-A", "scram-sha-256", "-U", USER, f"--pwfile={word}", "-E",
            "UTF8", "--no-sync",
        )  # fmt: skip
        made = Server(free_port(), folder)
        made.start()
        try:
            yield made
        finally:
            made.control("-m", "immediate", "stop")


def is_installed() -> bool:
    """Whether this machine has the server."""
    return _program("initdb").exists()


def _program(name: str) -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found[-1] if found else Path(shutil.which(name) or "/nonexistent")


def _as_postgres(*command: str | Path) -> None:
    # the server refuses to run as root
    user = "postgres" if os.getuid() == 0 else None
    done = subprocess.run(
        command, user=user, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
