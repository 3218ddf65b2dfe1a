"""Which host process serves a deployment: the one started from the same row, settings, code and libraries."""

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resources.catalog import ModelSpec

LIBRARIES = (
    "accelerate", "bitsandbytes", "ctranslate2", "faster-whisper", "grpcio", "numpy", "onnxruntime", "polars",
    "rapidocr", "torch", "transformers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """Names a host process.

    Attributes:
        stem: ``<model>-<digest>``: the stem of its files. Another digest is another process, with other files.
        code: Digest of the code and the libraries.
    """

    stem: str
    code: str


def identify(spec: ModelSpec, options: Mapping[str, Any]) -> Identity:
    """The identity of the host that serves this row with these settings, started from the code as it is now."""
    code = code_digest(spec.host)
    facts = json.dumps([asdict(spec), dict(options), code], sort_keys=True)
    return Identity(f"{spec.name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}", code)


@functools.cache
def code_digest(host: str) -> str:
    """Digest of this package's files, the host class's file, and the versions of the libraries that compute.

    Args:
        host: Import path of the host class, ``module:Class``. Its package is imported, the module is not.
    """
    digest = hashlib.sha256()
    paths = sorted(Path(__file__).parent.glob("*.py"))
    found = importlib.util.find_spec(host.partition(":")[0])
    if found is not None and found.origin is not None and Path(found.origin) not in paths:
        paths.append(Path(found.origin))
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    versions = [sys.version, *(f"{name}=={_version(name)}" for name in LIBRARIES)]
    digest.update("\n".join(versions).encode())
    return digest.hexdigest()[:12]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
