"""Key frames as JPEG at full size: the picture in the middle of each shot, or the key frame of each scene."""

from pathlib import Path

from vid_assets.export.confined import made
from vid_assets.export.formats import SHOTS, Written
from vid_assets.export.subject import Subject


def write_keyframes(subject: Subject, table: str, folder: Path) -> Written:
    """Write one picture for each shot or scene.

    Args:
        subject: The video.
        table: ``cut_analysis`` for shots, ``scene_segmentation`` for scenes.
        folder: Where they go.

    Raises:
        MediaError: There is no picture, no answer of the analyzer, or no file any more.
    """
    kind = "shot" if table == SHOTS else "scene"
    names = {frame: f"{kind}-{number:04d}" for number, frame in enumerate(_frames(subject, table), 1)}
    with made(subject, {"name": "stills", "frames": list(names)}, folder) as (report, part):
        for frame, name in names.items():
            if f"{frame}.jpg" in report["files"]:
                (part / f"{frame}.jpg").replace(folder / f"{name}.jpg")
    lost = [
        f"{name}: picture {frame} is not there"
        for frame, name in names.items()
        if f"{frame}.jpg" not in report["files"]
    ]
    return Written(len(names) - len(lost), missing=tuple(lost))


def _frames(subject: Subject, table: str) -> list[int]:
    """Return the number of the picture for each shot or scene, ascending."""
    rows = subject.rows(table, "there are no shots to show")
    if table != SHOTS:
        return rows.sort("key_frame")["key_frame"].to_list()
    boundaries = rows.sort("first_frame").select("last_frame", "first_frame").rows()
    firsts = [0, *(first for _, first in boundaries)]
    lasts = [*(last for last, _ in boundaries), subject.facts["frame_count"] - 1]
    return [(first + last) // 2 for first, last in zip(firsts, lasts, strict=True) if first <= last]
