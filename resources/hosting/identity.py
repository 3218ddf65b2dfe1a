"""What identifies a model's answers, and the host process that gives them.

`model_digest` changes if the same picture or sound may get another answer: another revision, option, precision or host
code. It is part of every analyzer's code version. `identify` names the host process by the same digest and by things
that matter only to the process: the row's costs, the serving code, the versions of libraries.
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
# Fields of a statement that contain statements, or nodes that contain statements.
BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Packages whose code transports answers and does not make them.
CARRIERS = tuple(f"{PACKAGE}.{room}" for room in ("hosting", "catalog", "errors", "fs"))


@dataclass(frozen=True, slots=True)
class Identity:
    """Name of a host process.

    Attributes:
        stem: ``<model>-<digest>``, the stem of its files. Another digest is another process, with other files.
        code: Digest of the code and the libraries.
    """

    stem: str
    code: str


def model_digest(spec: ModelSpec, options: Mapping[str, Any]) -> str:
    """Return 12 hex digits that change if the model may answer differently. They are the same on every machine."""
    place = spec.repo if spec.source == "hub" else Path(spec.repo).name
    facts = [spec.host, spec.source, place, spec.revision, spec.precision, dict(options), answering_code(spec.host)]
    return _short(json.dumps(facts, sort_keys=True))


def identify(spec: ModelSpec, options: Mapping[str, Any]) -> Identity:
    """Return the identity of the host process for this row and these settings, from the current code."""
    code = code_digest(spec.host)
    facts = [model_digest(spec, options), asdict(spec), code]
    return Identity(f"{spec.name}-{_short(json.dumps(facts, sort_keys=True))}", code)


@functools.cache
def answering_code(host: str) -> str:
    """Return the digest of the host's module and the modules that it imports from its package.

    Comments and docstrings do not count.

    Args:
        host: Import path of the host class, ``module:Class``. Its package is imported, the module is not.
    """
    files = {name: path for name, path in _reached(host).items() if not name.startswith(CARRIERS)}
    return _short("\n".join(f"{name} {_read(path).meaning}" for name, path in sorted(files.items())))


@functools.cache
def code_digest(host: str) -> str:
    """Return the digest of all files that a host process can import, and of the versions of the computing libraries.

    So a change in a host restarts only its own model, and a change in the warehouse restarts none.
    """
    files = _reached(f"{SERVER}:", host)
    texts = [f"{name}\0{path.read_text()}" for name, path in sorted(files.items())]
    return _short("\0".join([*texts, _libraries()]))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _reached(*hosts: str) -> dict[str, Path]:
    """Return the files of the hosts' modules, and of all same-package modules that they import, also indirectly."""
    reached: dict[str, Path] = {}
    waiting = [host.partition(":")[0] for host in hosts]
    packages = {PACKAGE, *(module.partition(".")[0] for module in waiting)}
    for module in waiting:  # it grows during the loop; a module comes before the names in it
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
    """Return the file of a module; None for a name inside one."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _imports(module: str, path: Path) -> Iterator[str]:
    """Return what a file imports, also inside functions: modules, and names that may be modules."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for level, source, names in _read(path).imports:
        above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
        source = ".".join([*above, *([source] if source else [])])
        yield source
        yield from (f"{source}.{name}" for name in names)


@dataclass(frozen=True, slots=True)
class _Read:
    """Content of a file.

    Attributes:
        imports: For each import its level, its module, and the imported names.
        meaning: Digest of what the file does, without comments, docstrings and layout.
    """

    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    meaning: str


@functools.cache
def _read(path: Path) -> _Read:
    """Read a file once. The tree is not kept, because the garbage collector would scan all of it again and again."""
    tree = ast.parse(path.read_bytes())
    words: list[str] = []
    _spell(tree, words.append)
    return _Read(
        tuple(found for statement in _statements(tree.body) for found in _imported(statement)), _short(" ".join(words))
    )


def _statements(block: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Return all statements of a block and its nested blocks. Walking expressions too would take ten times as long."""
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
    """Yield the nodes and their values in order, like `ast.dump`, which takes three times as long.

    Fields without a value are left out, so that a Python version with more fields gives the same digest.
    """
    say(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or name == "ctx":  # a context follows from the place of the node
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
