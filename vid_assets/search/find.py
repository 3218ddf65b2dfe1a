"""One question to the archive, however it is asked: from the command line, from a page, or from Python."""

from dataclasses import dataclass, field
from itertools import islice

from resources.warehouse.resource import Warehouse
from vid_assets.errors import SettingsError
from vid_assets.search.facets import Facets
from vid_assets.search.meaning import WAYS, by_meaning
from vid_assets.search.moments import Moment, moments

WORDS = "words"
KINDS = (WORDS, *WAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to look for.

    Attributes:
        text: Words.
        by: One of `KINDS`: ``words`` that occur, ``meaning`` of what is said, written or described, or ``looks``.
        facets: What narrows the search.
        limit: Most moments to return.
        gap_s: Results of one analyzer at most this many seconds apart are one moment; for ``words``.
    """

    text: str
    by: str = WORDS
    facets: Facets = field(default_factory=Facets)
    limit: int = 50
    gap_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """Moments, and what is to be said about them.

    Attributes:
        moments: By video and time, or the nearest in meaning first.
        more: Whether there are more than the limit.
        notes: What could not be searched.
    """

    moments: list[Moment]
    more: bool = False
    notes: list[str] = field(default_factory=list)


def find(question: Question, warehouse: Warehouse) -> Found:
    """Return the moments that answer a question.

    Raises:
        SettingsError: The question names something that does not exist.
        ModelUnavailable: The profile has no model for this kind of question.
        ModelError: The model or its host failed.
    """
    if question.by not in KINDS:
        raise SettingsError(f"by {question.by}", "no such kind of search", f"use {', '.join(KINDS)}")
    if not question.text.strip():
        raise SettingsError("search", "there are no words to look for", "give some")
    facets = question.facets
    with warehouse.connect() as connection:
        facets.check(connection)
        videos = facets.videos(connection)
        if question.by == WORDS:
            every = moments(connection, question.text, question.gap_s)
            kept = (
                one
                for one in every
                if (not facets.analyzers or one.analyzer in facets.analyzers)
                and (videos is None or one.video_id in videos)
            )
            found = list(islice(kept, question.limit + 1))
            return Found(found[: question.limit], len(found) > question.limit)
    near, notes = by_meaning(question.by, question.text, warehouse, question.limit, videos, facets.analyzers)
    return Found(near, notes=notes)
