"""``vid-assets bench``: the benchmarks of the checkout."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

_FOLDER = Path(__file__).parents[2] / "benchmarks"
Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Which; without it: what there is.")]
Arguments = Annotated[
    list[str] | None, typer.Argument(metavar="ARG", show_default=False, help="Passed on; put -- before them.")
]


def bench(name: Name = "", arguments: Arguments = None) -> int:
    """Run a benchmark of the checkout, or list them."""
    from vid_assets.errors import SettingsError

    known = programs(_FOLDER)
    if not known:
        problem, fix = "the installed package has none", "clone the repository and run it there"
        raise SettingsError("benchmarks", problem, fix)
    if not name:
        sys.stdout.writelines(f"{stem}: {summary}\n" for stem, summary in known.items())
        return 0
    if name not in known:
        raise SettingsError(f"benchmark {name!r}", "there is no such one", f"use one of {', '.join(known)}")
    return int(subprocess.run([sys.executable, _FOLDER / f"{name}.py", *(arguments or ())]).returncode != 0)


def programs(folder: Path) -> dict[str, str]:
    """The first line of the docstring of each file that is a program, by name."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found
