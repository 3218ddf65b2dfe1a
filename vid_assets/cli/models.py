"""``vid-assets models``: show what the model hosts hold, stop them, download weights, seal vendored weights."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vid_assets.cli.options import Profile, use_profile

if TYPE_CHECKING:
    from rich.console import Console

models = typer.Typer(
    name="models", help="Model hosts and weights; without a command: what is loaded.", invoke_without_command=True
)


@models.callback()
def _default(context: typer.Context) -> int | None:
    return None if context.invoked_subcommand else status()


@models.command()
def status() -> int:
    """Show the models that are loaded: state, memory, calls."""
    from vid_assets.cli.console import console

    show_hosts(console())
    return 0


@models.command()
def down() -> int:
    """Stop all model hosts, and remove what they left."""
    from resources.hosting.local.hosts import LocalHosts
    from resources.settings import settings

    LocalHosts(settings().scratch.absolute()).stop()
    return 0


@models.command()
def pull(profile: Profile = "") -> int:
    """Fetch the weights of a profile, and check them."""
    return int(bool(fetch(use_profile(profile))))


@models.command()
def seal(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of vendored weights.")],
) -> int:
    """Write the SHA256SUMS of a folder of vendored weights."""
    from resources.catalog import store as weights

    sys.stdout.write(weights.seal(folder))
    return 0


def fetch(profile: str) -> list[str]:
    """Fetch every model of a profile, print one line for each, and continue after a failure.

    Returns:
        The models that could not be fetched.
    """
    from resources.catalog import store as weights
    from resources.catalog.rows import catalogue
    from resources.errors import ResourceError
    from resources.settings import settings
    from vid_assets.cli.console import complain, console, progress, say

    screen, missing = console(), []
    rows = [spec for spec in catalogue() if profile in spec.profiles]
    with progress(screen) as bar:
        task = bar.add_task("", total=len(rows))
        for spec in rows:
            bar.update(task, description=f"fetching {spec.name}")
            try:
                got = weights.pull(spec, settings().models.absolute())
            except ResourceError as error:
                missing.append(spec.name)
                complain(str(error), screen)
            else:
                facts = f"{spec.source} {spec.repo} {got.revision}, verified"
                say(f"{spec.name}: {got.bytes / 1e6:.0f} MB, {facts}", screen)
            bar.advance(task)
    return missing


def show_hosts(console: "Console") -> None:
    """Print a table of the living model hosts."""
    from resources.hosting.local.hosts import LocalHosts
    from resources.settings import settings
    from vid_assets.cli.console import say, table

    rows = [
        (
            host.model,
            host.state if host.busy_s is None else f"busy {host.busy_s:.1f} s",
            f"{host.seconds:.0f} s",
            str(host.pid),
            "" if host.memory_mb is None else f"{host.memory_mb:.0f} MB",
            str(host.calls),
            "" if host.p50_ms is None else f"{host.p50_ms:.0f} ms",
            host.device or "",
        )
        for host in LocalHosts(settings().scratch.absolute()).standing()
    ]
    if rows:
        table(("model", "state", "since", "pid", "memory", "calls", "p50", "device"), rows, console)
    else:
        say("no model is loaded", console)
