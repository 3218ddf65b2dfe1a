"""A model for vid_assets: finds red things in pictures, by an ONNX network or by a host class of its own."""

from pathlib import Path

MODELS = Path(__file__).parent / "models.toml"
