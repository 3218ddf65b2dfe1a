"""The asset that all others depend on."""

import dagster as dg

from vid_assets.defs.factory import videos_asset

defs = dg.Definitions(assets=[videos_asset()])
