"""The resources: settings, the warehouse, the model engine, and a handle for each model in use.

Nothing is loaded here.
"""

import dagster as dg

from resources.settings import settings
from resources.warehouse.resource import Warehouse
from vid_assets.configuration import MODEL_HOSTS, configuration
from vid_assets.settings import Settings, configured

defs = dg.Definitions(
    resources={
        "settings": Settings(
            archive=configured("archive"),
            scratch=configured("scratch"),
            scratch_gb=settings().scratch_gb,
            reports=configured("reports"),
            disabled=configured("disabled"),
        ),
        "warehouse": Warehouse(path=configured("warehouse")),
        "media": configuration().media,
        "model_hosts": MODEL_HOSTS,
        **configuration().models,
    }
)
