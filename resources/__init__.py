"""What runs share: the warehouse, the model catalogue, and the hosts that keep models warm."""

from resources.telemetry import opt_out

opt_out()
