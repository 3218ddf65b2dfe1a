"""Pictures of results, as files beside the reports: ``previews/<video_id>/<analyzer>.webp``, the newest of each.

The page of the video shows them. They are not in Dagster's events, which are stored twice, once of it for ever.
"""

import shutil
from pathlib import Path

from resources.fs import write_atomically
from vid_assets.drawing import Picture
from vid_assets.report.pictures import webp

PREVIEWS = "previews"


def keep_preview(reports: Path, video_id: str, analyzer: str, picture: Picture | None) -> None:
    """Replace the picture of an analyzer's result for a video; None removes it."""
    file = reports / PREVIEWS / video_id / f"{analyzer}.webp"
    if picture is None:
        file.unlink(missing_ok=True)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, webp(picture))


def previews_of(reports: Path, video_id: str) -> dict[str, Path]:
    """Return the pictures of a video's results by analyzer."""
    return {file.stem: file for file in sorted((reports / PREVIEWS / video_id).glob("*.webp"))}


def forget_previews(reports: Path, video_id: str) -> None:
    """Remove all pictures of a video's results."""
    shutil.rmtree(reports / PREVIEWS / video_id, ignore_errors=True)
