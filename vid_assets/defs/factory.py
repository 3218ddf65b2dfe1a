"""Turns an `Analyzer` into a Dagster asset: partitioned, checked, described, and isolated per video."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import pydantic

from resources.catalog.profiles import resolve_profile
from resources.hosting.handle import PROFILE_TAG, ModelResource
from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from vid_assets.archive.partitions import PARTITIONS
from vid_assets.configuration import configuration
from vid_assets.contract import Analyzer, Config
from vid_assets.defs.checks import (
    PLAUSIBLE,
    Answered,
    Parts,
    answered_result,
    answered_spec,
    check_results,
    check_specs,
)
from vid_assets.defs.wanted import VIDEOS_VERSION
from vid_assets.defs.work import Outcomes, deliver, tell_failed, work_of
from vid_assets.executor import EXPECTED_SECONDS_TAG, cancelled
from vid_assets.media.sandbox import latest_protection
from vid_assets.pipeline.analyze import analyze, probe
from vid_assets.pipeline.checks import CheckOutcome
from vid_assets.pipeline.judgements import JUDGEMENTS
from vid_assets.pipeline.listening import tell_answer
from vid_assets.pipeline.outcome import Outcome, Run, Status
from vid_assets.pipeline.provenance import UNAVAILABLE, archive_version, code_version, model_version, videos_version
from vid_assets.report.previews import keep_preview
from vid_assets.sql.publish import publish

OWNERS = ("team:video-analysis",)
DECODE_POOL = "decode"
ANALYZER_CHECKS: Mapping[str, Parts] = {PLAUSIBLE: JUDGEMENTS}
# Several videos share one run because starting a run costs more than a short video's analysis. A bad video fails alone.
BACKFILL_POLICY = dg.BackfillPolicy.multi_run(max_partitions_per_run=10)


def videos_asset() -> dg.AssetsDefinition:
    """Return the asset that all others depend on: the probed and decoded video."""
    media = configuration().media.settings()
    spec = dg.AssetSpec(
        VIDEOS.name,
        description="One row per video: facts from the container and from the one decode pass.",
        group_name="media",
        kinds={"python", "duckdb", "ffmpeg"},
        owners=OWNERS,
        code_version=videos_version(VIDEOS_VERSION, media),
        partitions_def=PARTITIONS,
    )

    def work(context: dg.AssetExecutionContext, video_id: str, run: Run) -> Outcome:
        before = latest_protection()
        outcome = probe(video_id, run, videos_version(VIDEOS_VERSION, run.media))
        if (now := latest_protection()) and now != before:
            log = context.log.warning if now.problems else context.log.info
            log(f"what confines the decoder: {now}")
        return outcome

    return _asset(spec, work, pool=DECODE_POOL)


def analyzer_asset(analyzer: Analyzer) -> dg.AssetsDefinition:
    """Return the asset of one analyzer."""
    archive = configuration()
    key = analyzer.task.key if analyzer.task is not None else None
    spec = dg.AssetSpec(
        analyzer.name,
        deps=[VIDEOS.name, *analyzer.upstream],
        description=analyzer.description,
        group_name=analyzer.group,
        kinds={"python", "duckdb"},
        owners=OWNERS,
        tags={"task": analyzer.task.name} if analyzer.task is not None else {},
        code_version=archive_version(analyzer, resolve_profile("")),
        metadata={"dagster/column_schema": _column_schema(analyzer)},
        partitions_def=PARTITIONS,
        automation_condition=when_code_changed(),
    )

    def settings_of(context: dg.AssetExecutionContext, run: Run) -> tuple[ModelResource | None, Config | None, str]:
        handle = getattr(context.resources, key) if key else None
        config = analyzer.config(**context.op_execution_context.op_config) if analyzer.config is not None else None
        return handle, config, code_version(analyzer, run.profile, config, handle, run.media)

    def own(context: dg.AssetExecutionContext, run: Run) -> bool:
        return settings_of(context, run)[-1] != archive_version(analyzer, resolve_profile(""))

    def work(context: dg.AssetExecutionContext, video_id: str, run: Run) -> Outcome:
        handle, config, version = settings_of(context, run)
        model = handle if has_model(analyzer, handle, run.profile) else None
        return analyze(analyzer, video_id, run, version, model, config, own_settings=own(context, run))

    return _asset(
        spec,
        work,
        checks=ANALYZER_CHECKS,
        resource=key,
        pool=key,
        minute_s=60 * analyzer.budget,
        config_schema=launch_schema(archive.settings_of(analyzer)),
        own=own,
    )


def launch_schema(settings: Config | None) -> Any:
    """Return the launchpad fields for an analyzer's settings, with the archive's values as defaults."""
    if settings is None:
        return None
    fields: dict[str, Any] = {
        name: (item.annotation, pydantic.Field(getattr(settings, name), description=item.description))
        for name, item in type(settings).model_fields.items()
    }
    return pydantic.create_model(type(settings).__name__, __base__=dg.Config, **fields).to_fields_dict()


def _asset(
    spec: dg.AssetSpec,
    work: Callable[[dg.AssetExecutionContext, str, Run], Outcome],
    *,
    checks: Mapping[str, Parts] = MappingProxyType({}),
    resource: str | None = None,
    pool: str | None = None,
    minute_s: float = 0.0,
    config_schema: Any = None,
    own: Callable[[dg.AssetExecutionContext, Run], bool] | None = None,
) -> dg.AssetsDefinition:
    """Return an asset whose step works off the videos of its run: see `work_of`. A bad video fails alone.

    A run whose settings are its `own` works off all videos, because none has such an answer. Steps with much work of
    `minute_s`, seconds for a minute of video, behind them start first.

    Two rules of Dagster are in the way.

    1. A step over several partitions materializes all of them or fails. A failed step skips every downstream step, also
       for the good partitions. This step succeeds if at least one video succeeds; `deliver` narrows its output to the
       successful videos. The reason for a bad one is in the log and in its record, and its partition stays missing.
    2. `MaterializeResult` does not name a partition. `deliver` adds metadata per partition.
    """
    name = spec.key.to_user_string()

    @dg.multi_asset(
        name=spec.key.to_python_identifier(),
        specs=[spec],
        check_specs=[answered_spec(name), *check_specs(name, checks)],
        backfill_policy=BACKFILL_POLICY,
        required_resource_keys={"warehouse", "settings", "media", *((resource,) if resource else ())},
        pool=pool,
        op_tags={EXPECTED_SECONDS_TAG: f"{minute_s:g}"},
        config_schema=config_schema,
    )
    def asset(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        run, reports = _run(context), Path(context.resources.settings.reports)
        todo, everything = work_of(context), own is not None and own(context, run)
        outcomes: dict[str, Outcomes] = {}
        answers: dict[str, Answered] = {}
        checked: dict[str, Sequence[CheckOutcome]] = {}
        itself: list[str] = []
        videos = {key: todo.of(key, name, everything=everything) for key in context.partition_keys}
        upstream = (dep.asset_key.to_user_string() for dep in spec.deps)
        context.resources.warehouse.stage(context.run.run_id).expect(
            [name, *upstream, ANALYZER_RUNS.name, SOURCES.name], [video for due in videos.values() for video in due]
        )
        for partition, due in videos.items():
            found = outcomes[partition] = Outcomes()
            for video_id in due:
                outcome = work(context, video_id, run)
                tell_answer(name)
                answers[video_id] = Answered(outcome.status, outcome.reason, outcome.follows)
                checked[video_id] = outcome.checks
                if outcome.status is Status.FAILED:
                    found.failed[video_id] = outcome.reason
                    itself += [] if outcome.follows else [video_id]
                    context.log.error(f"{video_id}: {outcome.reason}\n{outcome.details}".rstrip())
                else:
                    found.done[video_id] = _metadata(outcome)
                    _keep_preview(context, outcome, reports, name, video_id)
        tell_failed(context, name, itself, len(answers))
        yield answered_result(name, answers)
        yield from check_results(name, checks, checked)
        deliver(context, outcomes)
        yield dg.MaterializeResult(spec.key)

    return asset


@cache
def when_code_changed() -> dg.AutomationCondition:
    """Re-run if the analyzer's code version changed, or if an input table was remade for that reason.

    It re-runs only videos that have an answer. Videos without one are left to the nightly backfill. After this
    condition has run, the backfill finds nothing out of date.

    Plain table updates do not count. A run over several videos updates one analyzer after the other, and a check in the
    middle of the run cannot see which ones are still to come. Dagster's ``any_deps_updated`` knows this only for the
    partition that was materialized last, and would run the others twice.
    """
    condition = dg.AutomationCondition
    handled = condition.newly_requested() | condition.newly_updated()
    again = condition.any_deps_match(condition.will_be_requested())
    changed = (condition.code_version_changed() | again).since(handled)
    return changed & ~condition.missing() & ~condition.in_progress() & ~condition.any_deps_in_progress()


def has_model(analyzer: Analyzer, handle: ModelResource | None, profile: str) -> bool:
    """Whether to pass the model: True unless the model is optional and the profile has none."""
    return "model" not in analyzer.optional or model_version(handle, profile) != UNAVAILABLE


def _run(context: dg.AssetExecutionContext) -> Run:
    record = context.instance.get_run_record_by_id(context.run.run_id)
    started = record.start_time if record is not None and record.start_time else datetime.now(UTC).timestamp()
    settings = context.resources.settings
    publish(context.resources.warehouse, in_run=True)
    return Run(
        warehouse=context.resources.warehouse.stage(context.run.run_id),
        scratch=Path(settings.scratch),
        scratch_gb=settings.scratch_gb,
        profile=resolve_profile(context.run.tags.get(PROFILE_TAG, "")),
        run_id=context.run.run_id,
        started_at=datetime.fromtimestamp(started, UTC),
        disabled=settings.left_out(),
        media=context.resources.media.settings(),
        cancelled=cancelled,
    )


def _column_schema(analyzer: Analyzer) -> dg.TableSchema:
    video_id = dg.TableColumn("video_id", "String", "Partition key of the video")
    return dg.TableSchema(
        columns=[
            video_id,
            *(
                dg.TableColumn(
                    name,
                    str(column.dtype),
                    f"{column.description} [{column.unit}]",
                    constraints=dg.TableColumnConstraints(nullable=column.nullable),
                )
                for name, column in analyzer.table.items()
            ),
        ]
    )


def _keep_preview(context: dg.AssetExecutionContext, outcome: Outcome, reports: Path, name: str, video_id: str) -> None:
    """Store the picture of an answer in the place of the last one; an answer without a picture has none."""
    if outcome.status is Status.DISABLED:
        return  # the earlier answer stays, and so does its picture
    try:
        keep_preview(reports, video_id, name, outcome.preview)
    except OSError as error:  # the answer is stored already, and good without its picture
        context.log.warning(f"{video_id}: its picture could not be stored: {error}")


def _metadata(outcome: Outcome) -> dict[str, Any]:
    """Return what the UI shows of a materialization: why there is no value, and what the decoder worked around.

    A decoded video also has its file, which its key only resembles. A value needs no words. Dagster stores each
    materialization twice, once of it for ever; two of up to 1.9 kB share a page of SQLite, and the provenance leaves no
    room for an entry. `analyzer_runs` has rows, times and model.
    """
    metadata: dict[str, Any] = {"file": outcome.file} if outcome.file else {}
    if outcome.status is not Status.VALUE:
        metadata |= {"status": str(outcome.status), "reason": outcome.reason}
    if outcome.details:
        metadata["warnings"] = outcome.details
    return metadata
