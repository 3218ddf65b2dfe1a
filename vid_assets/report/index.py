"""The archive page: one card per report, newest first."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from resources.fs import write_atomically
from vid_assets.report.page import environment

CARDS, THUMBS, INDEX, STATUS = "cards", "thumbs", "index.html", "status.html"
SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Card:
    """What the archive page shows of one video.

    Attributes:
        video_id: Key of the video, and stem of its page.
        title: Name of its file.
        duration_s: Length in seconds; 0 if unknown.
        score: Reconstruction score, 0..1.
        factor: Realtime factor.
        thumbnail: Whether it has a thumbnail.
        failed: The analyzers that failed.
        written_at: When the page was written, ISO 8601.
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
        """Return the card as JSON-compatible values."""
        return asdict(self)

    @property
    def href(self) -> str:
        """Address of the page, relative to the archive page."""
        return quote(f"{self.video_id}.html")

    @property
    def src(self) -> str:
        """Address of the thumbnail, relative to the archive page."""
        return quote(f"{THUMBS}/{self.video_id}.webp")


def write_index(reports: Path) -> Path:
    """Rewrite the archive page from the existing cards.

    If several processes write at once, the last one wins; each writes what it sees.

    Args:
        reports: The reports folder.

    Returns:
        Path of the page.
    """
    files = sorted((reports / CARDS).glob("*.json"), key=lambda file: (-file.stat().st_mtime_ns, file.name))
    cards = [Card(**json.loads(file.read_bytes())) for file in files[:SHOWN]]
    html = (
        environment()
        .get_template("archive.html")
        .render(cards=cards, total=len(files), state=STATUS if (reports / STATUS).exists() else "")
    )
    reports.mkdir(parents=True, exist_ok=True)
    write_atomically(reports / INDEX, html)
    return reports / INDEX
