"""The available models, the model that each profile uses, and the location of their weights."""
