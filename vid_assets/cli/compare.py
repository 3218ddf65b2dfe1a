"""``vid-assets compare``: two code versions, models or settings of an analyzer over the same videos."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vid_assets.contract import Analyzer

Name = Annotated[str, typer.Argument(metavar="ANALYZER", show_default=False)]
First = Annotated[str, typer.Option("--a", metavar="DIGEST", help="First code version, or its start.")]
Second = Annotated[str, typer.Option("--b", metavar="DIGEST", help="Second one; the newest by default.")]
Forget = Annotated[bool, typer.Option("--forget", help="Remove the kept answers of the analyzer instead.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per video.")]
SHOWN = 50


def compare(name: Name, a: First = "", b: Second = "", forget: Forget = False, as_json: AsJson = False) -> int:
    """Keep the present answers of an analyzer, and compare them with those kept before.

    Run it once, change the code, the profile or the settings, analyse again, and run it once more.
    """
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import console, one_line, say, table
    from vid_assets.pipeline import kept
    from vid_assets.report.compare import write_comparison
    from vid_assets.sql.publish import publish

    analyzer, screen = _analyzer(name), console()
    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    if forget:
        kept.forget(warehouse, name)
        say(f"forgot the kept answers of {name}", screen)
        return 0
    videos = kept.keep(warehouse, name)
    answers = kept.kept_answers(warehouse, name)
    known = kept.versions(answers)
    if len(known) < 2:
        say(f"kept {videos} answers of {name}; change it, analyse again, and run this command once more", screen)
        return 0
    newer = _chosen("--b", b, known) if b else next(item for item in known if not a or not _is(item, a))
    older = _chosen("--a", a, known) if a else next(item for item in known if item is not newer)
    digests = [version["code_version"] for version in (older, newer)]
    with warehouse.connect() as connection:
        found = connection.execute("FROM compare(?, ?, ?)", [name, *digests])
        columns = [column[0] for column in found.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
        lengths = dict(connection.execute("SELECT video_id, duration_s FROM videos").fetchall())
    path = write_comparison(settings().reports.absolute(), analyzer, (older, newer), rows, answers, lengths)
    if as_json:
        sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return 0
    for letter, version in zip("AB", (older, newer), strict=True):
        what = ", ".join(str(version[key]) for key in ("profile", "model", "config") if version[key])
        say(one_line(f"{letter}: {version['code_version']}, {version['videos']} videos, {what or 'defaults'}"), screen)
    headings = ("video", "status A", "status B", "rows A", "rows B", "same rows", "seconds A", "seconds B")
    table(headings, [_cells(row) for row in rows[:SHOWN]], screen)
    if len(rows) > SHOWN:
        say(f"and {len(rows) - SHOWN} more: FROM compare('{name}', '{digests[0]}', '{digests[1]}')", screen)
    say(f"As a page: {path}", screen)
    return 0


def _cells(row: Mapping[str, Any]) -> list[str]:
    names = ("video_id", "status_a", "status_b", "rows_a", "rows_b", "same_rows", "compute_s_a", "compute_s_b")
    values = [row[name] for name in names]
    return ["-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]


def _is(version: Mapping[str, Any], digest: str) -> bool:
    return version["code_version"].startswith(digest)


def _chosen(option: str, digest: str, known: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the one version that a digest names.

    Raises:
        SettingsError: It names none, or several.
    """
    from vid_assets.errors import SettingsError

    found = [version for version in known if _is(version, digest)]
    if len(found) != 1:
        listed = ", ".join(version["code_version"] for version in known)
        problem = "names several kept versions" if found else "no answer of this version is kept"
        raise SettingsError(f"{option} {digest}", problem, f"use one of {listed}")
    return found[0]


def _analyzer(name: str) -> "Analyzer":
    """Return an analyzer.

    Raises:
        SettingsError: There is none of this name.
    """
    from vid_assets.errors import SettingsError
    from vid_assets.registry import discover

    known = {analyzer.name: analyzer for analyzer in discover()}
    if name not in known:
        raise SettingsError(f"analyzer {name}", "no such analyzer", f"use one of {', '.join(sorted(known))}")
    return known[name]
