"""What all tests share: one that logs an error fails."""

import logging
from collections.abc import Iterator

import pytest

from resources.warehouse import compaction


@pytest.fixture(autouse=True)
def no_compaction_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own outlives a test. What compacts does so itself."""
    monkeypatch.setattr(compaction, "COMMITS", 10**9)


@pytest.fixture(autouse=True)
def no_error_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A test that logs an ERROR fails."""
    yield
    errors = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        # the pool speaks of Dagster's in-memory storage, when a thread of an instance that is gone lets go of it
        if record.levelno >= logging.ERROR and not record.name.startswith(("dagster", "sqlalchemy.pool"))
    ]
    assert not errors
