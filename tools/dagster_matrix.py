"""Runs the tests that lean on Dagster under the oldest and the newest version that pyproject.toml allows.

Dagster's own packages of a version are installed into a folder of their own, which stands before the environment's on
the path; everything else is the environment's. Other versions to try, allowed or not, can be named.
"""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("dagster", "dagster-graphql", "dagster-pipes", "dagster-shared")
TESTS = ("tests/executor", "tests/defs", "tests/archive")


def main() -> int:
    """Run the tests under each version; the exit status is 0 when all pass."""
    parser = argparse.ArgumentParser(prog="python tools/dagster_matrix.py", description=__doc__)
    parser.add_argument("versions", nargs="*", help="versions to try in place of the oldest and the newest")
    parser.add_argument("--at", type=Path, default=ROOT / ".venv" / "dagster", help="where the versions are kept")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH", help="what to run, other than the usual")
    options = parser.parse_args()
    failed = []
    for version in options.versions or oldest_and_newest():
        print(f"Dagster {version}", flush=True)
        if not passes(install(version, options.at / version), options.tests):
            failed.append(version)
    print(f"failed under {', '.join(failed)}" if failed else "passed under all")
    return bool(failed)


def oldest_and_newest() -> list[str]:
    """The ends of the range of releases that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = {needed.name: needed for needed in map(Requirement, project["dependencies"])}
    listing = _pip("index", "versions", "dagster")
    found = re.search(r"^Available versions: (.+)$", listing, re.MULTILINE)
    if found is None:
        sys.exit(f"no versions in the answer of pip index versions dagster:\n{listing}")
    allowed = [version for version in found[1].split(", ") if needs["dagster"].specifier.contains(version)]
    if not allowed:
        sys.exit(f"dagster{needs['dagster'].specifier}: no release fits; the index has {found[1]}")
    return [min(allowed, key=Version), max(allowed, key=Version)]


def install(version: str, folder: Path) -> Path:
    """Put Dagster's packages of a version into a folder, unless they are there."""
    if not (folder / "dagster" / "version.py").exists():
        wanted = [f"{package}=={version}" for package in PACKAGES]
        _pip("install", "--quiet", "--no-deps", "--upgrade", "--target", str(folder), *wanted)
    return folder


def passes(folder: Path, tests: Sequence[str]) -> bool:
    """Whether the tests pass with the packages of a folder before those of the environment."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    ask = [sys.executable, "-c", "import dagster; print(dagster.__version__)"]
    version = subprocess.run(ask, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if version != folder.name:
        sys.exit(f"{folder}: Python imports dagster {version} from elsewhere; remove the folder and run again")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not browser"]
    return subprocess.run([*command, *tests], cwd=ROOT, env=environment).returncode == 0


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed; its message stands above")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
