"""The outcomes of one request, and how long its host is awaited."""

import time
from pathlib import Path

import grpc
import pytest

from resources.errors import HostLost
from resources.hosting.local.exchange import UNANSWERED_S, Patience
from resources.hosting.local.link import Link
from resources.hosting.rundir import Record
from tests.kit.host_kit import BrokenCall, handle, home

__all__ = ["home"]


def refuse(monkeypatch: pytest.MonkeyPatch, *codes: grpc.StatusCode) -> list[grpc.StatusCode]:
    """Has the next calls end with these codes, the later ones go through; those still to come."""
    left, call = list(codes), Link.call

    def refused(link: Link, payload: bytes, seconds: float) -> object:
        return BrokenCall(left.pop(0)) if left else call(link, payload, seconds)

    monkeypatch.setattr(Link, "call", refused)
    return left


def record(pid: int, started: float, *, error: tuple[str, str, str, str] | None = None) -> Record:
    return Record("m", "m-1", "code", pid, started, 1, 0.0, error)


def test_a_host_that_leaves_is_asked_again_as_often_as_it_takes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = refuse(monkeypatch, *[grpc.StatusCode.ABORTED] * 4)
    assert handle(home).echo()["mean"].to_list() == [1.0, 1.0]
    assert left == []


def test_leaving_does_not_count_as_breaking_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.hosting.local.exchange.GONE_S", 0.0)
    aborted, broken = grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE
    refuse(monkeypatch, aborted, broken, aborted)
    assert handle(home).echo()["mean"].to_list() == [1.0, 1.0]
    left = refuse(monkeypatch, broken, aborted, broken, aborted)
    with pytest.raises(HostLost, match="exited twice during the call"):
        handle(home).echo()
    assert left == [aborted]


def test_patience_is_over_after_its_seconds() -> None:
    assert not Patience(60.0).is_over
    assert not Patience(60.0, time.monotonic() - 59).is_over
    assert Patience(60.0, time.monotonic() - 61).is_over


@pytest.mark.parametrize(("age_s", "waited_s", "hung"), [(-1, 1, False), (1, -1, False), (-1, -1, False), (1, 1, True)])
def test_a_host_hangs_when_both_its_age_and_the_wait_are_long(age_s: float, waited_s: float, hung: bool) -> None:
    patience = Patience(600.0, time.monotonic() - UNANSWERED_S - waited_s)
    assert patience.is_hung(record(7, time.time() - UNANSWERED_S - age_s)) is hung


def test_the_second_death_is_one_of_another_process_since_the_wait_began() -> None:
    before, patience = record(1, time.time() - 1), Patience(60.0)
    later = time.time() + 1
    failed = record(2, later, error=("ModelError", "m", "no such adapter", "train it"))
    assert [patience.is_second_death(left) for left in (None, before, failed)] == [False] * 3
    assert [patience.is_second_death(record(pid, later)) for pid in (3, 3, 4)] == [False, False, True]
