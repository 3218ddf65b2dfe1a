"""``vid-assets serve``: the search page, for the browser of this machine."""

from contextlib import suppress
from typing import Annotated

import typer

Port = Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port on 127.0.0.1; 0 for any free one.")]


def serve(port: Port = 8765) -> int:
    """Open a page that searches the whole archive, until Ctrl-C.

    Only this machine can reach it. It reads results and reports, and changes nothing.
    """
    import socket

    import uvicorn

    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import console, say
    from vid_assets.errors import SettingsError
    from vid_assets.serve.app import app
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen()
        except OSError as error:
            raise SettingsError(f"--port {port}", f"cannot be used: {error.strerror}", "give another one") from error
        say(f"http://127.0.0.1:{listening.getsockname()[1]}/ until Ctrl-C", console())
        made = app(warehouse, settings().reports.absolute())
        with suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(made, log_level="warning", access_log=False)).run(sockets=[listening])
    return 0
