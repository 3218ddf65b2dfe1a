"""The asset that every other one rests on."""

import dagster as dg

from vid_assets.defs.factory import videos_asset

defs = dg.Definitions(assets=[videos_asset()])
