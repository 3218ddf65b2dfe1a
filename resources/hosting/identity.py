"""What identifies a model's answers, and the host process that gives them.

`model_digest` changes when the same picture or sound may get another answer: another revision, option, precision or
code of the host. It is part of every analyzer's code version. `identify` names the host process by the same digest and
by what only the process depends on: the row's costs, the serving code, the versions of libraries.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resources.catalog.spec import ModelSpec

LIBRARIES = (
    "accelerate", "bitsandbytes", "ctranslate2", "faster-whisper", "grpcio", "numpy", "onnxruntime", "polars",
    "rapidocr", "torch", "transformers",
)  # fmt: skip
PACKAGE = __name__.partition(".")[0]
SERVER = f"{PACKAGE}.hosting.server.process"
# Rooms whose code carries answers and does not make them.
CARRIERS = tuple(f"{PACKAGE}.{room}" for room in ("hosting", "catalog", "errors", "fs"))


@dataclass(frozen=True, slots=True)
class Identity:
    """Names a host process.

    Attributes:
        stem: ``<model>-<digest>``: the stem of its files. Another digest is another process, with other files.
        code: Digest of the code and the libraries.
    """

    stem: str
    code: str


def model_digest(spec: ModelSpec, options: Mapping[str, Any]) -> str:
    """12 hex digits that change when the model may answer differently; the same on every machine."""
    place = spec.repo if spec.source == "hub" else Path(spec.repo).name
    facts = [spec.host, spec.source, place, spec.revision, spec.precision, dict(options), answering_code(spec.host)]
    return _short(json.dumps(facts, sort_keys=True))


def identify(spec: ModelSpec, options: Mapping[str, Any]) -> Identity:
    """The identity of the host process that serves this row with these settings, from the code as it is now."""
    code = code_digest(spec.host)
    facts = [model_digest(spec, options), asdict(spec), code]
    return Identity(f"{spec.name}-{_short(json.dumps(facts, sort_keys=True))}", code)


@functools.cache
def answering_code(host: str) -> str:
    """Digest of the host's module and of the modules of its package that it imports; comments and docstrings aside.

    Args:
        host: Import path of the host class, ``module:Class``. Its package is imported, the module is not.
    """
    files = {name: path for name, path in _reached(host).items() if not name.startswith(CARRIERS)}
    return _short("\n".join(f"{name} {_meaning(path)}" for name, path in sorted(files.items())))


@functools.cache
def code_digest(host: str) -> str:
    """Digest of all files that a host process can import, and of the versions of the libraries that compute.

    So an edited host restarts its own model alone, and an edited warehouse none.
    """
    files = _reached(f"{SERVER}:", host)
    texts = [f"{name}\0{path.read_text()}" for name, path in sorted(files.items())]
    return _short("\0".join([*texts, _libraries()]))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _reached(*hosts: str) -> dict[str, Path]:
    """The files of the hosts' modules, and of all modules of the same packages that they import, directly or not."""
    reached: dict[str, Path] = {}
    waiting = [host.partition(":")[0] for host in hosts]
    packages = {PACKAGE, *(module.partition(".")[0] for module in waiting)}
    while waiting:
        module = waiting.pop()
        if module in reached or module.partition(".")[0] not in packages:
            continue
        found = _found(module)
        if found is not None:
            reached[module] = found
            waiting += _imports(module, found)
    return reached


def _found(module: str) -> Path | None:
    """The file of a module; None for a name inside one."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


@functools.cache
def _imports(module: str, path: Path) -> tuple[str, ...]:
    """What a file imports, inside functions or not: modules, and names that may be modules."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(name for node in ast.walk(_tree(path)) for name in _named(node, package))


def _named(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        yield source
        yield from (f"{source}.{alias.name}" for alias in node.names)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@functools.cache
def _meaning(path: Path) -> str:
    """A digest of what a file does: neither comments, nor docstrings, nor layout."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = list(_without_docstring(node.body))
    return _short(ast.dump(tree))


def _without_docstring(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for place, statement in enumerate(body):
        text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if place or not text:
            yield statement


@functools.cache
def _libraries() -> str:
    return "\n".join([sys.version, *(f"{name}=={_version(name)}" for name in LIBRARIES)])


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
