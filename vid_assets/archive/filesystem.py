"""Opens the file system of an archive's URL."""

from pathlib import Path

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs as _url_to_fs
from fsspec.implementations.local import LocalFileSystem

from vid_assets.errors import MediaError, SettingsError


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


def check_archive(url: str) -> None:
    """Check what can be known about an archive without a connection.

    Raises:
        SettingsError: No file system supports the URL, its package is missing, or there is no such folder.
    """
    try:
        fs, root = url_to_fs(url)
    except MediaError as error:
        raise SettingsError(f"VID_ARCHIVE {error.culprit}", error.problem, error.fix) from error
    if isinstance(fs, LocalFileSystem) and not Path(root).is_dir():
        raise SettingsError(f"VID_ARCHIVE {url}", "is no folder", "set it to a folder or URL")
