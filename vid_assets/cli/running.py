"""What the analyzers of a run depend on."""

from collections.abc import Collection

import dagster as dg

from resources.warehouse.resource import Warehouse

PARTITION_TAG = "dagster/partition"
# if you name an analyzer, you want it tried again, however often it has failed
_ANY = 1_000_000


def with_what_they_need(names: Collection[str], video_id: str, warehouse: Warehouse) -> list[dg.AssetKey]:
    """Return the assets of these analyzers, the page of the video, and their dependencies that are not up to date.

    Raises:
        SettingsError: ``VID_DISABLED`` names an analyzer that does not exist.
    """
    from vid_assets.archive.plan import due
    from vid_assets.defs.report import REPORT
    from vid_assets.defs.wanted import wanted_answers

    answers = wanted_answers()
    needed, waiting = set(names), list(names)
    while waiting:
        answer = answers.get(waiting.pop())
        new = set(answer.upstream if answer else ()) - needed
        needed |= new
        waiting += new
    found = list(due(warehouse, [video_id], answers, attempts=_ANY))
    wanted = needed.intersection(found[0].assets if found else ()).union(names, [REPORT])
    return [dg.AssetKey(name) for name in sorted(wanted)]
