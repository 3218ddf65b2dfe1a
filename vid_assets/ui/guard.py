"""Refuses requests of pages from other origins. Dagster's GraphQL has no token, and executes what a GET asks for.

A page that is open in the same browser can send requests to the web server, although it cannot read the answers: a
picture's address, a form, a WebSocket. Browsers say where a request comes from in ``Origin`` and ``Sec-Fetch-Site``,
which a page cannot change. ``Host`` must be a name of this server: otherwise, another name could be pointed to it.
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from vid_assets.loopback import NAMES, is_named, is_own

_SAFE = ("GET", "HEAD")
_OWN = ("same-origin", "none")
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class SameOrigin:
    """ASGI middleware that lets only the server's own pages, and programs that are no browser, change anything.

    Args:
        app: The application behind it.
        names: Names and addresses of this server, without port.
    """

    def __init__(self, app: App, names: Collection[str] = NAMES) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403 with the reason."""
        problem = self._problem(scope) if scope["type"] in ("http", "websocket") else ""
        if not problem:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": problem})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": problem.encode()})

    def _problem(self, scope: Message) -> str:
        """Return why a request is refused; empty if it is not."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not is_named(host, self._names):
            return f"{host!r} is no name of this server"
        asks = scope["type"] == "http" and scope["path"].rstrip("/").endswith("/graphql")
        if asks and scope["method"] in _SAFE and scope["query_string"]:
            return "GraphQL is answered to POST only"
        if scope["type"] == "http" and scope["method"] in _SAFE and not asks:
            return ""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if site not in _OWN or not is_own(origin, host):
            return f"a page of another origin ({origin or site}) asks for a change"
        return ""
