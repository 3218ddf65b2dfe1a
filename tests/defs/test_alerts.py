"""Alerts reach a webhook and a mailbox, on real servers, and say in one line what keeps them from it."""

import json
import socket
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from vid_assets.defs import alerts
from vid_assets.errors import OutsideError, SettingsError

FACTS = {"text": "Run 1 failed", "run_id": "1", "job": "analyze_video", "videos": "a-0 to b-1", "error": "é <b>"}


@contextmanager
def webhook(status=200):
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?token=s3cret", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_receives_json():
    with webhook() as (address, received):
        alerts.send(address, FACTS)
    assert received == [("/hook?token=s3cret", "application/json", FACTS)]


def test_a_mailbox_receives_a_mail():
    controllers = pytest.importorskip("aiosmtpd.controller")
    received = []

    class Mailbox:
        async def handle_DATA(self, _server, _session, envelope):
            received.append(envelope)
            return "250 OK"

    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = controllers.Controller(Mailbox(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        alerts.send(f"smtp://127.0.0.1:{port}/you@example.org", FACTS)
    finally:
        server.stop()
    (mail,) = received
    assert mail.rcpt_tos == ["you@example.org"]
    text = mail.content.decode()
    assert "Subject: vid_assets: a run of analyze_video failed" in text
    assert "videos: a-0 to b-1" in text


def test_what_is_not_delivered_is_one_line_without_secrets():
    with webhook(500) as (address, _), pytest.raises(OutsideError) as refused:
        alerts.send(address, FACTS)
    with pytest.raises(OutsideError) as closed:
        alerts.send("smtps://user:s3cret@127.0.0.1:9/you@example.org", FACTS)
    for error in (refused, closed):
        assert "127.0.0.1" in str(error.value)
        assert "s3cret" not in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("address", ["you@example.org", "ftp://host/x", "smtp://host:25", "https://", "smtp:///a@b"])
def test_a_wrong_address_is_refused(address):
    with pytest.raises(SettingsError, match="VID_ALERT"):
        alerts.check(address)


def test_there_is_no_sensor_without_an_address(monkeypatch):
    monkeypatch.delenv("VID_ALERT", raising=False)
    assert not alerts.defs().sensors
    monkeypatch.setenv("VID_ALERT", "https://example.org/hook")
    (sensor,) = alerts.defs().sensors
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_a_failed_run_is_told(monkeypatch):
    @dg.op
    def broken():
        raise dg.Failure("the disk is full")

    @dg.job(tags={"dagster/partition": "clip-0123456789ab"})
    def fails():
        broken()

    with webhook() as (address, received), dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("VID_ALERT", address)
        (sensor,) = alerts.defs().sensors
        result = fails.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="alerts",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        ).for_run_failure()
        sensor(context)
    ((_, _, facts),) = received
    assert facts["run_id"] == result.run_id
    assert facts["videos"] == "clip-0123456789ab"
    assert facts["job"] == "fails"
    assert facts["text"].startswith(f"Run {result.run_id} of fails failed for clip-0123456789ab: ")
