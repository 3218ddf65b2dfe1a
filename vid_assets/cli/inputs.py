"""The files of a command line: files, folders with all videos below them, and patterns."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from resources.settings import settings
from vid_assets.archive.listing import leaves
from vid_assets.errors import MediaError


def files_of(paths: Sequence[str]) -> tuple[list[Path], list[MediaError]]:
    """Return the files that the paths name, in the order given and by name within a folder or pattern, each once.

    A path that exists is used unchanged, even with pattern characters in its name. ``**`` descends into folders.

    Returns:
        The files, and the problems of the paths that match none.
    """
    files: dict[Path, None] = {}
    problems: list[MediaError] = []
    for path in paths:
        found = list(_meant(path))
        files.update(dict.fromkeys(found))
        if not found:
            problems.append(_nothing(path))
    return list(files), problems


def _meant(path: str) -> Iterator[Path]:
    # os.path says no where pathlib raises: of a name that is too long, and of a home that nobody has
    place = Path(os.path.expanduser(path))  # noqa: PTH111
    if os.path.isdir(place):  # noqa: PTH112
        yield from _below(place)
    elif os.path.exists(place) or not glob.has_magic(path):  # noqa: PTH110
        yield place
    else:
        for name in sorted(glob.glob(str(place), recursive=True)):  # noqa: PTH207  # Path.glob needs a folder first
            yield from _below(Path(name)) if Path(name).is_dir() else [Path(name)]


def _below(folder: Path) -> Iterator[Path]:
    """Yield files that hold video or sound, by the rules of the archive scan for links and hidden files."""
    within = "" if settings().links == "all" else os.path.realpath(folder)
    seen: set[str] = set()

    def files(place: Path) -> Iterator[Path]:
        if (real := os.path.realpath(place)) in seen:
            return
        seen.add(real)
        for path in sorted(place.iterdir()):
            if path.name.startswith(".") or (within and path.is_symlink() and leaves(path, within)):
                continue
            if path.is_dir():
                yield from files(path)
            elif path.is_file() and _is_media(path):
                yield path

    yield from files(folder)


def _is_media(path: Path) -> bool:
    from vid_assets.media.sniff import why_not

    try:
        return why_not(path.name, lambda count: _head(path, count)) is None
    except OSError:
        return True  # the analysis reports why it cannot be read


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _nothing(path: str) -> MediaError:
    if os.path.isdir(os.path.expanduser(path)):  # noqa: PTH111, PTH112
        return MediaError(path, "holds no video", "name a folder with video or sound files")
    return MediaError(path, "no file matches", "check the pattern, and quote it so that the shell leaves it alone")
