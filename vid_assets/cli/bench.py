"""``vid-assets bench``: the benchmarks of the checkout."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

_FOLDER = Path(__file__).parents[2] / "benchmarks"
Arguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ARGS]", show_default=False, help="Passed on; put -- before options, such as -- --help."),
]


def bench(arguments: Arguments = None) -> int:
    """Run the benchmarks of the checkout; benchmarks/README.md says what each measures."""
    from vid_assets.errors import SettingsError

    if not (_FOLDER / "__main__.py").is_file():
        problem, fix = "the installed package has none", "clone the repository and run it there"
        raise SettingsError("benchmarks", problem, fix)
    command = [sys.executable, "-m", "benchmarks", *(arguments or ())]
    return subprocess.run(command, cwd=_FOLDER.parent).returncode
