"""Write a video's page, its thumbnail and its card for the archive page into the reports folder.

Folder layout: ``<video_id>.html``, ``thumbs/<video_id>.webp``, ``cards/<video_id>.json``, and ``index.html``;
``previews`` as in `previews`; ``proxies/<video_id>.mp4`` if a decode made one. A rename creates each file, complete or
not at all.
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from resources.fs import write_atomically
from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from resources.warehouse.stage import Tables
from vid_assets.contract import Analyzer
from vid_assets.drawing import Picture
from vid_assets.errors import MediaError
from vid_assets.media import MediaSettings, open_media
from vid_assets.media.remote import local_path
from vid_assets.report.facts import Facts, collect
from vid_assets.report.index import CARDS, THUMBS, Card
from vid_assets.report.page import video_page
from vid_assets.report.pictures import inlined_file, thumbnail, webp
from vid_assets.report.player import PROXIES, playback
from vid_assets.report.previews import previews_of

_PAGES = {"video_id": pl.String, "written": pl.Float64}


@dataclass(frozen=True, slots=True)
class Written:
    """A written report.

    Attributes:
        path: Path of the page.
        html: Content of the page.
        facts: The facts it was made from.
    """

    path: Path
    html: str
    facts: Facts


def write_report(
    warehouse: Tables,
    scratch: Path,
    reports: Path,
    video_id: str,
    analyzers: tuple[Analyzer, ...],
    media: MediaSettings | None = None,
) -> Written:
    """Write the page and the card of one video; `write_index` then combines the cards.

    A video that cannot be decoded also has a page: without pictures, with the reason.

    Args:
        warehouse: The warehouse with the results.
        scratch: Folder of the decoded streams.
        reports: The reports folder; created if missing.
        video_id: Key of the video.
        analyzers: The analyzers to show.
        media: How to make the streams; None for the defaults.
    """
    facts = collect(warehouse, video_id, analyzers)
    previews = {name: inlined_file(file) for name, file in previews_of(reports, video_id).items()}
    html, middle = _with_pictures(facts, previews, reports, scratch, media)
    page = reports / f"{video_id}.html"
    for folder in (CARDS, THUMBS):
        (reports / folder).mkdir(parents=True, exist_ok=True)
    write_atomically(page, html)
    small = reports / THUMBS / f"{video_id}.webp"
    if middle is None:
        small.unlink(missing_ok=True)
    else:
        write_atomically(small, webp(middle))
    card = Card(
        video_id=video_id,
        title=facts.title,
        duration_s=facts.duration_s,
        score=facts.reconstruction_score,
        factor=facts.realtime_factor,
        thumbnail=middle is not None,
        failed=sorted(name for name, record in facts.records.items() if record["status"] == "failed"),
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_atomically(reports / CARDS / f"{video_id}.json", json.dumps(card.as_dict()))
    return Written(page, html, facts)


def _with_pictures(
    facts: Facts, previews: Mapping[str, str], reports: Path, scratch: Path, settings: MediaSettings | None
) -> tuple[str, Picture | None]:
    """Return the page and the thumbnail; put the proxy beside the page."""
    if facts.video and facts.path:
        # the file may be gone while its results are not; then the page has no pictures
        with suppress(MediaError):
            path = local_path(facts.path, facts.video["content_hash"], scratch)
            media = open_media(path, facts.video_id, scratch, settings)
            try:
                if media.proxy is not None:
                    _keep_proxy(media.proxy, reports / PROXIES / f"{facts.video_id}.mp4")
                frames, plays = media.frames, playback(facts, reports, facts.path)
                small = thumbnail(frames) if frames is not None and len(frames) else None
                return video_page(facts, frames, previews, plays), small
            finally:
                media.close()
    return video_page(facts, None, previews, playback(facts, reports, facts.path) if facts.path else None), None


def _keep_proxy(made: Path, kept: Path) -> None:
    """Put a proxy beside the pages; the streams that it lies with are removed when scratch is full."""
    if kept.exists() and kept.stat().st_size == made.stat().st_size:
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f".{os.getpid()}.{kept.name}.part")
    try:
        shutil.copyfile(made, part)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)


def is_stale(warehouse: Tables, reports: Path, video_id: str, analyzers: tuple[Analyzer, ...]) -> bool:
    """Whether the page is missing, or an analyzer has answered since it was written."""
    try:
        written = (reports / f"{video_id}.html").stat().st_mtime
    except FileNotFoundError:
        return True
    runs = warehouse.read_partition(ANALYZER_RUNS.name, video_id)
    if runs is None:
        return False
    known = {VIDEOS.name, *(analyzer.name for analyzer in analyzers)}
    answered = runs.select("analyzer", "ended_at").iter_rows()
    return any(ended_at.timestamp() > written for name, ended_at in answered if name in known)


def pages_behind(warehouse: Warehouse, reports: Path, answered: pl.DataFrame) -> list[str]:
    """Return the decoded videos whose page is missing, or older than their latest answer.

    Args:
        warehouse: The warehouse with the results.
        reports: The reports folder.
        answered: The videos in question, ``video_id``, and the end of their latest step, ``ended_at``.
    """
    written: dict[str, float] = {}
    with suppress(FileNotFoundError), os.scandir(reports) as entries:
        written = {
            name.removesuffix(".html"): entry.stat().st_mtime
            for entry in entries
            if (name := entry.name).endswith(".html")
        }
    pages = pl.DataFrame({"video_id": list(written), "written": list(written.values())}, _PAGES)
    decoded = warehouse.read_table(VIDEOS.name).select("video_id").collect()
    found = answered.join(decoded, on="video_id", how="semi", maintain_order="left")
    found = found.join(pages, on="video_id", how="left", maintain_order="left")
    behind = pl.col("ended_at").dt.timestamp("us") > pl.col("written").fill_null(0.0) * 1e6
    return found.filter(behind)["video_id"].to_list()
