"""Selects the current profile."""

import functools
import os
from pathlib import Path

from resources.catalog.rows import catalogue
from resources.catalog.spec import PROFILES, hub_manifest
from resources.errors import ModelUnavailable
from resources.settings import settings


def resolve_profile(wanted: str = "") -> str:
    """Return the profile to use: the given one, else ``VID_PROFILE``, else ``auto``.

    ``auto`` is ``gpu`` if a CUDA driver shows a device. Otherwise it is ``cpu`` if ``vid-assets models pull --profile
    cpu`` has fetched a row of that profile, else ``offline``. This imports nothing and does not use the network.

    Raises:
        ModelUnavailable: There is no such profile.
        InvalidSetting: A variable has an invalid value.
    """
    named = wanted or settings().profile
    if named == "auto":
        return _detect()
    if named not in PROFILES:
        raise ModelUnavailable(f"profile {named!r}", "unknown", f"set VID_PROFILE to auto, {', '.join(PROFILES)}")
    return named


@functools.cache
def _detect() -> str:
    gpus = Path("/proc/driver/nvidia/gpus")
    if gpus.is_dir() and any(gpus.iterdir()) and os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1"):
        return "gpu"
    models = settings().models
    rows = (spec for spec in catalogue() if spec.source == "hub" and "cpu" in spec.profiles)
    return "cpu" if any(hub_manifest(spec, models).is_file() for spec in rows) else "offline"
