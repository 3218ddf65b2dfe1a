"""No module imports itself by way of others: the graph of imports has no circle."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import resources
import vid_assets

PACKAGES = (resources, vid_assets)


def modules() -> dict[str, Path]:
    """All modules of the project by name."""
    found = {}
    for package in PACKAGES:
        (folder,) = package.__path__
        for path in Path(folder).rglob("*.py"):
            parts = path.relative_to(Path(folder).parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules that a file imports, inside functions and for type checkers too."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import module` needs the module; a name inside one needs that one
            names = [deep if (deep := f"{source}.{alias.name}") in known else source for alias in node.names]
        else:
            continue
        yield from (name for name in names if name in known and name != module)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            component = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(component) > 1:
                found.append(sorted(component))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"g"}, "g": {"f"}}
    assert sorted(circles(graph)) == [["a", "b", "c"], ["f", "g"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b, name", {"a.b", "a"}),
        ("from a.b import name", {"a.b"}),
        ("from . import other", {"p.other"}),
        ("from .other import name", {"p.other"}),
        ("from .. import p", {"p"}),
        ("def f():\n    import a", {"a"}),
        ("import json", set()),
    ],
)
def test_imports_are_read(tmp_path, code, names):
    known = dict.fromkeys(("a", "a.b", "p", "p.me", "p.other"), tmp_path)
    file = tmp_path / "me.py"
    file.write_text(code)
    found = set(imported("p.sub.me" if code.startswith("from ..") else "p.me", file, known))
    assert found == names


def test_no_module_imports_itself_by_way_of_others():
    known = modules()
    assert {"resources.hosting.handle", "vid_assets.defs.factory", "vid_assets"} <= set(known)
    graph = {name: set(imported(name, path, known)) for name, path in known.items()}
    assert sum(map(len, graph.values())) > len(graph)
    assert circles(graph) == []
