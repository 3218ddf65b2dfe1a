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
from collections.abc import Callable, Iterable, Iterator, Mapping
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
# Fields of a statement that hold statements, or what holds them.
BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
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
    return _short("\n".join(f"{name} {_read(path).meaning}" for name, path in sorted(files.items())))


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
    for module in waiting:  # it grows meanwhile; a module comes before the names in it
        parent = module.rpartition(".")[0]
        inside = parent in reached and reached[parent].name != "__init__.py"
        if inside or module in reached or module.partition(".")[0] not in packages:
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


def _imports(module: str, path: Path) -> Iterator[str]:
    """What a file imports, inside functions or not: modules, and names that may be modules."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for level, source, names in _read(path).imports:
        above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
        source = ".".join([*above, *([source] if source else [])])
        yield source
        yield from (f"{source}.{name}" for name in names)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file says.

    Attributes:
        imports: For each import its level, its module, and the names that it takes from there.
        meaning: A digest of what the file does: neither comments, nor docstrings, nor layout.
    """

    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    meaning: str


@functools.cache
def _read(path: Path) -> _Read:
    """Reads a file once. Its tree is not kept: the garbage collector would look through all of it again and again."""
    tree = ast.parse(path.read_bytes())
    words: list[str] = []
    _spell(tree, words.append)
    return _Read(
        tuple(found for statement in _statements(tree.body) for found in _imported(statement)), _short(" ".join(words))
    )


def _statements(block: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All statements of a block and of the blocks in it. Walking the expressions too would take ten times as long."""
    for statement in block:
        yield statement
        for name in BLOCKS:
            if inner := getattr(statement, name, None):
                yield from _statements(inner)


def _imported(statement: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    if isinstance(statement, ast.Import):
        yield from ((0, alias.name, ()) for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        yield statement.level, statement.module or "", tuple(alias.name for alias in statement.names)


def _spell(node: ast.AST, say: Callable[[str], None]) -> None:
    """Says the nodes and their values in order, as `ast.dump` does in three times the time.

    Fields without a value are left out, so that a Python whose trees have more fields gives the same digest.
    """
    say(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or name == "ctx":  # a context follows from where the node stands
            continue
        if isinstance(value, list):
            if name == "body" and isinstance(node, DOCUMENTED):
                value = _without_docstring(value)
            if value:
                say(f"{name}[")
                for each in value:
                    if isinstance(each, ast.AST):
                        _spell(each, say)
                    else:
                        say(repr(each))
                say("]")
        elif isinstance(value, ast.AST):
            say(f"{name}=")
            _spell(value, say)
        else:
            say(f"{name}={value!r}")
    say(";")


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if text else body


@functools.cache
def _libraries() -> str:
    return "\n".join([sys.version, *(f"{name}=={_version(name)}" for name in LIBRARIES)])


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
