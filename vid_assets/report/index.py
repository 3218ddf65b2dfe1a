"""The archive page: one card for each report, the newest first."""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vid_assets.report.page import environment

CARDS, THUMBS, INDEX = "cards", "thumbs", "index.html"
SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Card:
    """What the archive page says of one video.

    Attributes:
        video_id: Its key, and the stem of its page.
        title: Its file's name.
        duration_s: Its length in seconds; 0 if it is not known.
        score: Its reconstruction score, 0..1.
        factor: Its realtime factor.
        thumbnail: Whether there is one.
        failed: The analyzers that failed.
        written_at: When its page was written, ISO 8601.
    """

    video_id: str
    title: str
    duration_s: float
    score: float | None
    factor: float | None
    thumbnail: bool
    failed: Sequence[str]
    written_at: str

    def as_dict(self) -> dict[str, Any]:
        """The card as JSON knows it."""
        return asdict(self)

    @property
    def href(self) -> str:
        """The page's address, seen from the archive page."""
        return quote(f"{self.video_id}.html")

    @property
    def src(self) -> str:
        """The thumbnail's address, seen from the archive page."""
        return quote(f"{THUMBS}/{self.video_id}.webp")


def write_index(reports: Path) -> Path:
    """Write the archive page anew from the cards that are there.

    Of several writers at once the last one wins; each writes what it sees.

    Args:
        reports: Folder of the reports.

    Returns:
        The page.
    """
    files = sorted((reports / CARDS).glob("*.json"), key=lambda file: (-file.stat().st_mtime_ns, file.name))
    cards = [Card(**json.loads(file.read_bytes())) for file in files[:SHOWN]]
    html = environment().get_template("archive.html").render(cards=cards, total=len(files))
    replace_file(reports / INDEX, html.encode())
    return reports / INDEX


def replace_file(path: Path, content: bytes) -> None:
    """Give a file new content in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, 0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
