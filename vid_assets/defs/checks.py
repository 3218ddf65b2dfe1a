"""The two asset checks of every asset, ``valid`` and ``plausible``, evaluated once per run for all of its videos.

Each has several parts, such as ``schema`` and ``ranges``. A check without a partition is one row per run, however many
videos the run has; its metadata names the videos that did not pass, each with its part and problem.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from vid_assets.pipeline.checks import CHECKS, CheckOutcome
from vid_assets.pipeline.judgements import JUDGEMENTS

VALID, PLAUSIBLE = "valid", "plausible"
# Up to release 0.2 each part was a check with a result for each video, and `prune` removes those.
FORMER = frozenset({*CHECKS, *JUDGEMENTS, "complete", "reconstruction_score", "self_contained", "size"})
# Bounds of a check's metadata, however many videos a run has: the run's log and `analyzer_runs` have the rest.
VIDEOS_NAMED, LETTERS_EACH = 20, 300
_SEVERITIES = {VALID: dg.AssetCheckSeverity.ERROR, PLAUSIBLE: dg.AssetCheckSeverity.WARN}
_WORST = {"realtime_factor": max, "size": max, "covered": min, "reconstruction_score": min}

Parts = Mapping[str, str]
Outcomes = Mapping[str, Sequence[CheckOutcome]]


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
