"""``vid-assets search``: find where something is said, written, shown or heard."""

import json
import sys
from datetime import datetime
from typing import Annotated

import typer

Words = Annotated[list[str], typer.Argument(metavar="WORD", show_default=False, help="All of them must occur.")]
By = Annotated[
    str,
    typer.Option(
        metavar="KIND",
        help="words that occur; meaning of what is said, written or described; or looks: what pictures show.",
    ),
]
Limit = Annotated[int, typer.Option(min=1, metavar="N", help="Most moments to print.")]
Gap = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Sightings at most so far apart are one moment.")]
Analyzers = Annotated[
    list[str] | None, typer.Option("--analyzer", metavar="NAME", help="Only what this analyzer found; may be repeated.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME", help="Only videos in which this was found too; may be repeated."),
]
Languages = Annotated[
    list[str] | None,
    typer.Option("--language", metavar="CODE", help="Only videos in which it is spoken, such as en; may be repeated."),
]
Longer = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Only videos of at least this length.")]
Shorter = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Only videos of at most this length.")]
_DAY = ["%Y-%m-%d"]
Since = Annotated[
    datetime | None, typer.Option(formats=_DAY, metavar="DAY", help="Only files changed on this day or later.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=_DAY, metavar="DAY", help="Only files changed on this day or earlier.")
]
Brisque = Annotated[
    float | None,
    typer.Option(
        "--best-brisque", metavar="N", help="Only videos with a median BRISQUE of at most N: 0 fine, 100 bad."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, times in seconds.")]


def search(
    words: Words,
    by: By = "words",
    analyzers: Analyzers = None,
    labels: Labels = None,
    languages: Languages = None,
    longer: Longer = None,
    shorter: Shorter = None,
    since: Since = None,
    until: Until = None,
    best_brisque: Brisque = None,
    limit: Limit = 50,
    gap: Gap = 1.0,
    as_json: AsJson = False,
) -> int:
    """Find moments: texts that have all of the words, and objects, sounds and kinds of events of that name.

    By meaning or looks, the nearest come first, however far they are. Exit code 1 says that there are none.
    """
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import clock, console, say, table
    from vid_assets.search.facets import Facets
    from vid_assets.search.find import Question, find
    from vid_assets.sql.publish import publish

    facets = Facets(
        analyzers=tuple(analyzers or ()),
        labels=tuple(labels or ()),
        languages=tuple(languages or ()),
        longer_s=longer,
        shorter_s=shorter,
        since=since.date() if since else None,
        until=until.date() if until else None,
        best_brisque=best_brisque,
    )
    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    found = find(Question(text=" ".join(words), by=by, facets=facets, limit=limit, gap_s=gap), warehouse)
    screen, aside = console(), console(stderr=True)
    if as_json:
        for moment in found.moments:
            facts = {name: value for name, value in moment._asdict().items() if name != "score" or value is not None}
            sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    elif found.moments:
        scored = found.moments[0].score is not None
        headings = ("video", "from", "to", "found by", "what", *(("score",) if scored else ()))
        rows = [
            (
                moment.video_id,
                clock(moment.start_s),
                "" if moment.end_s is None else clock(moment.end_s),
                moment.analyzer,
                moment.text,
                *((f"{moment.score:.2f}",) if moment.score is not None else ()),
            )
            for moment in found.moments
        ]
        table(headings, rows, screen)
    else:
        say(f"nothing found for {' '.join(words)!r}", screen)
    for note in found.notes:
        say(note, aside)
    if found.more and not as_json:
        say(f"more than {limit}; --limit shows more", screen)
    return int(not found.moments)
