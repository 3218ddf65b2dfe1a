"""Jobs of the confined process on the file of a video: what it makes is moved to where the user wants it."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vid_assets.export.subject import Subject
from vid_assets.media.paths import shown
from vid_assets.media.sandbox import decode


@contextmanager
def made(subject: Subject, job: Mapping[str, Any], out: Path) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """Let the confined process do a job.

    Args:
        subject: The video.
        job: Name and arguments of the job.
        out: Where the results go; the folder of the job is on the same file system.

    Yields:
        The report of the job, and the folder of its files, which is removed at the end.

    Raises:
        MediaError: The file is missing, has changed, or cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    # The process works in this folder, so its path must not depend on where this one works.
    folder = Path(tempfile.mkdtemp(prefix=".part-", dir=out.resolve()))
    try:
        with subject.open() as file:
            yield decode(file, shown(subject.path), folder, subject.media, job), folder
    finally:
        shutil.rmtree(folder)
