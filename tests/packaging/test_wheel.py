"""The wheel holds all of both packages, and works from it alone."""

import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from tests.packaging.conftest import PACKAGES, ROOT


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files_below(root: Path) -> set[str]:
    """Files of both packages, relative to `root`, without what Python makes itself."""
    files = (path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file())
    return {str(path.relative_to(root)) for path in files if "__pycache__" not in path.parts}


def metadata(unpacked: Path, name: str) -> str:
    (folder,) = unpacked.glob("*.dist-info")
    return (folder / name).read_text()


def test_every_file_of_the_packages_is_in_it(unpacked):
    assert files_below(unpacked) == files_below(ROOT)


def test_every_module_lies_in_a_package():
    """Folders without ``__init__.py`` are no packages for setuptools, hence not in the wheel."""
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert [str(path) for path in modules if not (path.parent / "__init__.py").is_file()] == []


def test_it_names_licence_program_and_types(unpacked):
    facts = message_from_string(metadata(unpacked, "METADATA"))
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts.get_all("License-File") == ["LICENSE", "NOTICE"]
    for name in ("LICENSE", "NOTICE"):
        assert metadata(unpacked, f"licenses/{name}") == (ROOT / name).read_text()
    assert "vid-assets = vid_assets.cli:main" in metadata(unpacked, "entry_points.txt").splitlines()
    assert metadata(unpacked, "top_level.txt").split() == sorted(PACKAGES)
    assert [package for package in PACKAGES if not (unpacked / package / "py.typed").is_file()] == []


def test_definitions_import_from_it_alone(unpacked, tmp_path):
    script = (
        "import vid_assets.definitions as it, resources; from vid_assets.registry import discover;"
        "print(it.__file__, resources.__file__, len(discover()), len(it.defs.resolve_all_asset_specs()))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(unpacked)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second, analyzers, assets = done.stdout.split()
    assert Path(first).is_relative_to(unpacked)
    assert Path(second).is_relative_to(unpacked)
    files = [path for path in (ROOT / "vid_assets" / "analyzers").glob("*.py") if path.stem != "__init__"]
    assert int(analyzers) == len(files)
    assert int(assets) > len(files)


def test_every_notice_of_the_tree_is_told_by_the_root_notice():
    """Whoever adds third-party files writes a NOTICE beside them; the one of the root names the same files."""
    whole = (ROOT / "NOTICE").read_text()
    for notice in [path for package in PACKAGES for path in (ROOT / package).rglob("NOTICE")]:
        names = [line.split()[0].rstrip(",/") for line in notice.read_text().splitlines() if line[:1].strip()]
        files = [name for name in names if (notice.parent / name).exists()]
        assert files
        assert [name for name in files if Path(name).name not in whole] == []
