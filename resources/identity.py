"""Which host process serves a deployment: the one started from the same row, settings, code and libraries."""

import ast
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
    """Digest of this package's files that a host process can import, and of the libraries' versions that compute.

    So an edited host restarts its own model alone, and an edited warehouse none.

    Args:
        host: Import path of the host class, ``module:Class``. Its package is imported, the module is not.
    """
    digest = hashlib.sha256()
    for path in _reached("resources.server", host.partition(":")[0]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    versions = [sys.version, *(f"{name}=={_version(name)}" for name in LIBRARIES)]
    digest.update("\n".join(versions).encode())
    return digest.hexdigest()[:12]


def _reached(*modules: str) -> list[Path]:
    """The files of these modules and of all modules of this package that they import, directly or not."""
    reached: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        found = None if module in reached else importlib.util.find_spec(module)
        if found is None or found.origin is None:
            continue
        reached[module] = Path(found.origin)
        waiting += _imports(reached[module])
    return [reached[module] for module in sorted(reached)]


@functools.cache
def _imports(path: Path) -> list[str]:
    """The modules of this package that a file imports, inside functions or not."""
    package = __package__ or "resources"
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{package}.{alias.name}" for alias in node.names if node.module == package)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name == package or name.startswith(f"{package}.")]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
