"""What every request must be, and what every answer allows a browser.

The server listens on a loopback address, which any page in the user's browser can reach. So a request must name this
machine as its host, which a page of another site cannot bring about by its own name in DNS; and it must not be sent
by another site, so that none can time or embed the answers. Nothing can be changed here: only GET and HEAD exist.
"""

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vid_assets.loopback import is_named, is_own

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Reports are self-contained pages with style, script and pictures inside; they load nothing from elsewhere.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OWN_SITE = ("none", "same-origin")  # another port of this machine is "same-site"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses what is not a request of this machine's user, and says in each answer what the browser may load."""

    def __init__(self, app: ASGIApp, reports: str) -> None:
        self.app, self.reports = app, reports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        policy = REPORT_POLICY if scope["path"].startswith(self.reports) else PAGE_POLICY

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({**_HEADERS, "Content-Security-Policy": policy})
            await send(message)

        problem = refused(scope["method"], Headers(scope=scope))
        answer = PlainTextResponse(problem, 403) if problem else self.app
        await answer(scope, receive, sent)


def refused(method: str, headers: Mapping[str, str]) -> str:
    """Return why a request is refused; empty if it is fine."""
    if method not in ("GET", "HEAD"):
        return "only reading is possible here"
    host = headers.get("host", "")
    if not is_named(host):
        return "open the page by the address that vid-assets serve prints"
    # a link to the page is fine; a page inside a page, or a picture, is not
    if headers.get("sec-fetch-site", "none") not in _OWN_SITE and headers.get("sec-fetch-dest") != "document":
        return "another site asks"
    if not is_own(headers.get("origin"), host):
        return "another site asks"
    return ""
