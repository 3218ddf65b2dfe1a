"""The asset checks, evaluated once per run for all of its videos.

``answered``, of every asset but the report: Dagster's partitions are materialized, failed or missing, and a video whose
answer is ``undefined`` is materialized. This check warns of it, and names the videos without an answer. ``plausible``,
and ``valid`` of the report, have several parts, such as ``coverage``. A check without a partition is one row per run,
however many videos the run has; its metadata names the videos that did not pass, each with its part and problem.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from vid_assets.pipeline.checks import CHECKS, CheckOutcome
from vid_assets.pipeline.judgements import JUDGEMENTS
from vid_assets.pipeline.outcome import Status

ANSWERED = "answered"
VALID, PLAUSIBLE = "valid", "plausible"
# Up to release 0.2 each part was a check with a result for each video, and `prune` removes those.
FORMER = frozenset({*CHECKS, *JUDGEMENTS, "complete", "reconstruction_score", "self_contained", "size"})
# Bounds of a check's metadata, however many videos a run has: the run's log and `analyzer_runs` have the rest.
VIDEOS_NAMED, LETTERS_EACH = 20, 300
_SEVERITIES = {VALID: dg.AssetCheckSeverity.ERROR, PLAUSIBLE: dg.AssetCheckSeverity.WARN}
_NO_ANSWER = (Status.UNDEFINED, Status.FAILED)
_WORST = {"realtime_factor": max, "size": max, "covered": min, "reconstruction_score": min}

Parts = Mapping[str, str]
Outcomes = Mapping[str, Sequence[CheckOutcome]]


class Answered(NamedTuple):
    """How an asset answered for a video: see `vid_assets.pipeline.outcome.Outcome`."""

    status: Status
    reason: str
    follows: bool


def check_specs(asset: str, checks: Mapping[str, Parts]) -> list[dg.AssetCheckSpec]:
    """Return the checks of an asset.

    None of them blocks in Dagster's sense, because a bad video would also block the good ones of its run.

    Args:
        asset: Name of the asset.
        checks: For `VALID` and `PLAUSIBLE` the descriptions of their parts, by name.
    """
    return [
        dg.AssetCheckSpec(
            name,
            asset=asset,
            description="For each video of the run:\n\n"
            + "\n".join(f"- `{part}`: {description}" for part, description in parts.items()),
        )
        for name, parts in checks.items()
    ]


def answered_spec(asset: str) -> dg.AssetCheckSpec:
    """Return the check that warns of videos without an answer."""
    parts = "\n".join(f"- `{part}`: {description}" for part, description in CHECKS.items())
    return dg.AssetCheckSpec(
        ANSWERED,
        asset=asset,
        description="Each video of the run has an answer: a value, or a justified `not_applicable`. An `undefined`"
        " answer makes a warning, a failure an error; the result lists their reasons, which say what would mend it,"
        f" and the videos.\n\nA table is written only if it passes:\n\n{parts}",
    )


def answered_result(asset: str, outcomes: Mapping[str, Answered]) -> dg.AssetCheckResult:
    """Return the result of `answered_spec` over all videos of a run."""
    without = {video_id: outcome for video_id, outcome in outcomes.items() if outcome.status in _NO_ANSWER}
    itself = any(outcome.status is Status.FAILED and not outcome.follows for outcome in without.values())
    # Dagster stores a description nine times, and metadata three times: reasons are in these alone
    told = f"{_counted(without)} of {len(outcomes)}" if without else _counted(outcomes)
    return dg.AssetCheckResult(
        check_name=ANSWERED,
        asset_key=asset,
        passed=not without,
        severity=dg.AssetCheckSeverity.ERROR if itself else dg.AssetCheckSeverity.WARN,
        description=told or "No video of this run was due",
        metadata=_reasons(without),
    )


def _counted(outcomes: Mapping[str, Answered]) -> str:
    counts = Counter(str(outcome.status) for outcome in outcomes.values())
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _reasons(without: Mapping[str, Answered]) -> dict[str, str]:
    """Return the videos of each kind of reason and one such reason, at most `VIDEOS_NAMED` videos of all.

    Reasons that differ in numbers alone are of one kind. A table would take twice the space.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for video_id, outcome in list(without.items())[:VIDEOS_NAMED]:
        kind = re.sub(r"\d+", "", outcome.reason.replace(video_id, ""))
        groups.setdefault((str(outcome.status), kind), []).append(video_id)
    numbers = Counter[str]()
    told: dict[str, str] = {}
    for (status, _), videos in groups.items():
        numbers[status] += 1
        told[f"{status}_{numbers[status]}"] = f"{', '.join(videos)}: {without[videos[0]].reason[:LETTERS_EACH]}"
    return told


def check_results(asset: str, checks: Mapping[str, Parts], outcomes: Outcomes) -> Iterator[dg.AssetCheckResult]:
    """Yield the result of each check over all videos of a run.

    Args:
        asset: See `check_specs`.
        checks: See `check_specs`.
        outcomes: The outcomes for each video of the run; none for a video that could not be checked.
    """
    for name, parts in checks.items():
        own = {video_id: [item for item in found if item.name in parts] for video_id, found in outcomes.items()}
        failed = {video_id: text for video_id, found in own.items() if (text := _problems(found))}
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=asset,
            passed=not failed,
            severity=_SEVERITIES[name],
            description=_summary(own, failed),
            metadata=_counts(own, failed) | _worst(own),
        )


def _problems(found: Sequence[CheckOutcome]) -> str:
    return "; ".join(f"{item.name}: {problem}" for item in found for problem in item.problems)[:LETTERS_EACH]


def _summary(outcomes: Outcomes, failed: Mapping[str, str]) -> str:
    checked = sum(bool(found) for found in outcomes.values())
    if failed:
        video_id, text = next(iter(failed.items()))
        return f"{len(failed)} of {checked} videos did not pass; {video_id}: {text}"
    if not checked:
        # the UI shows a check without a result as skipped, without a reason
        return f"Nothing to check: none of the {len(outcomes)} videos has a value"
    return f"All of {checked} videos passed" + (
        f"; {len(outcomes) - checked} have no value" * (checked < len(outcomes))
    )


def _counts(outcomes: Outcomes, failed: Mapping[str, str]) -> dict[str, dg.MetadataValue]:
    if not failed:
        return {}
    parts = Counter(item.name for found in outcomes.values() for item in found if not item.passed)
    return {
        "failed_videos": dg.MetadataValue.int(len(failed)),
        "failed_parts": dg.MetadataValue.json(dict(parts)),
        "problems": dg.MetadataValue.json(dict(list(failed.items())[:VIDEOS_NAMED])),
    }


def _worst(outcomes: Outcomes) -> dict[str, dg.MetadataValue]:
    """Return the worst of the measured values, which the UI plots over the runs."""
    found = [item.values for items in outcomes.values() for item in items]
    values = {name: [item[name] for item in found if name in item] for name in _WORST}
    return {
        f"worst_{name}": dg.MetadataValue.float(round(float(_WORST[name](them)), 4))
        for name, them in values.items()
        if them
    }
