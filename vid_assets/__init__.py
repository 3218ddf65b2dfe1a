"""Video archives as Dagster assets: one analyzer, one file, one partitioned table.

`open` is the door to the results for a program or a notebook.
"""

from os import PathLike
from typing import TYPE_CHECKING

from resources.telemetry import opt_out

if TYPE_CHECKING:
    from vid_assets.api import Archive

__all__ = ["open"]

opt_out()


def open(warehouse: "str | PathLike[str] | None" = None) -> "Archive":
    """Return the results of an archive.

    Args:
        warehouse: Folder of the results; None for ``VID_WAREHOUSE``, else ``data/warehouse``.

    Raises:
        SettingsError: There are no results in the folder.
        InvalidSetting: A variable has an invalid value.
    """
    from vid_assets.api import Archive

    return Archive(warehouse)
