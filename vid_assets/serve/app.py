"""The pages of the server: the search, the pictures of moments, and the reports."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import polars as pl
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from resources.errors import ResourceError
from resources.warehouse.records import VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets import report
from vid_assets.errors import SettingsError, VidAssetsError
from vid_assets.report.index import INDEX, STATUS, THUMBS
from vid_assets.report.media import MEDIA, media
from vid_assets.report.page import clock
from vid_assets.search.facets import Facets
from vid_assets.search.find import KINDS, WORDS, Question, find
from vid_assets.search.meaning import WAYS, unavailable
from vid_assets.search.moments import Moment
from vid_assets.serve.guard import Guard

if TYPE_CHECKING:
    from jinja2 import Environment

REPORTS = "/reports"
LIMIT = 50
MOST = 1000
SPEECH = "speech_transcription"
_FACTS = ("video_id", "file_name", "has_picture")
_FRESH_S = 60  # for what can be chosen
_STYLES = ((Path(report.__file__).parent, "style.css"), (Path(__file__).parent, "search.css"))
_NUMBERS = {"longer_s": "minutes at least", "shorter_s": "minutes at most", "best_brisque": "BRISQUE at most"}
_DAYS = {"since": "since", "until": "until"}


@dataclass(frozen=True, slots=True)
class Line:
    """A moment as the page shows it.

    Attributes:
        moment: The moment.
        title: Name of the video's file.
        at: Its time, as people write it.
        href: Address of the video's report at this time; empty without a report.
        picture: Address of its picture; empty for sound without pictures.
        pieces: The text in pieces, and whether each is one of the words.
    """

    moment: Moment
    title: str
    at: str
    href: str
    picture: str
    pieces: Sequence[tuple[str, bool]]


def app(warehouse: Warehouse, reports: Path) -> Starlette:
    """Return the application.

    Args:
        warehouse: The results.
        reports: The reports folder.
    """
    routes = [
        Route("/", partial(search_page, warehouse=warehouse, reports=reports)),
        Route("/picture", partial(picture, warehouse=warehouse, reports=reports)),
        Route("/search.css", style),
        Route(f"{REPORTS}/{MEDIA}/{{video_id}}", partial(media, warehouse=warehouse)),
        Mount(REPORTS, StaticFiles(directory=reports, html=True, check_dir=False)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, reports=REPORTS)])


def search_page(request: Request, *, warehouse: Warehouse, reports: Path) -> Response:
    """Return the page with the form, and with the moments if something was asked."""
    given = request.query_params
    values = {name: given.get(name, "").strip() for name in ("q", "label", *_NUMBERS, *_DAYS)}
    chosen = {name: [text for text in given.getlist(name) if text] for name in ("analyzer", "language")}
    by = given.get("by", WORDS)
    lines, problem, notes, more, status = [], "", [], False, 200
    if values["q"]:
        try:
            question = Question(text=values["q"], by=by, facets=facets_of(values, chosen), limit=limit_of(given))
            found = find(question, warehouse)
        except (VidAssetsError, ResourceError) as error:
            problem, status = str(error), 400 if isinstance(error, SettingsError) else 503
        else:
            lines = shown(found.moments, values["q"], by, warehouse, reports)
            notes, more = found.notes, found.more
    html = environment().get_template("search.html").render(
        values=values,
        chosen=chosen,
        by=by,
        kinds=[(kind, unavailable(kind) if kind in WAYS else "") for kind in KINDS],
        choices=choices(warehouse.path, int(time.monotonic() / _FRESH_S)),
        numbers=_NUMBERS,
        days=_DAYS,
        lines=lines,
        problem=problem,
        notes=notes,
        more=more_of(given, more),
        reports=(reports / INDEX).is_file(),
        state=(reports / STATUS).is_file(),
    )  # fmt: skip
    return HTMLResponse(html, status)


def picture(request: Request, *, warehouse: Warehouse, reports: Path) -> Response:
    """Return the picture of the shot at a time, or that of the video's card; 404 without one."""
    video_id = request.query_params.get("video", "")
    with suppress(ValueError, ResourceError, FileNotFoundError):
        time_s = float(request.query_params.get("t", ""))
        shots = warehouse.read_partition("shots", video_id)
        if shots is not None:
            before = shots.filter(pl.col("start_s") <= time_s).sort("start_s").tail(1)
            chosen = before if before.height else shots.sort("start_s").head(1)
            return Response(chosen["picture"].item(), media_type="image/webp")
        # the warehouse has refused what is no plain name
        return Response((reports / THUMBS / f"{video_id}.webp").read_bytes(), media_type="image/webp")
    return Response(status_code=404)


def style(_request: Request) -> Response:
    """Return the style of the page: that of the reports, and its own."""
    text = "\n".join((folder / "templates" / name).read_text() for folder, name in _STYLES)
    return Response(text, media_type="text/css")


