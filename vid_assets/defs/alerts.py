"""Alerts: a failed run is told to a webhook or by mail, if ``VID_ALERT`` names an address."""

import json
import smtplib
import urllib.error
import urllib.request
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

import dagster as dg

from resources.settings import settings
from vid_assets.errors import OutsideError, SettingsError

TIMEOUT_S = 10.0
_WEBHOOKS, _MAIL = ("http", "https"), ("smtp", "smtps")
_FORM = "use https://host/path, smtp://host:25/you@example.org or smtps://user:password@host/you@example.org"


def defs() -> dg.Definitions:
    """Return the sensor that tells of failed runs; nothing without an address.

    Raises:
        SettingsError: ``VID_ALERT`` is no address of either kind.
    """
    address = settings().alert
    if not address:
        return dg.Definitions()
    check(address)

    @dg.run_failure_sensor(
        name="alerts",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs at the address that VID_ALERT names.",
    )
    def alerts(context: dg.RunFailureSensorContext) -> None:
        send(address, facts_of(context))

    return dg.Definitions(sensors=[alerts])


def facts_of(context: dg.RunFailureSensorContext) -> dict[str, str]:
    """Return what is told of a failed run: ``text``, ``run_id``, ``job``, ``videos``, ``error``."""
    run = context.dagster_run
    first, last = (run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    videos = run.tags.get("dagster/partition") or (f"{first} to {last}" if first else "")
    causes = [event.message for event in context.get_step_failure_events()] or [context.failure_event.message]
    error = next((line.strip() for line in (causes[0] or "").splitlines() if line.strip()), "")
    text = f"Run {run.run_id} of {run.job_name} failed{f' for {videos}' if videos else ''}: {error}"
    return {"text": text, "run_id": run.run_id, "job": run.job_name, "videos": videos, "error": error}


def check(address: str) -> SplitResult:
    """Return the parts of an address.

    Raises:
        SettingsError: It is no address of a webhook or of a mailbox behind a mail server.
    """
    parts = urlsplit(address)
    is_mail = parts.scheme in _MAIL and "@" in parts.path
    if not parts.hostname or not (parts.scheme in _WEBHOOKS or is_mail):
        raise SettingsError("VID_ALERT", "is no address of a webhook or a mailbox", _FORM)
    return parts


def send(address: str, facts: dict[str, str]) -> None:
    """Send an alert.

    Args:
        address: See `check`.
        facts: See `facts_of`.

    Raises:
        OutsideError: It could not be delivered. The error names the host, never a password in the address.
    """
    parts = check(address)
    try:
        if parts.scheme in _MAIL:
            _mail(parts, facts)
        else:
            body = json.dumps(facts).encode()
            request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310  # http or https: see check
                pass
    except (OSError, smtplib.SMTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise OutsideError(f"the alert to {parts.hostname}", f"not delivered: {error}", "check VID_ALERT") from None


def _mail(parts: SplitResult, facts: dict[str, str]) -> None:
    to = unquote(parts.path.lstrip("/"))
    message = EmailMessage()
    message["To"], message["From"] = to, to
    message["Subject"] = f"vid_assets: a run of {facts['job']} failed"
    message.set_content("\n".join(f"{name}: {value}" for name, value in facts.items() if name != "text"))
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    with kind(parts.hostname or "", parts.port or 0, timeout=TIMEOUT_S) as server:
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
