"""Opens the file system of an archive's URL."""

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs as _url_to_fs

from vid_assets.errors import MediaError


def url_to_fs(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        MediaError: No file system supports the URL, or its package is missing.
    """
    try:
        return _url_to_fs(url)
    except ImportError as error:
        problem, fix = f"its package is missing ({error})", "install vid_assets[s3], [gcs], [azure] or what it names"
        raise MediaError(url, problem, fix) from error
    except ValueError as error:
        raise MediaError(url, f"no file system supports it ({error})", "set VID_ARCHIVE to a folder or URL") from error
