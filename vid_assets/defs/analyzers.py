"""One asset for each file in ``vid_assets/analyzers``."""

import dagster as dg

from vid_assets.defs.factory import analyzer_asset
from vid_assets.registry import discover

defs = dg.Definitions(assets=[analyzer_asset(analyzer) for analyzer in discover()])
