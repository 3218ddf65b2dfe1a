"""Lines of text in real clips, by ours and by RapidOCR on one picture per second, against labels made by hand."""

from functools import cache
from pathlib import Path

import polars as pl

from evaluation._footage import Clip, clips_with, folder
from evaluation._models import model
from evaluation._reading import ALIKE, Counting, Row, alike, letters, plain
from evaluation.figure import Calibration, Figure
from resources.tasks.text import TEXT
from vid_assets.analyzers.text_overlay import run
from vid_assets.media import identify, open_media

SLACK_S = 1.0  # a fading line may be read that much before and after it is labelled


@cache
def lines_of(path: Path) -> pl.DataFrame:
    """What ours reads in a clip; read once for all who ask."""
    media = open_media(path, identify(path).video_id, folder() / "scratch")
    assert media.frames is not None
    return run(media.video, media.frames, model(TEXT))


def there(row: Row, start: float, end: float) -> bool:
    """Whether a row is read in a time."""
    return min(row["end_s"], end) > max(row["start_s"], start)


def found(rows: list[Row], line: tuple[float, float, str]) -> bool:
    """Whether a row says the line, or the rows beside each other do."""
    start, end, text = line
    here = [row for row in rows if there(row, start, end)]
    if any(alike(row["text"], text) for row in here):
        return True
    parts = [row for row in sorted(here, key=lambda row: row["x0"]) if letters(row["text"]) in letters(text)]
    return bool(parts) and alike("".join(row["text"] for row in parts), text)


def right(row: Row, clip: Clip) -> bool:
    """Whether what a row says can be read there then."""
    texts = [text for start, end, text in clip.texts or () if there(row, start - SLACK_S, end + SLACK_S)]
    said = letters(row["text"])
    return any(alike(row["text"], text) for text in (*texts, *clip.maybe_texts)) or any(
        len(said) >= ALIKE * 2 and said in letters(text) for text in (*texts, *clip.maybe_texts)
    )


def of_footage() -> list[Figure | Calibration]:
    """Lines found and rows that are right, beside RapidOCR's; and what a confidence is worth."""
    lines = own = other = 0
    rows_own: list[tuple[float, bool]] = []
    rows_other: list[bool] = []
    for clip, media in clips_with("texts"):
        if media.frames is None:
            continue
        rows = list(lines_of(clip.path).iter_rows(named=True))
        peer = plain(media.video, media.frames, Counting())
        lines += len(clip.texts or ())
        own += sum(found(rows, line) for line in clip.texts or ())
        other += sum(found(peer, line) for line in clip.texts or ())
        rows_own += [(row["confidence"], right(row, clip)) for row in rows]
        rows_other += [right(row, clip) for row in peer]
    precision = sum(one for _, one in rows_own) / len(rows_own)
    named = {"analyzer": "text_overlay", "unit": "1"}
    calibration = Calibration("text_overlay", "lines", tuple(rows_own))
    return [
        Figure(what="footage: lines found", value=own / lines, cases=lines, at_least=0.7, **named),
        Figure(what="footage: rows that can be read there (precision)", value=precision, cases=len(rows_own),
               at_least=0.9, **named),
        Figure(what=f"footage: lines found more than by RapidOCR on one picture per second ({other / lines:.3f})",
               value=(own - other) / lines, cases=lines, at_least=-0.05, **named),
        Figure(what=f"footage: precision above that of RapidOCR ({sum(rows_other) / len(rows_other):.3f})",
               value=precision - sum(rows_other) / len(rows_other), cases=len(rows_own), at_least=0.0, **named),
        calibration.figure(),
        calibration,
    ]  # fmt: skip
