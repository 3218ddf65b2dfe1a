"""The page of the archive's state: what is done, runs, failed and why, what is left, and what each model holds."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resources.fs import write_atomically
from resources.warehouse.records import STATUSES
from vid_assets.report.index import INDEX, STATUS, write_index
from vid_assets.report.page import environment


def write_status(reports: Path, facts: Mapping[str, Any], left: str, hosts: Sequence[Any], retry: str) -> Path:
    """Write the page.

    Args:
        reports: The reports folder; created if missing.
        facts: ``videos``, ``answers``, ``failed``, ``unanswered``, ``running``, as ``vid-assets status --json`` has
            them.
        left: What is left to do and what it will take, as a sentence.
        hosts: The model hosts, as `LocalHosts.standing` returns them.
        retry: The command that tries again what failed.

    Returns:
        Path of the page.
    """
    html = environment().get_template("status.html").render(
        facts=facts,
        left=left,
        hosts=hosts,
        retry=retry,
        statuses=STATUSES,
        most=max((sum(row[name] for name in STATUSES) for row in facts["answers"]), default=0),
        at=datetime.now(UTC),
    )  # fmt: skip
    reports.mkdir(parents=True, exist_ok=True)
    is_new = not (reports / STATUS).exists()
    write_atomically(reports / STATUS, html)
    if is_new and (reports / INDEX).exists():
        write_index(reports)  # which links the page
    return reports / STATUS
