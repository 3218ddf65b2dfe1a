"""One asset for each file in ``vid_assets/analyzers`` and ``vid_assets/indexes``."""

import dagster as dg

from vid_assets.defs.factory import analyzer_asset
from vid_assets.registry import computed

defs = dg.Definitions(assets=[analyzer_asset(analyzer) for analyzer in computed()])
