"""What a look at an archive tells: files that are ready, gone, or left out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from vid_assets.media.paths import path_of, shown

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file that is no longer there.

    Attributes:
        path: Where it was.
        video_id: What it was registered as.
        elsewhere: Another path of the same content; None if there is none.
    """

    path: str
    video_id: str
    elsewhere: str | None


@dataclass(slots=True)
class Changes:
    """What a scan found.

    Attributes:
        ready: Paths of new or changed files that nobody writes to any more, and what each was registered as before.
        vanished: Files that are no longer there.
        settling: How many files are still being written.
        skipped: Names that tell that nothing is to be read there, and why; each is told once.
        unreadable: Folders that cannot be listed, and why; what was found in them before stays.
    """

    ready: dict[str, str | None] = field(default_factory=dict)
    vanished: list[Vanished] = field(default_factory=list)
    settling: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Files that are left out for one reason.

    Attributes:
        reason: What they are instead of videos.
        count: How many.
        examples: Some of them, as they are shown.
    """

    reason: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        """One line."""
        more = ", ..." if self.count > len(self.examples) else ""
        return f"left out {self.count} ({self.reason}): {', '.join(self.examples)}{more}"


def grouped(skipped: Iterable[tuple[str, str]]) -> list[Skipped]:
    """Reasons and stored paths by reason, the most frequent first, with `EXAMPLES` paths of each."""
    paths: dict[str, list[str]] = {}
    for reason, path in skipped:
        paths.setdefault(reason, []).append(path)
    groups = [
        Skipped(reason, len(them), tuple(shown(path_of(path)) for path in them[:EXAMPLES]))
        for reason, them in paths.items()
    ]
    return sorted(groups, key=lambda group: -group.count)
