"""Dagster's web server behind `guard.SameOrigin`: ``python -m vid_assets.ui.webserver`` with its usual options."""

import sys
from collections.abc import Sequence
from itertools import pairwise

from vid_assets.loopback import NAMES
from vid_assets.ui.guard import SameOrigin


def names(arguments: Sequence[str]) -> set[str]:
    """Return the names of the server: those of this machine alone, and the address that it listens on."""
    given = {value for option, value in pairwise(arguments) if option in ("-h", "--host")}
    return {*NAMES, *given}


def main() -> None:
    """Run the web server."""
    from dagster_webserver.cli import main as serve
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.middleware import Middleware

    class Guarded(DagsterWebserver):
        def build_middleware(self) -> list[Middleware]:
            return [Middleware(SameOrigin, names=names(sys.argv[1:])), *super().build_middleware()]

    import dagster_webserver.app

    # its one maker of servers takes no class
    dagster_webserver.app.DagsterWebserver = Guarded  # pyright: ignore[reportPrivateImportUsage]
    serve()


if __name__ == "__main__":
    main()
