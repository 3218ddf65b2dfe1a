"""Identify files, decode each once, and map the streams that analyzers read. No dagster; PyAV stays in the sandbox."""

from vid_assets.media.scratch import trim_scratch
from vid_assets.media.settings import Limits, MediaSettings
from vid_assets.media.source import Source, identify
from vid_assets.media.streams import Media, open_media

__all__ = ["Limits", "Media", "MediaSettings", "Source", "identify", "open_media", "trim_scratch"]
