"""What a page of another origin can send, it sends in vain; the UI's own pages and programs are served."""

import asyncio

import pytest

from vid_assets.loopback import NAMES
from vid_assets.ui.guard import SameOrigin
from vid_assets.ui.webserver import names

OWN, EVIL = "http://127.0.0.1:3000", "http://evil.example"
MUTATION = b"query=mutation%7BterminateRun(runId:%221%22)%7B__typename%7D%7D"


def answer(method="POST", path="/graphql", query=b"", kind="http", **headers):
    """What the guard lets through to an application: 200, or the status or code with which it refuses."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        sent.append(message)

    given = {"host": "127.0.0.1:3000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": kind, "path": path, "query_string": query,
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
    }  # fmt: skip
    if kind == "http":
        scope["method"] = method
    asyncio.run(SameOrigin(app)(scope, receive, send))
    return sent[0].get("status") or sent[0].get("code")


@pytest.mark.parametrize(
    "request_",
    [
        {"origin": OWN, "sec_fetch_site": "same-origin"},
        {"origin": "http://localhost:3000", "host": "localhost:3000"},
        {"origin": "http://[::1]:3000", "host": "[::1]:3000"},
        {},  # a program that is no browser
        {"kind": "websocket", "origin": OWN},
        {"kind": "websocket"},
        {"method": "GET", "path": "/runs", "sec_fetch_site": "cross-site"},  # a link
        {"method": "GET", "path": "/graphql", "sec_fetch_site": "none"},  # its playground
        {"method": "GET", "path": "/assets", "query": b"search=graphql"},
    ],
)
def test_own_pages_links_and_programs_pass(request_):
    assert answer(**request_) == 200


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET", "query": MUTATION, "sec_fetch_site": "cross-site"},  # a picture
        {"method": "GET", "query": MUTATION},  # a browser that says nothing
        {"method": "HEAD", "query": MUTATION},
        {"method": "GET", "query": MUTATION, "path": "/graphql/"},
        {"method": "GET", "query": MUTATION, "path": "/prefix/graphql"},
        {"origin": EVIL},  # a form, or fetch without cors
        {"origin": "null"},  # a sandboxed frame, a file
        {"origin": "http://127.0.0.1:8000"},  # another server of this machine
        {"origin": "http://127.0.0.1:3000.evil.example"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"path": "/report_asset_materialization/videos", "origin": EVIL},
        {"method": "DELETE", "path": "/x", "origin": EVIL},
        {"host": "evil.example:3000", "origin": "http://evil.example:3000"},  # a name that was pointed here
        {"method": "GET", "path": "/", "host": "evil.example"},
        {"method": "GET", "path": "/", "host": ""},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_pages_of_other_origins_are_refused(request_):
    assert answer(**request_) == 403


@pytest.mark.parametrize("headers", [{"origin": EVIL}, {"origin": "null"}, {"host": "evil.example"}])
def test_sockets_of_other_origins_are_closed(headers):
    assert answer(kind="websocket", **headers) == 1008


def test_the_address_that_it_listens_on_is_a_name():
    assert names(["-m", "x", "-h", "10.0.0.5", "-p", "3000"]) == {*NAMES, "10.0.0.5"}
    assert names(["--host", "vid.internal"]) == {*NAMES, "vid.internal"}
    assert names([]) == {*NAMES}
