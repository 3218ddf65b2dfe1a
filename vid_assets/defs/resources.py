"""The resources: settings, the warehouse, the model engine, and a handle for each model in use.

Nothing is loaded here.
"""

import dagster as dg

from resources.settings import settings
from resources.warehouse.resource import Warehouse
from vid_assets.configuration import MODEL_HOSTS, configuration
from vid_assets.settings import Settings, configured
from vid_assets.sql.publish import publish


class OwnWarehouse(Warehouse):
    """The warehouse of a run, which ends on a machine with other code than the others before anything is loaded."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Do as `Warehouse` does; of a shared one, compare the code.

        Raises:
            OtherCode: This machine has other code or settings than the one that asks for runs.
        """
        super().setup_for_execution(context)
        if context.run is not None and self.is_shared:
            publish(self, in_run=True)


defs = dg.Definitions(
    resources={
        "settings": Settings(
            archive=configured("archive"),
            scratch=configured("scratch"),
            scratch_gb=settings().scratch_gb,
            reports=configured("reports"),
            disabled=configured("disabled"),
        ),
        "warehouse": OwnWarehouse(path=configured("warehouse")),
        "media": configuration().media,
        "model_hosts": MODEL_HOSTS,
        **configuration().models,
    }
)
