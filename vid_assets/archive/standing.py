"""What the videos of an archive have answers to, all at once: planning looks at one video of each kind.

Two videos are of one kind if their records say the same, but for times and digests, and if each answer began after
those that it was computed from had ended. What is true of one is true of the other. A million videos have few kinds.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse

_SAID = ("analyzer", "status", "code_version", "failures")
_NEVER = 2**62


def standing(warehouse: Warehouse, upstream: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return one row per video that has records.

    Args:
        warehouse: Stores the records.
        upstream: The assets of which records count, and for each those that it is computed from.

    Returns:
        ``video_id``; ``kind``, the same for videos of one kind, null for a video that must be looked at by itself;
        ``failures``, the most of one asset; ``ended_at``, the end of its latest step.
    """
    digest = hashlib.sha256(json.dumps(sorted((name, list(of)) for name, of in upstream.items())).encode()).hexdigest()
    return warehouse.summary(ANALYZER_RUNS.name, "standing", digest[:16], lambda runs: _summed_up(runs, upstream))


def _summed_up(runs: pl.LazyFrame, upstream: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    rows = runs.select("video_id", *_SAID, "own_settings", "started_at", "ended_at").collect()
    mine = rows.filter(pl.col("analyzer").is_in(list(upstream)))
    # of few distinct sayings each gets a number at random, so that their sum stands for the set
    said = mine.with_columns(_code=pl.struct(_SAID).hash())
    kinds = said.group_by("video_id").agg(
        pl.col("_code").sum(), pl.col("own_settings").any(ignore_nulls=False).fill_null(value=True)
    )
    whole = rows.group_by("video_id").agg(pl.col("failures").max().fill_null(0), pl.col("ended_at").max())
    whole = whole.join(kinds, on="video_id", how="left").join(_in_order(mine, upstream), on="video_id", how="left")
    by_itself = pl.col("own_settings") | ~pl.col("in_order")
    return whole.select(
        "video_id",
        pl.when(by_itself.fill_null(value=True)).then(None).otherwise(pl.col("_code")).alias("kind"),
        "failures",
        "ended_at",
    )


def _in_order(rows: pl.DataFrame, upstream: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return for each video whether each answer began after those that it was computed from had ended."""
    videos = rows.select(pl.col("video_id").unique(maintain_order=True)).with_row_index("video")
    places = {name: place for place, name in enumerate(upstream)}
    at = rows.join(videos, on="video_id", how="left").select(
        "video",
        pl.col("analyzer").replace_strict(places, return_dtype=pl.Int64),
        # an answer without times is taken for one from before those that it was computed from
        began=pl.col("started_at").to_physical().fill_null(-1),
        ended=pl.col("ended_at").to_physical().fill_null(_NEVER),
    )
    shape = (videos.height, len(places))
    # without a record there is nothing out of order
    began, ended = np.full(shape, _NEVER), np.full(shape, -1)
    cells = at["video"].to_numpy(), at["analyzer"].to_numpy()
    began[cells], ended[cells] = at["began"].to_numpy(), at["ended"].to_numpy()
    good = np.ones(videos.height, bool)
    for name, sources in upstream.items():
        for source in sources:
            if source in places:
                good &= ended[:, places[source]] <= began[:, places[name]]
    return videos.select("video_id", in_order=pl.Series(good, dtype=pl.Boolean))
