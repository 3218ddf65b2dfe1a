"""What is known about a model before it is loaded: a row of the catalogue."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROFILES = ("offline", "cpu", "gpu")
WEIGHTS = Path(__file__).parents[1] / "weights"
SUMS = "SHA256SUMS"
# Files of a transformers checkpoint.
CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A row of the catalogue: one model that answers a task.

    Attributes:
        name: Name of the row, unique in the catalogue; it names the host process and appears in the records.
        task: Name of the task that it answers.
        profiles: The profiles that use it by default; none for a model that is only used by name.
        host: Import path of the host class, ``module:Class``.
        source: ``hub`` (a hub repository), ``wheel`` (files inside a wheel that is never installed), ``package`` (files
            inside an installed package) or ``folder`` (a folder with a ``SHA256SUMS``).
        repo: Hub id, wheel name, package name or path of the folder. A relative path starts at the TOML file.
        revision: Commit or version. For a folder, the digest of its checksum file. A hub row without a known commit has
            ``main``, and the first `pull` fixes the commit. In both cases `pull` records the checksums of the fetched
            files, and later loads verify against them.
        more_wheels: Further wheels with some of the files of a wheel row: name to version.
        files: Path inside the source to sha256. Empty for hub rows (the manifest that `pull` writes has them) and for
            folders (their ``SHA256SUMS`` has them).
        patterns: For hub rows, which files to fetch.
        licence: SPDX identifier of the weights' licence.
        precision: Precision of computing: ``fp32``, ``fp16``, ``bf16``, ``int8``, ``nf4``, ...
        memory_mb: Main memory that the host needs, in MB, including its process.
        gpu_share: Share of one GPU's memory that it needs, 0..1.
        options: Options of the host class, with their values. A handle can change only these values.
        batch: Maximum number of requests in one call of a host's method; 1 if a larger batch is no faster.
        window_ms: How long the first request of a batch waits for others.
        load_deadline_s: Seconds after which a load fails.
    """

    name: str
    task: str
    profiles: tuple[str, ...]
    host: str
    source: str
    repo: str
    revision: str
    licence: str
    precision: str
    memory_mb: int
    more_wheels: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    gpu_share: float = 0.0
    batch: int = 1
    window_ms: float = 3.0
    load_deadline_s: float = 600.0


def sealed_revision(folder: Path) -> str:
    """Return the revision of a folder of weights: 12 hex digits of the sha256 of its ``SHA256SUMS``.

    Returns:
        The digits, or ``unsealed`` without that file; loading such a folder fails.
    """
    sums = folder / SUMS
    return hashlib.sha256(sums.read_bytes()).hexdigest()[:12] if sums.is_file() else "unsealed"


def hub_folder(repo: str) -> Path:
    """Return a repository's folder in the hub's own cache, by the same environment variables that the hub reads."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{repo.replace('/', '--')}"


def hub_manifest(spec: ModelSpec, models: Path) -> Path:
    """Return the file where `pull` records a hub row's commit and checksums. Without it the row was never fetched."""
    return models / "hub" / f"{spec.repo.replace('/', '--')}@{spec.revision}.json"
