"""Result of an archive scan: files that are ready, gone, or left out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from vid_assets.media.paths import path_of, shown

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file that no longer exists.

    Attributes:
        path: Its former path.
        video_id: The id it was registered under.
        elsewhere: Another path with the same content; None if there is none.
    """

    path: str
    video_id: str
    elsewhere: str | None


@dataclass(slots=True)
class Changes:
    """Result of a scan.

    Attributes:
        ready: Paths of new or changed files that are completely written, and the id that each had before.
        vanished: Registered files that no longer exist.
        forgotten: Paths of other files that no longer exist.
        settling: Number of files that are still being written.
        skipped: Paths that need not be read, going by the name or kind, and why; each is reported once.
        unreadable: Folders that cannot be listed, and why; earlier findings in them stay.
    """

    ready: dict[str, str | None] = field(default_factory=dict)
    vanished: list[Vanished] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    settling: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Files that are left out for one reason.

    Attributes:
        reason: What they are instead of videos.
        count: Number of files.
        examples: Some of them, in display form.
    """

    reason: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        """Return the group as one line."""
        more = ", ..." if self.count > len(self.examples) else ""
        return f"left out {self.count} ({self.reason}): {', '.join(self.examples)}{more}"


def grouped(skipped: Iterable[tuple[str, str]]) -> list[Skipped]:
    """Group (reason, stored path) pairs by reason, most frequent first, with `EXAMPLES` paths each."""
    paths: dict[str, list[str]] = {}
    for reason, path in skipped:
        paths.setdefault(reason, []).append(path)
    groups = [
        Skipped(reason, len(them), tuple(shown(path_of(path)) for path in them[:EXAMPLES]))
        for reason, them in paths.items()
    ]
    return sorted(groups, key=lambda group: -group.count)
