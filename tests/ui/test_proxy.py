"""The proxy of `deploy/` in front of the guarded UI: TLS, a password, and the pages of its own name only."""

import base64
import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from vid_assets.ui.guard import SameOrigin

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "proxy" / "nginx.conf"
NAME, OWN, EVIL = "vid.example.org", "https://vid.example.org", "https://evil.example"
PASSWORD = {"Authorization": "Basic " + base64.b64encode(b"alice:secret").decode()}
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "A" * 22 + "==",
}

pytestmark = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="needs Debian's packages nginx-light and openssl"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {request.url.path} {'authorization' in request.headers}")


async def feed(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("news")
    await websocket.close()


def listening(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of the proxy, of TLS and of plain HTTP, with the UI's guard behind it."""
    folder, tls, plain, ui = tmp_path_factory.mktemp("proxy"), free_port(), free_port(), free_port()
    routes = [WebSocketRoute("/graphql", feed), Route("/{path:path}", page, methods=["GET", "POST", "DELETE"])]
    server = uvicorn.Server(
        uvicorn.Config(SameOrigin(Starlette(routes=routes)), host="127.0.0.1", port=ui, log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    made = ["-subj", f"/CN={NAME}", "-days", "1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made], check=True, capture_output=True)
    (folder / "users").write_text("alice:{PLAIN}secret\n")
    text = CONFIGURATION.read_text()
    for there, here in (
        ("listen 443", f"listen 127.0.0.1:{tls}"),
        ("listen 80", f"listen 127.0.0.1:{plain}"),
        ("/etc/nginx/vid_assets.crt", str(folder / "cert.pem")),
        ("/etc/nginx/vid_assets.key", str(folder / "key.pem")),
        ("/etc/nginx/vid_assets.htpasswd", str(folder / "users")),
        ("127.0.0.1:3000", f"127.0.0.1:{ui}"),
    ):
        assert there in text
        text = text.replace(there, here)
    (folder / "nginx.conf").write_text(
        f"user root; daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp;\n{text}\n}}\n"
    )
    proxy = subprocess.Popen(["nginx", "-p", folder, "-e", folder / "errors", "-c", folder / "nginx.conf"])
    try:
        listening(ui)
        listening(tls)
        yield tls, plain
    finally:
        proxy.terminate()
        proxy.wait()
        server.should_exit = True
        thread.join()


def asked(port: int, method: str, path: str, name: str = NAME, **headers: str) -> tuple[int, str]:
    """Status and content of the answer to a request over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as bare, context.wrap_socket(bare, server_hostname=name) as line:
        connection = http.client.HTTPConnection(name)
        connection.sock = line
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, "" if response.status == 101 else response.read().decode()


def test_without_the_password_nothing_is_served(ports: tuple[int, int]) -> None:
    wrong = "Basic " + base64.b64encode(b"alice:wrong").decode()
    assert asked(ports[0], "GET", "/runs")[0] == 401
    assert asked(ports[0], "POST", "/graphql", Authorization=wrong)[0] == 401
    assert asked(ports[0], "GET", "/graphql", **SOCKET)[0] == 401


def test_its_own_pages_pass_and_the_password_stays_at_the_proxy(ports: tuple[int, int]) -> None:
    own = {"Origin": OWN, "Sec_Fetch_Site": "same-origin"} | PASSWORD
    assert asked(ports[0], "GET", "/runs", Sec_Fetch_Site="cross-site", **PASSWORD) == (
        200,
        "GET /runs False",
    )  # a link
    assert asked(ports[0], "POST", "/graphql", **own) == (200, "POST /graphql False")
    assert asked(ports[0], "POST", "/graphql", **PASSWORD)[0] == 200  # a program that is no browser
    assert asked(ports[0], "GET", "/graphql", **own, **SOCKET)[0] == 101


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://vid.example.org.evil.example"},
    ],
)
def test_pages_of_other_origins_change_nothing(ports: tuple[int, int], method: str, headers: dict[str, str]) -> None:
    assert asked(ports[0], method, "/graphql?query=mutation", **headers, **PASSWORD)[0] == 403
    assert asked(ports[0], "DELETE", "/x", **headers, **PASSWORD)[0] == 403
    assert asked(ports[0], "GET", "/graphql", **headers, **PASSWORD, **SOCKET)[0] == 403


def test_no_change_is_asked_for_by_an_address_alone(ports: tuple[int, int]) -> None:
    assert asked(ports[0], "GET", "/graphql?query=mutation", **PASSWORD)[0] == 403


def test_another_name_gets_no_answer(ports: tuple[int, int]) -> None:
    with pytest.raises(ssl.SSLError):
        asked(ports[0], "GET", "/", "evil.example", **PASSWORD)


def test_plain_http_leads_to_tls(ports: tuple[int, int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ports[1])
    connection.request("GET", "/runs", headers={"Host": NAME})
    response = connection.getresponse()
    assert (response.status, response.getheader("Location")) == (301, f"{OWN}/runs")
    connection.close()
