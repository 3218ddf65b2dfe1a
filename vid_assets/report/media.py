"""Hands out the videos to reports that come from a server: a page from a server may not open files by itself."""

from typing import TYPE_CHECKING

from resources.warehouse.records import SOURCES
from vid_assets.media.paths import is_remote, path_of
from vid_assets.media.source import VIDEO_ID

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from resources.warehouse.stage import Tables

# Beside the pages: the player asks for this address, relative to its page.
MEDIA = "media"


def media(request: "Request", *, warehouse: "Tables") -> "Response":
    """Answer with a registered file, or the part of it that is asked for; 404 for anything else.

    The key is only looked up among the registered videos, so that no other file can be reached.

    Args:
        request: A request whose path has the parameter ``video_id``.
        warehouse: The warehouse with the sources.
    """
    from starlette.responses import FileResponse, PlainTextResponse

    video_id = request.path_params["video_id"]
    source = warehouse.read_partition(SOURCES.name, video_id) if VIDEO_ID.fullmatch(video_id) else None
    path = None if source is None else source["path"].item()
    if path is None or is_remote(path) or not path_of(path).is_file():
        return PlainTextResponse("there is no such file on this machine", 404)
    # without a type, a browser looks at the content; what a file is called says little
    return FileResponse(path_of(path), media_type="application/octet-stream")
