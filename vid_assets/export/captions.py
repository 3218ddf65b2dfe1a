"""Which cues a video has: those of its speech, of its own subtitle tracks, or of any table of texts with times."""

from collections.abc import Iterator, Mapping

import polars as pl

from resources.warehouse.records import CUES
from vid_assets.errors import SettingsError
from vid_assets.export.formats import SPEECH, Format
from vid_assets.export.subject import Subject
from vid_assets.export.subtitles import Cue, Word, cues, srt, ttml, vtt, wrapped
from vid_assets.media.source import slug
from vid_assets.media.tracks import short_language
from vid_assets.registry import discover

_NEEDED = {"start_s", "end_s", "text"}


def subtitles(subject: Subject, format: Format, table: str = SPEECH) -> Mapping[str, str]:
    """Return the subtitles of a video.

    Args:
        subject: The video.
        format: SubRip, WebVTT or TTML.
        table: What they are made of: the words of ``speech_transcription``, the file's own subtitles and captions in
            ``cues``, or the texts of any table with times.

    Returns:
        Text by what is added to the file's name: nothing, or the language or number of a track of the file.

    Raises:
        MediaError: There are no words; the error gives the reason.
    """
    if table == SPEECH:
        rows = subject.rows(SPEECH, "there are no words to write").filter(pl.col("word").str.strip_chars() != "")
        made = {"": (_spoken(rows), _language(rows))}
    elif table == CUES.name:
        made = dict(_tracks(subject.rows(CUES.name, "it has no subtitles of its own")))
    else:
        rows = subject.rows(table).sort("start_s", "end_s")
        made = {"": (list(_texts(rows)), "")}
    texts = {name: _formatted(shown, language, format) for name, (shown, language) in made.items() if shown}
    if not texts:
        raise subject.nothing(table, "there are no words to write")
    return texts


def tables() -> list[str]:
    """Return the tables of which subtitles can be made."""
    return [SPEECH, CUES.name, *sorted(analyzer.name for analyzer in discover() if set(analyzer.table) >= _NEEDED)]


def check(table: str) -> None:
    """Refuse a table that has no texts with times.

    Raises:
        SettingsError: It has none.
    """
    if table not in tables():
        raise SettingsError(
            f"--table {table}", "it cannot be written as subtitles", f"use one of {', '.join(tables())}, or csv"
        )


def _spoken(rows: pl.DataFrame) -> list[Cue]:
    columns = rows.sort("start_s", "end_s").select("word", "start_s", "end_s", "segment", "language")
    return cues(Word(*row) for row in columns.iter_rows())


def _language(rows: pl.DataFrame) -> str:
    """Return the language of most of the words."""
    languages = rows["language"].drop_nulls()
    return "" if languages.is_empty() else str(languages.mode().sort()[0])


def _tracks(rows: pl.DataFrame) -> Iterator[tuple[str, tuple[list[Cue], str]]]:
    shown = rows.filter(pl.col("kind").is_in(["subtitle", "caption"])).sort("start_s", "end_s")
    taken: set[str] = set()
    for (track, code), part in shown.partition_by("track", "language", as_dict=True, maintain_order=True).items():
        language = slug(short_language(code)) if code else ""
        name = language or ("captions" if track == -1 else f"track{track}")
        name = f"{name}.{track}" if name in taken else name
        taken.add(name)
        yield f".{name}", (list(_texts(part, wrap=False)), language)


def _texts(rows: pl.DataFrame, *, wrap: bool = True) -> Iterator[Cue]:
    """Yield a cue for each row that has a text and a length."""
    for start_s, end_s, text in rows.select("start_s", "end_s", "text").iter_rows():
        given = [line for line in (" ".join(line.split()) for line in (text or "").splitlines()) if line]
        lines = [part for line in given for part in (wrapped(line) if wrap else [line])]
        if lines and end_s > start_s:
            start_ms = round(start_s * 1000)
            yield Cue(start_ms, max(round(end_s * 1000), start_ms + 1), lines)


def _formatted(shown: list[Cue], language: str, format: Format) -> str:
    if format is Format.TTML:
        return ttml(shown, language)
    return srt(shown) if format is Format.SRT else vtt(shown)
