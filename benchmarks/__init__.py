"""Measurements of the whole system; ``vid-assets bench`` runs them."""