def facets_of(values: Mapping[str, str], chosen: Mapping[str, Sequence[str]]) -> Facets:
    """Return the limits that a form names.

    Raises:
        SettingsError: A number or a day is none.
    """
    given: dict[str, Any] = {}
    for name in _NUMBERS:
        if text := values[name]:
            given[name] = number(text, _NUMBERS[name]) * (60 if name.endswith("_s") else 1)
    for name in _DAYS:
        if text := values[name]:
            try:
                given[name] = date.fromisoformat(text)
            except ValueError as error:
                raise SettingsError(f"{name} {text}", "not a day", "give a day such as 2026-05-01") from error
    labels = tuple(text.strip() for text in values["label"].split(",") if text.strip())
    return Facets(analyzers=tuple(chosen["analyzer"]), languages=tuple(chosen["language"]), labels=labels, **given)


def number(text: str, name: str) -> float:
    """Return the number in a text.

    Raises:
        SettingsError: It is none.
    """
    with suppress(ValueError):
        if math.isfinite(found := float(text)):
            return found
    raise SettingsError(f"{name} {text}", "not a number", "give a number such as 10")


def limit_of(given: Mapping[str, str]) -> int:
    """Return the number of moments to show.

    Raises:
        SettingsError: It is no whole number.
    """
    text = given.get("limit", "")
    if text and not (text.isdecimal() and 1 <= int(text) <= MOST):
        raise SettingsError(f"limit {text}", f"not a number from 1 to {MOST}", "leave it out")
    return int(text) if text else LIMIT


def more_of(given: Any, more: bool) -> str:
    """Return the address of the page with more moments; empty if there are none."""
    limit = given.get("limit", "")
    wanted = 4 * (int(limit) if limit.isdecimal() else LIMIT)
    if not more or wanted > MOST:
        return ""
    return "?" + urlencode(
        [*((name, value) for name, value in given.multi_items() if name != "limit"), ("limit", wanted)]
    )


def shown(moments: Sequence[Moment], text: str, by: str, warehouse: Warehouse, reports: Path) -> list[Line]:
    """Return the moments as the page shows them."""
    ids = {moment.video_id for moment in moments}
    facts = warehouse.read_table(VIDEOS.name).filter(pl.col("video_id").is_in(list(ids)))
    known = {row["video_id"]: row for row in facts.select(_FACTS).collect().iter_rows(named=True)}
    there = {video_id for video_id in ids if (reports / f"{video_id}.html").is_file()}
    words = text.split() if by == WORDS else []
    around = context(moments, warehouse)
    return [
        Line(
            moment,
            known.get(moment.video_id, {}).get("file_name") or moment.video_id,
            clock(moment.start_s),
            f"{REPORTS}/{quote(moment.video_id)}.html#t={moment.start_s:.2f}" if moment.video_id in there else "",
            "/picture?" + urlencode({"video": moment.video_id, "t": f"{moment.start_s:.2f}"})
            if known.get(moment.video_id, {}).get("has_picture")
            else "",
            pieces(around.get(moment, moment.text), words),
        )
        for moment in moments
    ]


def context(moments: Sequence[Moment], warehouse: Warehouse) -> dict[Moment, str]:
    """Return the passage around each moment that is a single spoken word."""
    spoken = [moment for moment in moments if moment.analyzer == SPEECH]
    ids = sorted({moment.video_id for moment in spoken})
    table = warehouse.read_table("passages").filter(pl.col("video_id").is_in(ids), pl.col("source") == SPEECH)
    passages = table.select("video_id", "start_s", "end_s", "text").collect().rows_by_key("video_id")
    found: dict[Moment, str] = {}
    for moment in spoken:
        for start_s, end_s, text in passages.get(moment.video_id, ()):
            if start_s <= moment.start_s <= end_s and moment.text.strip() in text:
                found[moment] = text
    return found


def pieces(text: str, words: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the text cut at the words, whatever their case, and whether each piece is one of them."""
    if not words:
        return [(text, False)]
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    parts = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return [(part, at % 2 == 1) for at, part in enumerate(parts) if part]


@lru_cache(maxsize=1)
def choices(path: str, _minute: int) -> dict[str, Any]:
    """Return what can be chosen: analyzers that find moments, languages and labels of the archive; and its videos."""
    with Warehouse(path=path).connect() as connection:
        analyzers = "SELECT name FROM analyzers UNION SELECT name FROM texts ORDER BY 1"
        languages = "SELECT DISTINCT language FROM speech_transcription WHERE language IS NOT NULL ORDER BY 1"
        labels = "SELECT label FROM object_detection GROUP BY label ORDER BY count(*) DESC LIMIT 200"
        queries = {"analyzer": analyzers, "language": languages, "label": labels}
        found = {name: [text for (text,) in connection.execute(sql).fetchall()] for name, sql in queries.items()}
        (videos,) = connection.execute("SELECT count(*) FROM videos").fetchone() or (0,)
        return found | {"videos": videos}


@cache
def environment() -> "Environment":
    """Return the templates; they escape everything that is inserted."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("vid_assets.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
