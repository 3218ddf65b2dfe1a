"""What a table must satisfy before it is written."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.makers import make_analyzer, make_video
from vid_assets.contract import Column
from vid_assets.pipeline.checks import check_table


def problems(rows: pl.DataFrame, /, **changes: object) -> dict[str, tuple[str, ...]]:
    return {check.name: check.problems for check in check_table(make_analyzer(**changes), rows, make_video())}


def test_a_good_table_passes_all_checks():
    assert problems(pl.DataFrame({"time_s": [0.0, 10.0], "share": [1.0, None]})) == {
        "schema": (),
        "ranges": (),
        "times": (),
    }


def test_an_empty_table_passes_all_checks():
    assert all(check.passed for check in check_table(make_analyzer(), make_analyzer().empty(), make_video()))


def test_wrong_columns_and_types_are_named():
    found = problems(pl.DataFrame({"time_s": [0], "extra": [1.0]}))
    assert found == {
        "schema": (
            "column share is missing",
            "column extra is not declared",
            "column time_s is Int64, declared Float64",
        )
    }


def test_order_of_columns_counts():
    assert problems(pl.DataFrame({"share": [0.5], "time_s": [0.0]}))["schema"] == (
        "columns are ordered ['share', 'time_s'], declared ['time_s', 'share']",
    )


def test_nulls_only_where_allowed():
    table = pl.DataFrame(
        {"time_s": [None, 1.0], "share": [None, 0.5]}, schema={"time_s": pl.Float64, "share": pl.Float64}
    )
    assert problems(table)["schema"] == ("column time_s has 1 null values",)


def test_ranges():
    table = pl.DataFrame({"time_s": [0.0, 1.0], "share": [-0.25, 1.5]})
    assert problems(table)["ranges"] == (
        "share goes down to -0.25, allowed from 0",
        "share goes up to 1.5, allowed to 1",
    )


def test_numbers_must_be_finite():
    assert problems(pl.DataFrame({"time_s": [0.0], "share": [float("nan")]}))["ranges"] == (
        "share has values that are not finite",
    )


def test_ranges_hold_inside_lists():
    table = {"shares": Column(pl.List(pl.Float64), "1", "Shares.", ge=0, le=1)}
    assert problems(pl.DataFrame({"shares": [[0.5], [2.0]]}), table=table)["ranges"] == (
        "shares goes up to 2.0, allowed to 1",
    )


def test_times_lie_within_the_video():
    assert problems(pl.DataFrame({"time_s": [-1.0, 10.5], "share": [0.5, 0.5]}))["times"] == (
        "time_s goes down to -1.0 s",
        "time_s goes up to 10.5 s, the video ends at 10.0 s",
    )


def test_no_row_ends_before_it_starts():
    table = {name: Column(pl.Float64, "s", "When.") for name in ("start_s", "end_s")}
    assert problems(pl.DataFrame({"start_s": [1.0, 3.0], "end_s": [2.0, 2.5]}), table=table)["times"] == (
        "1 rows end before they start",
    )


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1))
def test_ranges_pass_exactly_when_all_values_do(values):
    table = pl.DataFrame(
        {"time_s": [0.0] * len(values), "share": values}, schema={"time_s": pl.Float64, "share": pl.Float64}
    )
    assert (problems(table)["ranges"] == ()) == all(0 <= value <= 1 for value in values)
