"""Trains the captioners of profile offline on generated scenes: python -m training.tiny_captioners."""
