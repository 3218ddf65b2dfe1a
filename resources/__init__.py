"""What runs share: the warehouse, the model catalogue, and the hosts that keep the models warm."""
