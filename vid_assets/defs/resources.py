"""The resources: settings, the warehouse, the engine of the models, and a handle for each model that is asked.

None of them loads anything here.
"""

import dagster as dg

from resources.warehouse.resource import Warehouse
from vid_assets.configuration import MODEL_HOSTS, configuration
from vid_assets.settings import Settings, configured, setting

defs = dg.Definitions(
    resources={
        "settings": Settings(
            archive=configured("VID_ARCHIVE"),
            scratch=configured("VID_SCRATCH"),
            scratch_gb=float(setting("VID_SCRATCH_GB")),
            reports=configured("VID_REPORTS"),
            disabled=configured("VID_DISABLED"),
        ),
        "warehouse": Warehouse(path=configured("VID_WAREHOUSE")),
        "model_hosts": MODEL_HOSTS,
        **configuration().models,
    }
)
