"""Which host process serves a deployment: the one started from the same row, settings, code and libraries."""

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resources.catalog.spec import ModelSpec

LIBRARIES = (
    "accelerate", "bitsandbytes", "ctranslate2", "faster-whisper", "grpcio", "numpy", "onnxruntime", "polars",
    "rapidocr", "torch", "transformers",
)  # fmt: skip
PACKAGE = __name__.partition(".")[0]
IMPORT = re.compile(rf"^\s*(?:from|import) ({PACKAGE}(?:\.\w+)*)(?: import (\([^)]*\)|[^\n]*))?", re.MULTILINE)


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
    for path in _reached("resources.hosting.server.process", host.partition(":")[0]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(_libraries().encode())
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
    """The modules of this package that a file imports, inside functions or not.

    By pattern, as parsing would cost every run half a second. A module too many does no harm.
    """
    names: list[str] = []
    for module, imported in IMPORT.findall(path.read_text()):
        names += [module, *(f"{module}.{name}" for name in re.findall(r"\w+", imported) if module == PACKAGE)]
    return names


@functools.cache
def _libraries() -> str:
    return "\n".join([sys.version, *(f"{name}=={_version(name)}" for name in LIBRARIES)])


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
