"""Web server and daemon side by side: each is started again when it ends, until a signal ends both."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from vid_assets.executor import Stop

AGAIN_S = 3.0
PATIENCE_S = 30.0
POLL_S = 0.2
_LOCATION = ("-m", "vid_assets.definitions")


def programs(host: str, port: int) -> dict[str, Sequence[str]]:
    """Return the two programs by name."""
    return {
        "web server": (
            sys.executable, "-m", "vid_assets.ui.webserver", *_LOCATION, "-h", host, "-p", str(port),
        ),
        "daemon": (sys.executable, "-m", "dagster._daemon", "run", *_LOCATION),
    }  # fmt: skip


def serve(commands: Mapping[str, Sequence[str]], stop: Stop, tell: Callable[[str], None]) -> int:
    """Keep the programs up until `stop` is set, then end them. Return the exit code."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    started: dict[str, float] = {}
    try:
        while not stop.is_set:
            for name, command in commands.items():
                process = running.get(name)
                if process is not None and process.poll() is None:
                    continue
                if time.monotonic() - started.get(name, -AGAIN_S) < AGAIN_S:
                    continue
                if process is not None:
                    tell(f"the {name} ended ({process.returncode}) and is started again")
                # a session of its own: Ctrl-C in the terminal reaches this process alone, which ends them in order
                running[name] = subprocess.Popen(command, start_new_session=True)
                started[name] = time.monotonic()
            stop.soon.wait(POLL_S)
    finally:
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for process in running.values():
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return 0
