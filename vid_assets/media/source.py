"""The identity of a media file: a readable partition key that follows its content, not its location."""

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
# These errors concern the path itself: it is not a path, is too long, or is circular.
_OF_THE_PATH = (None, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.EINVAL)
VIDEO_ID = re.compile(rf"[a-z0-9_]{{1,{SLUG_LENGTH}}}-[0-9a-f]{{{DIGEST_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Source:
    """One media file and its identity.

    Attributes:
        video_id: Partition key: slug of the file's stem, a dash, the first 12 hex digits of `content_hash`.
        path: Where the file was found.
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
        The source. Its ``video_id`` holds only ``a-z 0-9 _ -``, so you can use it unchanged in file names, URLs, SQL
        and Dagster partition keys.

    Raises:
        MediaError: The path is not a regular file, or the file is empty.
        OutsideError: The file is missing, or cannot be read now, or not by this user.
    """
    with open_regular(path) as file:
        try:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise OutsideError(shown(path), f"cannot be read ({error.strerror})", "check the disk") from None
        size = file.tell()
    return Source(video_id(path.stem, digest), path, digest, size)


def video_id(stem: str, content_hash: str) -> str:
    """Return the partition key of a file, from its name without suffix and the SHA-256 of its bytes."""
    return f"{slug(stem)}-{content_hash[:DIGEST_LENGTH]}"


def open_regular(path: Path) -> BufferedReader:
    """Open a non-empty regular file for reading; a pipe or device fails instead of blocking.

    Raises:
        MediaError: As `identify`.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer that may never come.
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
    """Return the readable part of a key: ASCII ``a-z 0-9 _``, 1 to 40 characters; ``video`` if none is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:SLUG_LENGTH].strip("_") or "video"
