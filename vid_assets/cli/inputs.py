"""Which files a command line means: files, folders with all videos below them, and patterns."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from vid_assets.errors import MediaError


def files_of(paths: Sequence[str]) -> tuple[list[Path], list[MediaError]]:
    """The files that paths mean, in the order given and by name within a folder or pattern, each once.

    A path that exists is taken as it is, even with signs of a pattern in its name; ``**`` goes into folders.

    Returns:
        The files, and what is wrong with the paths that mean none.
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
    place = Path(path).expanduser()
    if place.is_dir():
        yield from _below(place)
    elif place.exists() or not glob.has_magic(path):
        yield place
    else:
        for name in sorted(glob.glob(str(place), recursive=True)):  # noqa: PTH207  # Path.glob wants a folder first
            yield from _below(Path(name)) if Path(name).is_dir() else [Path(name)]


def _below(folder: Path) -> Iterator[Path]:
    """Files that hold video or sound, as the archive's scan knows them; hidden ones stay out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file() and _is_media(path):
            yield path


def _is_media(path: Path) -> bool:
    from vid_assets.media.sniff import why_not

    try:
        return why_not(path.name, lambda count: _head(path, count)) is None
    except OSError:
        return True  # the analysis says why it cannot be read


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _nothing(path: str) -> MediaError:
    if Path(path).expanduser().is_dir():
        return MediaError(path, "holds no video", "name a folder with video or sound files")
    return MediaError(path, "no file matches", "check the pattern, and quote it so that the shell leaves it alone")
