"""What a backfill runs: accepted versions, settings of a run's own, and what an answer was computed from."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from vid_assets.archive import plan
from vid_assets.archive.plan import ATTEMPTS, Due, Wanted, due
from vid_assets.pipeline.provenance import provenance
from vid_assets.sql.publish import publish

# d reads b and c, which both read a; e stands alone.
WANTED = {
    "videos": Wanted("1"),
    "a": Wanted("1-aaa", frozenset({"1-old", "1-older"}), ("videos",)),
    "b": Wanted("1-bbb", upstream=("videos", "a")),
    "c": Wanted("1-ccc", upstream=("videos", "a")),
    "d": Wanted("1-ddd", upstream=("videos", "b", "c")),
    "e": Wanted("1-eee", upstream=("videos",)),
}
KEY = "clip-0123456789ab"
T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    made = Warehouse(path=str(tmp_path / "warehouse"))
    publish(made)
    return made


def records(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The records of a video as its runs write them, in order; `changes` are fields by analyzer, of a later run."""
    made: dict[str, dict[str, Any]] = {}
    for place, (name, want) in enumerate(WANTED.items()):
        began = T0 + timedelta(seconds=place, days=name in changes)
        row = {
            "video_id": KEY, "analyzer": name, "status": "value", "code_version": want.version, "failures": 0,
            "content_hash": "hash", "own_settings": False, "started_at": began, "ended_at": began,
        } | changes.get(name, {})  # fmt: skip
        upstream = [made[each] for each in want.upstream if each != "videos"]
        made[name] = {"provenance": provenance(row["code_version"], "hash", upstream)} | row
    return made


def found(warehouse: Warehouse, rows: dict[str, dict[str, Any]], wanted=WANTED) -> tuple[set[str], str] | None:
    """The assets that are due, and why."""
    warehouse.replace_partition(ANALYZER_RUNS.name, KEY, ANALYZER_RUNS.frame(list(rows.values())))
    items = list(due(warehouse, [KEY], wanted))
    assert len(items) <= 1
    return (set(items[0].assets), items[0].reason) if items else None


def test_nothing_is_due_where_all_is_current(warehouse: Warehouse) -> None:
    assert found(warehouse, records()) is None


@pytest.mark.parametrize("version", ["1-old", "1-older"])
def test_accepted_versions_are_current(warehouse: Warehouse, version: str) -> None:
    assert found(warehouse, records(a={"code_version": version})) is None
    assert found(warehouse, records(a={"code_version": version, "provenance": None})) is None


def test_other_versions_are_stale_with_all_that_depend_on_them(warehouse: Warehouse) -> None:
    assert found(warehouse, records(a={"code_version": "1-strange"})) == ({"a", "b", "c", "d"}, "stale")
    assert found(warehouse, records(b={"code_version": "0-bbb"})) == ({"b", "d"}, "stale")
    assert found(warehouse, records(e={"code_version": "1-old"})) == ({"e"}, "stale")


def test_a_failure_of_an_accepted_version_counts_as_a_failure(warehouse: Warehouse) -> None:
    failed = {"status": "failed", "code_version": "1-old", "failures": 1}
    assert found(warehouse, records(a=failed)) == ({"a", "b", "c", "d"}, "failed")
    assert found(warehouse, records(a=failed | {"failures": ATTEMPTS})) is None


def test_answers_of_a_run_s_own_settings_stay_until_the_code_changes(warehouse: Warehouse) -> None:
    own = {"own_settings": True, "code_version": "1-mine"}
    rows = records(e=own)
    assert found(warehouse, rows) is None
    assert found(warehouse, records(e=own | {"own_settings": False})) == ({"e"}, "stale")
    assert found(warehouse, rows, WANTED | {"e": Wanted("1-new", upstream=("videos",))}) is None
    assert found(warehouse, rows, WANTED | {"e": Wanted("2-new", upstream=("videos",))}) == ({"e"}, "stale")
    assert found(warehouse, rows, WANTED | {"e": Wanted("10-new", upstream=("videos",))}) == ({"e"}, "stale")


@pytest.mark.parametrize("status", ["not_applicable", "undefined"])
def test_other_answers_of_own_settings_stay_too(warehouse: Warehouse, status: str) -> None:
    assert found(warehouse, records(e={"own_settings": True, "code_version": "1-mine", "status": status})) is None


def test_own_settings_that_failed_give_way_to_those_of_the_archive(warehouse: Warehouse) -> None:
    failed = {"own_settings": True, "code_version": "1-mine", "status": "failed", "failures": ATTEMPTS}
    assert found(warehouse, records(e=failed)) == ({"e"}, "stale")


def test_an_upstream_of_own_settings_makes_its_dependants_stale_and_not_itself(warehouse: Warehouse) -> None:
    rows, own = records(), records(b={"own_settings": True, "code_version": "1-mine"})
    # a run in the launchpad has computed b anew, and nothing after it
    assert found(warehouse, rows | {"b": own["b"]}) == ({"d"}, "stale")
    assert found(warehouse, own) is None
    first = records(a={"own_settings": True, "code_version": "1-mine"})
    assert found(warehouse, rows | {"a": first["a"]}) == ({"b", "c", "d"}, "stale")


def test_a_dependant_computed_from_it_is_current(warehouse: Warehouse) -> None:
    rows, first = records(), records(a={"own_settings": True, "code_version": "1-mine"})
    assert found(warehouse, rows | {"a": first["a"], "b": first["b"]}) == ({"c", "d"}, "stale")
    assert found(warehouse, first) is None


def test_an_upstream_made_again_as_it_was_leaves_its_dependants(warehouse: Warehouse) -> None:
    rows = records()
    rows["a"] = rows["a"] | {"run_id": "another run"}
    assert found(warehouse, rows) is None


def test_records_without_provenance_are_judged_by_their_versions_alone(warehouse: Warehouse) -> None:
    old = {name: row | {"provenance": None} for name, row in records().items()}
    assert found(warehouse, old) is None
    # an upstream that was made again meanwhile says nothing about an answer of which nobody knows the inputs
    assert found(warehouse, old | {"a": records()["a"]}) is None
    assert found(warehouse, records() | {"a": old["a"]}) is None


def test_what_is_switched_off_is_not_wanted(warehouse: Warehouse) -> None:
    rows = records(b={"code_version": "0-bbb"})
    assert found(warehouse, rows, {name: want for name, want in WANTED.items() if name not in ("b", "d")}) is None


def test_videos_that_are_complete_are_not_looked_at_one_by_one(warehouse: Warehouse, monkeypatch) -> None:
    looked: list[str] = []
    real = plan._records
    monkeypatch.setattr(plan, "_FEW", 3)
    monkeypatch.setattr(plan, "_records", lambda made, keys: looked.extend(keys) or real(made, keys))
    rows = {"done": records(), "stale": records(b={"code_version": "1-old"}), "later": records()}
    rows["later"]["a"] |= {"started_at": T0 + timedelta(days=1), "ended_at": T0 + timedelta(days=1)}
    for key, made in rows.items():
        frame = ANALYZER_RUNS.frame([row | {"video_id": key} for row in made.values()])
        warehouse.replace_partition(ANALYZER_RUNS.name, key, frame)
    items = list(due(warehouse, ["done", "stale", "new", "later"], WANTED))
    assert looked == ["stale", "new", "later"]
    assert items == [
        Due("stale", frozenset({"b", "d"}), "stale"),
        Due("new", frozenset(WANTED), "missing"),
    ]
