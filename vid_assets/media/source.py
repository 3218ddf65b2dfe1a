"""What a media file is called: a readable partition key that follows its content, not its place."""

import errno
import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from vid_assets.errors import MediaError, OutsideError
from vid_assets.media.paths import shown

SLUG_LENGTH = 40
DIGEST_LENGTH = 12
# These say something of the path itself: it is none, is too long, or leads in a circle.
_OF_THE_PATH = (None, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.EINVAL)
VIDEO_ID = re.compile(rf"[a-z0-9_]{{1,{SLUG_LENGTH}}}-[0-9a-f]{{{DIGEST_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Source:
    """One media file and its identity.

    Attributes:
        video_id: Partition key: slug of the file's stem, a dash, the first 12 hex digits of `content_hash`.
        path: Where it was found.
        content_hash: SHA-256 of the whole file, 64 hex digits.
        size: Bytes.
    """

    video_id: str
    path: Path
    content_hash: str
    size: int


def identify(path: Path) -> Source:
    """Read the whole file once and name it after its stem and its content.

    Args:
        path: Any regular file. Its name may hold anything that the file system allows.

    Returns:
        The source. Its ``video_id`` holds only ``a-z 0-9 _ -``, so that it can stand in file names, URLs, SQL and
        Dagster partition keys as it is.

    Raises:
        MediaError: The path is no regular file, or empty.
        OutsideError: The file is not there, or cannot be read now, or not by this user.
    """
    with open_regular(path) as file:
        try:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise OutsideError(shown(path), f"cannot be read ({error.strerror})", "check the disk") from None
        size = file.tell()
    return Source(video_id(path.stem, digest), path, digest, size)


def video_id(stem: str, content_hash: str) -> str:
    """Partition key of a file, from its name without suffix and the SHA-256 of its bytes."""
    return f"{slug(stem)}-{content_hash[:DIGEST_LENGTH]}"


def open_regular(path: Path) -> BufferedReader:
    """Open a non-empty regular file for reading; a pipe or device is refused instead of waited for.

    Raises:
        MediaError: As `identify`.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer that may never come.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OutsideError(shown(path), "there is no such file", "check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        kind = MediaError if getattr(error, "errno", None) in _OF_THE_PATH else OutsideError
        raise kind(shown(path), f"cannot be opened ({reason})", "check the path and its rights") from None
    status = os.fstat(descriptor)
    problem = None
    if stat.S_ISDIR(status.st_mode):
        problem = "is a folder"
    elif not stat.S_ISREG(status.st_mode):
        problem = "is not a regular file"
    elif status.st_size == 0:
        problem = "is empty"
    if problem:
        os.close(descriptor)
        raise MediaError(shown(path), problem, "name a media file")
    return os.fdopen(descriptor, "rb")


def slug(text: str) -> str:
    """The readable part of a key: ASCII ``a-z 0-9 _``, 1 to 40 characters; ``video`` where nothing readable is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:SLUG_LENGTH].strip("_") or "video"
