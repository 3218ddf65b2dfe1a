"""Pairs of videos that show the same pictures, over a whole archive, by the hashes of the table ``shots``.

Comparing each hash with each is quadratic. Of two hashes that differ in at most `bits` places, one of their three
parts differs in at most a third of them, so the hashes are looked up by each part, changed in up to so many places.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.warehouse.resource import Warehouse
from vid_assets.errors import SettingsError
from vid_assets.search.similar import BITS

MOST_BITS = 11
# A picture in more videos than this is a logo or a test card, and says nothing about them.
COMMON = 100
# Bounds of memory: pairs of hashes that are kept, and pairs that are compared at once.
MOST_PAIRS, AT_ONCE = 20_000_000, 4_000_000
_PARTS = ((0, 22), (22, 21), (43, 21))
_SHOTS = "SELECT video_id, end_s - start_s AS length_s, phash FROM shots WHERE phash IS NOT NULL"
Numbers = NDArray[np.int64]


def similar_pairs(warehouse: Warehouse, bits: int = BITS, least: float = 0.5) -> pl.DataFrame:
    """Return the pairs of videos of which one shows much of the other, the most first.

    A picture in more than `COMMON` videos is left out, as are those without structure.

    Args:
        warehouse: The warehouse.
        bits: Most bits in which the hashes of the same picture differ, of 64.
        least: Least share of the time of one of the two videos whose shots the other one shows.

    Returns:
        ``video_id`` and ``other_id``, which is later in order; ``share`` of the time of the first whose shots the other
        shows, and ``other_share`` the other way around.

    Raises:
        SettingsError: `bits` is too large, for any archive or for this one.
    """
    if not 0 <= bits <= MOST_BITS:
        raise SettingsError(f"bits {bits}", "too many to compare all videos", f"use 0 to {MOST_BITS}")
    with warehouse.connect() as connection:
        shots = pl.DataFrame(connection.sql(_SHOTS))
    return pairs_of(shots, bits, least)


def pairs_of(shots: pl.DataFrame, bits: int, least: float) -> pl.DataFrame:
    """Do as `similar_pairs` does with the shots of an archive: ``video_id``, ``length_s``, ``phash``."""
    names = shots.select(pl.col("video_id").unique().sort()).with_row_index("video")
    hashes = shots.select(pl.col("phash").unique().sort()).with_row_index("hash")
    numbered = (
        shots.join(names, on="video_id")
        .join(hashes, on="phash")
        .with_columns(whole_s=pl.col("length_s").sum().over("video"))
    )
    shown = numbered.select("hash", "video").unique()
    pairs = near_hashes(hashes["phash"].to_numpy().view(np.uint64), shown, bits)
    near = pl.concat([pairs, pairs.select(hash="near", near="hash"), shown.select("hash", near="hash").unique()])
    shared = (
        near.join(shown.select("video", near="hash"), on="near")
        .select("hash", other="video")
        .unique()
        .filter(pl.len().over("hash") <= COMMON)
        .join(numbered, on="hash")
        .filter(pl.col("video") != pl.col("other"))
        .group_by("video", "other")
        .agg(share=pl.col("length_s").sum() / pl.col("whole_s").first())
    )
    most = pl.max_horizontal("share", "other_share")
    return (
        shared.join(shared.select(video="other", other="video", other_share="share"), on=["video", "other"])
        .filter(pl.col("video") < pl.col("other"), most >= least)
        .join(names, on="video")
        .join(names.rename({"video": "other", "video_id": "other_id"}), on="other")
        .sort(most, "video_id", "other_id", descending=[True, False, False])
        .select("video_id", "other_id", "share", "other_share")
    )


def near_hashes(hashes: NDArray[np.uint64], shown: pl.DataFrame, bits: int) -> pl.DataFrame:
    """Return the pairs of different hashes of at most so many differing bits that two videos have.

    Args:
        hashes: Different hashes.
        shown: The videos that have each: ``hash``, its place in `hashes`, and ``video``.
        bits: Most differing bits.

    Returns:
        ``hash`` and ``near``, places in `hashes`, the first the smaller.

    Raises:
        SettingsError: There are more than `MOST_PAIRS`.
    """
    owners = shown.group_by("hash").agg(pl.col("video").first(), alone=pl.len() == 1).sort("hash")
    # pairs within one video are of no use
    sole = np.where(owners["alone"].to_numpy(), owners["video"].to_numpy().astype(np.int64), -1)
    kept, count = list[Numbers](), 0
    for one, other in _candidates(hashes, bits // len(_PARTS)):
        fine = (one < other) & ((sole[one] < 0) | (sole[one] != sole[other]))
        one, other = one[fine], other[fine]
        fine = np.bitwise_count(hashes[one] ^ hashes[other]) <= bits
        kept.append(one[fine] * len(hashes) + other[fine])
        count += len(kept[-1])
        if count > MOST_PAIRS:
            fix = "use fewer bits, or compare one video: vid-assets similar VIDEO"
            raise SettingsError(f"bits {bits}", f"more than {MOST_PAIRS:,} pairs of shots are alike", fix)
    codes = np.unique(np.concatenate(kept)) if kept else np.zeros(0, np.int64)
    whole = max(len(hashes), 1)
    return pl.DataFrame({"hash": codes // whole, "near": codes % whole}).cast(pl.UInt32)


def _candidates(hashes: NDArray[np.uint64], radius: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield the places of hashes of which one part differs in at most `radius` bits, some `AT_ONCE` together."""
    for shift, width in _PARTS:
        part = ((hashes >> np.uint64(shift)) & np.uint64(2**width - 1)).astype(np.int32)
        order = np.argsort(part, kind="stable")
        part = part[order]
        counts = np.bincount(part, minlength=2**width)
        begins, occurs = np.cumsum(counts) - counts, counts > 0
        for mask in _masks(width, radius):
            other = part ^ np.int32(mask)
            rows = np.flatnonzero(occurs[other])
            other = other[rows]
            yield from _expanded(order, rows, begins[other], counts[other])


def _masks(width: int, radius: int) -> Iterator[int]:
    for count in range(radius + 1):
        for places in combinations(range(width), count):
            yield sum(1 << place for place in places)


def _expanded(order: Numbers, rows: Numbers, first: Numbers, counts: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield each of `rows` of `order` with those of its own range of it, from `first` on and `counts` long."""
    until = np.cumsum(counts)
    start = 0
    while start < len(rows):
        before = until[start - 1] if start else 0
        end = max(int(np.searchsorted(until, before + AT_ONCE, side="right")), start + 1)
        some = counts[start:end]
        offsets = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        yield order[np.repeat(rows[start:end], some)], order[np.repeat(first[start:end], some) + offsets]
        start = end
