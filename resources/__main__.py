"""``python -m resources``: what is loaded, stop it all, fetch weights ahead, seal vendored weights."""

import argparse
import os
import sys
from pathlib import Path

from resources.catalog import store as weights
from resources.catalog.profiles import resolve_profile
from resources.catalog.rows import catalogue
from resources.catalog.spec import PROFILES
from resources.errors import ResourceError
from resources.hosting.local.hosts import LocalHosts


def main() -> None:
    """Runs one command; an error of ours is one line on standard error and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m resources", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="the models that are loaded")
    commands.add_parser("down", help="stop all model hosts and remove what they left")
    pulling = commands.add_parser("pull", help="fetch and check the weights of a profile")
    pulling.add_argument(
        "--profile", default="", choices=("", "auto", *PROFILES), help="default: VID_PROFILE, else auto"
    )
    sealing = commands.add_parser("seal", help="write SHA256SUMS of a folder of vendored weights")
    sealing.add_argument("folder", type=Path)
    given = parser.parse_args()
    try:
        match given.command:
            case "status":
                show_status()
            case "down":
                LocalHosts(_folder("VID_SCRATCH", "data/scratch")).stop()
            case "pull":
                pull(resolve_profile(given.profile))
            case _:
                sys.stdout.write(weights.seal(given.folder))
    except ResourceError as error:
        sys.exit(f"{type(error).__name__}: {error}")


def show_status() -> None:
    """Prints a table of the living hosts."""
    from rich.console import Console
    from rich.table import Column, Table

    # in a narrow terminal a name that is cut short could be that of another model
    table = Table(Column("model", no_wrap=True), "state", "since", "pid", "memory", "calls", "p50", "device")
    for status in LocalHosts(_folder("VID_SCRATCH", "data/scratch")).standing():
        table.add_row(
            status.model,
            status.state if status.busy_s is None else f"busy {status.busy_s:.1f} s",
            f"{status.seconds:.0f} s",
            str(status.pid),
            "" if status.memory_mb is None else f"{status.memory_mb:.0f} MB",
            str(status.calls),
            "" if status.p50_ms is None else f"{status.p50_ms:.0f} ms",
            status.device or "",
        )
    console = Console()
    console.print(table if table.row_count else "no model is loaded")


def pull(profile: str) -> None:
    """Fetches every model of a profile; goes on after a failure, and exits with status 1 at the end."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    missing: list[str] = []
    for spec in catalogue():
        if profile not in spec.profiles:
            continue
        try:
            got = weights.pull(spec, _folder("VID_MODELS", "data/models"))
        except ResourceError as error:
            missing.append(spec.name)
            console.print(str(error))
        else:
            console.print(f"{spec.name}: {got.bytes / 1e6:.0f} MB, {spec.source} {spec.repo} {got.revision}, verified")
    if missing:
        sys.exit(f"not available: {', '.join(missing)}")


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).absolute()


if __name__ == "__main__":
    main()
