"""What a backfill runs: accepted versions, settings of a run's own, and what an answer was computed from."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from vid_assets.archive import plan
from vid_assets.archive.plan import ATTEMPTS, Due, Wanted, due, given_up
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


def put(warehouse: Warehouse, videos: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Write the records of several videos."""
    changes: dict[str, pl.DataFrame | None] = {
        key: ANALYZER_RUNS.frame([row | {"video_id": key} for row in made.values()]) for key, made in videos.items()
    }
    warehouse.commit({ANALYZER_RUNS.name: changes})


def test_of_many_videos_one_of_each_kind_is_looked_at(warehouse: Warehouse, monkeypatch) -> None:
    looked: list[str] = []
    real = plan._records
    monkeypatch.setattr(plan, "_FEW", 3)
    monkeypatch.setattr(plan, "_records", lambda made, keys: looked.extend(keys) or real(made, keys))
    later = {"started_at": T0 + timedelta(days=1), "ended_at": T0 + timedelta(days=1)}
    old = {"b": records()["b"] | {"code_version": "1-old"}}
    put(warehouse, {
        "done-1": records(), "done-2": records(), "stale-1": records() | old, "stale-2": records() | old,
        "later": records() | {"a": records()["a"] | later},
        "own": records(e={"own_settings": True, "code_version": "1-mine"}),
    })  # fmt: skip
    items = list(due(warehouse, ["done-1", "stale-1", "new", "later", "stale-2", "own", "done-2"], WANTED))
    assert looked == ["done-1", "stale-1", "new", "later", "own"]
    assert items == [
        Due("stale-1", frozenset({"b", "d"}), "stale"),
        Due("new", frozenset(WANTED), "missing"),
        Due("stale-2", frozenset({"b", "d"}), "stale"),
    ]


changes_of_a_record = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["value", "undefined", "failed", "disabled"]),
        "code_version": st.sampled_from(["1-old", "1-aaa", "1-bbb", "1-mine"]),
        "failures": st.sampled_from([0, 1, ATTEMPTS, None]),
        "own_settings": st.booleans(),
        "started_at": st.sampled_from([T0, T0 + timedelta(days=2), None]),
        "ended_at": st.sampled_from([T0, T0 + timedelta(days=2), None]),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    videos=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), changes_of_a_record, max_size=3),
            st.sets(st.sampled_from(["videos", "a", "b", "d"]), max_size=2),
        ),
        min_size=1,
        max_size=8,
    ),
    merged=st.integers(0, 8),
    attempts=st.sampled_from([1, ATTEMPTS, math.inf]),
)
def test_many_videos_are_due_for_what_each_is_due_for_by_itself(tmp_path_factory, videos, merged, attempts) -> None:
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("planned")))
    publish(warehouse)
    made = {
        f"v{place}": {name: row for name, row in records(**changed).items() if name not in without}
        for place, (changed, without) in enumerate(videos)
    }
    keys = [*made, "new"]
    put(warehouse, {key: rows for key, rows in list(made.items())[:merged] if rows})
    warehouse.compact()
    list(due(warehouse, keys, WANTED))
    put(warehouse, {key: rows for key, rows in list(made.items())[merged:] if rows})
    alone = [item for key in keys for item in due(warehouse, [key], WANTED, attempts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_FEW", 0)
        together = [list(due(warehouse, keys, WANTED, attempts)) for _ in range(2)]
    assert together == [alone, alone]
    given_up_alone = [item for key in keys for item in given_up(warehouse, [key], WANTED)]
    assert list(given_up(warehouse, keys, WANTED)) == given_up_alone
