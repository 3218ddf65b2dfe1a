"""One asset for each file in ``vid_assets/analyzers``."""

import dagster as dg

from vid_assets.discovery import discover
from vid_assets.factory import analyzer_asset

defs = dg.Definitions(assets=[analyzer_asset(analyzer) for analyzer in discover()])
