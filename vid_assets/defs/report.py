"""The report page of each video, as an asset downstream of all analyzers, with its own checks.

Dagster skips the page if an analyzer failed for the video in the same run. ``vid-assets analyze`` writes it anyway.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.archive.partitions import PARTITIONS
from vid_assets.defs.checks import PLAUSIBLE, VALID, Parts, check_results, check_specs
from vid_assets.defs.factory import BACKFILL_POLICY, OWNERS, when_code_changed
from vid_assets.defs.work import Outcomes, deliver, tell_failed, work_of
from vid_assets.disk import explained
from vid_assets.pipeline.checks import CheckOutcome
from vid_assets.pipeline.judgements import GOAL, LEAST_SCORE, TARGET
from vid_assets.registry import discover
from vid_assets.report import Written, write_report
from vid_assets.report.facts import tables_of_pages
from vid_assets.report.index import write_index
from vid_assets.report.previews import PREVIEWS
from vid_assets.report.write import pages_behind
from vid_assets.sql.publish import publish

REPORT = "video_report"
REPORT_VERSION = "2"
MAX_BYTES = 5_000_000
REPORT_CHECKS: Mapping[str, Parts] = {
    VALID: {
        "self_contained": "The page loads nothing but its video: no picture, style, script or font from elsewhere.",
        "size": f"The page has at most {MAX_BYTES // 1_000_000} MB.",
    },
    PLAUSIBLE: {
        "complete": "Every analyzer has a record for this video.",
        "reconstruction_score": f"At least {LEAST_SCORE:.0%} of the analyzers gave a value or a justified"
        " not_applicable.",
        "realtime_factor": f"The analysis took at most {TARGET:g} s per second of video; the goal is {GOAL:g} s.",
    },
}
_TAG = re.compile(r"<(?:img|script|link|source|iframe|video|audio|object|embed)\b[^>]*>", re.IGNORECASE)
_LOADED = re.compile(r"\b(?:src|srcset|href|data|poster)\s*=\s*\"(?!data:|#)([^\"]*)", re.IGNORECASE)
_STYLES = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return the addresses that a browser would fetch when it opens the page."""
    styles = " ".join(_STYLES.findall(html))
    tags = [address for tag in _TAG.findall(html) for address in _LOADED.findall(tag)]
    return tags + re.findall(r"@import[^;]*|url\((?!\s*['\"]?data:)[^)]*", styles)


def report_asset() -> dg.AssetsDefinition:
    """Return the asset that writes the pages."""
    spec = dg.AssetSpec(
        REPORT,
        deps=[VIDEOS.name, *(analyzer.name for analyzer in discover())],
        description="One self-contained HTML page per video: everything on one time axis, texts, quality, time spent.",
        group_name="archive",
        kinds={"python", "html"},
        owners=OWNERS,
        code_version=REPORT_VERSION,
        partitions_def=PARTITIONS,
        automation_condition=when_code_changed(),
    )

    @dg.multi_asset(
        name=REPORT,
        specs=[spec],
        check_specs=check_specs(REPORT, REPORT_CHECKS),
        backfill_policy=BACKFILL_POLICY,
        required_resource_keys={"warehouse", "settings", "media"},
    )
    def asset(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        warehouse, settings = context.resources.warehouse.stage(context.run.run_id), context.resources.settings
        streams = context.resources.media.settings()
        publish(context.resources.warehouse, in_run=True)
        todo, reports = work_of(context), Path(settings.reports)
        outcomes: dict[str, Outcomes] = {}
        checked: dict[str, Sequence[CheckOutcome]] = {}
        # in a bucket a page can be missing though no answer is due
        grouped = [video for key in context.partition_keys for video in todo.videos[key] if video != key]
        behind = _behind(context.resources.warehouse, reports, grouped) if grouped else []
        wanted = {*behind, *(video for key in context.partition_keys for video in todo.of(key, None))}
        if wanted:
            warehouse.publish()  # the pages also ask the views
            warehouse.expect(tables_of_pages(discover()), wanted)
        for partition in context.partition_keys:
            found = outcomes[partition] = Outcomes()
            for video_id in [video for video in todo.videos[partition] if video in wanted]:
                try:
                    written = write_report(warehouse, Path(settings.scratch), reports, video_id, discover(), streams)
                except Exception as error:  # a failed page must not block the others
                    folder = explained(error, {"VID_REPORTS": reports})
                    found.failed[video_id] = str(folder or f"{type(error).__name__}: {error}")
                    problem = f"{video_id}: its page could not be written: {found.failed[video_id]}"
                    context.log.error(problem, exc_info=not folder)
                    continue
                checked[video_id] = judged(written)
                found.done[video_id] = _metadata(written)
        failed = [video_id for found in outcomes.values() for video_id in found.failed]
        tell_failed(context, REPORT, failed, len(failed) + len(checked))
        if checked:
            write_index(reports)
        yield from check_results(REPORT, REPORT_CHECKS, checked)
        deliver(context, outcomes)
        yield dg.MaterializeResult(spec.key)

    return asset


def judged(written: Written) -> list[CheckOutcome]:
    """Return one outcome for each part of `REPORT_CHECKS`."""
    facts, size = written.facts, len(written.html.encode())
    score, factor = facts.reconstruction_score, facts.realtime_factor
    problems = {
        "self_contained": [f"it loads {address[:200]}" for address in loaded_from_elsewhere(written.html)],
        "size": [f"{size} bytes, {MAX_BYTES} are allowed"] if size > MAX_BYTES else [],
        "complete": [f"{name} has no record" for name in facts.missing],
        "reconstruction_score": [f"{score:.0%}: {', '.join(facts.unanswered)}"] if (score or 0.0) < LEAST_SCORE else [],
        "realtime_factor": [f"{factor:.2f} s per second of video"] if factor is not None and factor > TARGET else [],
    }
    measured = {"reconstruction_score": score, "realtime_factor": factor, "size": size}
    return [
        CheckOutcome(name, tuple(found), {} if (value := measured.get(name)) is None else {name: value})
        for name, found in problems.items()
    ]


def _behind(warehouse: Warehouse, reports: Path, video_ids: Sequence[str]) -> list[str]:
    runs = warehouse.read_table(ANALYZER_RUNS.name).filter(pl.col("video_id").is_in(list(video_ids)))
    return pages_behind(warehouse, reports, runs.group_by("video_id").agg(pl.col("ended_at").max()).collect())


def _metadata(written: Written) -> Mapping[str, Any]:
    facts = written.facts
    known = {"reconstruction_score": facts.reconstruction_score, "realtime_factor": facts.realtime_factor}
    metadata: dict[str, Any] = {name: round(value, 4) for name, value in known.items() if value is not None}
    page = written.path.absolute()
    metadata["report"] = dg.MetadataValue.path(page)
    metadata["previews"] = dg.MetadataValue.path(page.with_name(PREVIEWS) / facts.video_id)
    return metadata


defs = dg.Definitions(assets=[report_asset()])
