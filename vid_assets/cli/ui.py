"""``vid-assets ui``: Dagster's UI, with its daemon, which runs sensors and schedules."""

from typing import Annotated

import typer

Port = Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="Port of the UI.")]
Host = Annotated[str, typer.Option("--host", help="Address to listen on; see deploy/proxy for others.")]


def ui(port: Port = 3000, host: Host = "127.0.0.1") -> int:
    """Serve Dagster's UI, and run its daemon, until Ctrl-C. Pages of other origins are refused."""
    from vid_assets.cli.console import console, say
    from vid_assets.runs.home import instance
    from vid_assets.runs.signals import run_stoppable
    from vid_assets.ui.serve import programs, serve

    screen = console()
    with instance():
        pass
    say(f"http://{host}:{port}", screen)
    return run_stoppable(lambda stop: serve(programs(host, port), stop, lambda line: say(line, screen)), lambda _: None)
