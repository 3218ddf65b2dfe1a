"""Videos and shots that show the same pictures, by the hashes of the table ``shots``."""

import polars as pl

from resources.warehouse.resource import Warehouse
from vid_assets.errors import MediaError
from vid_assets.export.subject import find

BITS = 8


def similar_videos(video: str, warehouse: Warehouse, bits: int = BITS) -> pl.DataFrame:
    """Return the videos that show the same pictures, most of them first: the macro ``similar_videos``.

    Args:
        video: Its id, the start of it, its file name, or the path of its file.
        warehouse: The warehouse.
        bits: Most bits in which the hashes of the same picture differ, of 64.

    Raises:
        MediaError: There is no such video, or its shots are not known.
    """
    return _asked("FROM similar_videos($video, bits := $bits)", _known(video, warehouse), warehouse, bits=bits)


def similar_shots(video: str, at_s: float, warehouse: Warehouse, bits: int = BITS) -> pl.DataFrame:
    """Return the shots that show the picture of one shot, the likest first: the macro ``similar_shots``.

    Args:
        video: See `similar_videos`.
        at_s: A time in the shot, in seconds.
        warehouse: The warehouse.
        bits: See `similar_videos`.

    Raises:
        MediaError: There is no such video, or its shots are not known.
    """
    query = "FROM similar_shots($video, $at_s, bits := $bits)"
    return _asked(query, _known(video, warehouse), warehouse, bits=bits, at_s=at_s)


def _known(video: str, warehouse: Warehouse) -> str:
    video_id = find(video, warehouse)
    shots = warehouse.read_partition("shots", video_id)
    if shots is None:
        raise MediaError(video_id, "its shots are not known", "analyse it: vid-assets analyze PATH")
    if shots["phash"].null_count() == shots.height:
        raise MediaError(video_id, "none of its shots has a picture with structure", "nothing can be compared")
    return video_id


def _asked(query: str, video_id: str, warehouse: Warehouse, **values: float) -> pl.DataFrame:
    with warehouse.connect() as connection:
        return pl.DataFrame(connection.sql(query, params={"video": video_id, **values}))
