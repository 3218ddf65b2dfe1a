"""Answers that are kept for comparison: the warehouse itself has only the newest answer of each video.

A kept answer is a row of ``kept_answers``, with the rows of the analyzer's table as JSON. So answers of code versions
whose tables have other columns lie side by side.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, KEPT_ANSWERS
from resources.warehouse.resource import Warehouse

_COPIED = ("video_id", "analyzer", "code_version", "status", "reason", "compute_s", "model", "profile", "config")


def keep(warehouse: Warehouse, analyzer: str) -> int:
    """Keep the present answers of an analyzer, beside those of other code versions.

    Returns:
        Videos with an answer.
    """
    runs = warehouse.read_table(ANALYZER_RUNS.name).filter(
        (pl.col("analyzer") == analyzer) & pl.col("code_version").is_not_null()
    )
    present = runs.select(*_COPIED, "ended_at").collect()
    rows = _as_json(warehouse.read_table(analyzer).collect()) if present.height else {}
    kept = kept_answers(warehouse, None).partition_by("video_id", as_dict=True)
    changes: dict[str, pl.DataFrame | None] = {}
    for record in present.iter_rows(named=True):
        now = KEPT_ANSWERS.frame([record | {"answer": rows.get(record["video_id"], [])}])
        before = kept.get((record["video_id"],))
        if before is not None:
            same = (pl.col("analyzer") == analyzer) & (pl.col("code_version") == record["code_version"])
            now = pl.concat([before.filter(~same), now])
        changes[record["video_id"]] = now
    warehouse.commit({KEPT_ANSWERS.name: changes})
    return present.height


def forget(warehouse: Warehouse, analyzer: str) -> None:
    """Remove the kept answers of an analyzer; its present answers stay."""
    kept = kept_answers(warehouse, None)
    touched = kept.filter(pl.col("analyzer") == analyzer)["video_id"].unique().to_list()
    rest = kept.filter((pl.col("analyzer") != analyzer) & pl.col("video_id").is_in(touched))
    left = rest.partition_by("video_id", as_dict=True)
    warehouse.commit({KEPT_ANSWERS.name: {video_id: left.get((video_id,)) for video_id in touched}})


def kept_answers(warehouse: Warehouse, analyzer: str | None) -> pl.DataFrame:
    """Return the kept answers of an analyzer, or all."""
    table = warehouse.read_table(KEPT_ANSWERS.name)
    return (table if analyzer is None else table.filter(pl.col("analyzer") == analyzer)).collect()


def versions(kept: pl.DataFrame) -> list[Mapping[str, Any]]:
    """Return the code versions among kept answers, the newest first.

    Returns:
        ``code_version``, ``videos``, ``ended_at`` (of the latest answer), ``model``, ``profile`` and ``config``.
    """
    newest = kept.sort("ended_at", descending=True)
    found = newest.group_by("code_version", maintain_order=True).agg(
        pl.len().alias("videos"), *(pl.col(name).first() for name in ("ended_at", "model", "profile", "config"))
    )
    return list(found.iter_rows(named=True))


def table_of(rows: Sequence[str], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return kept rows as a table; columns that they lack are null, others are left out."""
    text = pl.Series(rows, dtype=pl.String)
    return text.str.json_decode(pl.Struct(dict(schema))).struct.unnest() if len(text) else pl.DataFrame(schema=schema)


def _as_json(table: pl.DataFrame) -> dict[str, list[str]]:
    columns = [name for name in table.columns if name != "video_id"]
    rows = table.select("video_id", row=pl.struct(columns).struct.json_encode())
    return dict(rows.group_by("video_id", maintain_order=True).agg("row").iter_rows())
