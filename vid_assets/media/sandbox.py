"""Run the decoder in its own process, so that a hostile file costs that process and nothing else."""

import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from vid_assets.errors import MediaError, OutsideError
from vid_assets.media.protection import Protection
from vid_assets.media.settings import Limits, MediaSettings, variable

LOG = "worker.log"
REPORT_BYTES = 1 << 20
EXIT_S = 10.0
# The worker needs this package and its venv, but no working folder, user site or PYTHON* variable.
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from vid_assets.media.worker import main; main(sys.argv[2:])"
# These signals come from outside; a decoder that crashes ends with others.
_ENDED_BY_OTHERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
ROOT = Path(__file__).parents[2]

_latest: Protection | None = None


def decode(
    file: BinaryIO, name: str, folder: Path, settings: MediaSettings, job: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Decode an open file into `folder`, in one pass, or do another job with it.

    Args:
        file: The media file; the worker reads it through its standard input, so that its name never reaches FFmpeg.
        name: Name of the file in errors.
        folder: An empty folder; on success it holds the ``.npy`` files that the report names.
        settings: How to make the streams, and the limits on the cost.
        job: ``name`` and arguments of another job: ``cut`` (`cut.cut_file`) or ``stills`` (`stills.take_stills`).

    Returns:
        The worker's report: ``files`` (name to bytes), and after a decode ``video``, ``facts``, ``tracks``,
        ``warnings``.

    Raises:
        MediaError: The file is broken, unsupported, hostile or over a limit, or the decoder hung or crashed.
        OutsideError: The decoder was killed, or could not write.
    """
    limits = settings.limits
    given = [json.dumps(asdict(settings)), json.dumps(dict(job or {}))]
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT, str(ROOT), str(os.getpid()), str(folder), *given],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
        )
    try:
        lines, overrun = _listen(process, limits)
        # The worker closes its output when it ends; wait for its exit code.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0 if overrun else EXIT_S)
    finally:
        # The group outlives its leader only if the decoder started a process, which it must not do.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    last_words = _tail(folder / LOG)
    (folder / LOG).unlink()
    if overrun:
        problem, key = overrun
        raise MediaError(name, problem, f"raise {key} if the file is sound, or leave it out" if key else "leave it out")
    report = _parse(lines)
    _note(report)
    if "problem" in report:
        kind = OutsideError if report.get("outside") else MediaError
        raise kind(name, str(report["problem"]), str(report.get("fix")))
    if "files" not in report:
        raise _killed(name, process.returncode, last_words, limits)
    _check_files(report["files"], name, folder)
    return report


def protection(settings: MediaSettings | None = None) -> Protection:
    """Return what confines a decoder on this machine, from one that tries what it must not do.

    Raises:
        MediaError: The decoder does not start.
    """
    with tempfile.TemporaryDirectory(prefix="vid-assets-") as folder, Path(os.devnull).open("rb") as nothing:
        settings = settings or MediaSettings()
        report = decode(nothing, "decoder", Path(folder).resolve(), settings, {"name": "attempts"})
    return Protection.of(report)


def latest_protection() -> Protection | None:
    """Return what confined the latest decoder of this process; None before the first."""
    return _latest


def _note(report: dict[str, Any]) -> None:
    """Remember what confined the decoder; warn once in this process if something is missing."""
    global _latest
    if "layers" in report:
        earlier, _latest = _latest, Protection.of(report)
        if earlier is None and _latest.problems:
            logging.getLogger(__name__).warning("the decoder is not fully confined: %s", "; ".join(_latest.problems))


def _check_files(files: dict[str, int], name: str, folder: Path) -> None:
    """Check that the report names nothing but files of the folder, as a decoder that was taken over may not."""
    for file in files:
        path = folder / file
        if path.parent != folder or path.is_symlink() or not path.is_file():
            raise MediaError(name, f"the decoder reported {file!r}, which is no file of its own", "leave it out")


def _parse(lines: list[bytes]) -> dict[str, Any]:
    """Return the worker's report; empty if there is none, or none that can be parsed."""
    try:
        report = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _environment() -> dict[str, str]:
    """Return the worker's environment: from the parent, only the path to its shared libraries."""
    kept = {key: os.environ[key] for key in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if key in os.environ}
    # Every malloc arena and BLAS thread reserves address space, which counts towards the memory limit.
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", **kept}


def _listen(process: subprocess.Popen[bytes], limits: Limits) -> tuple[list[bytes], tuple[str, str] | None]:
    """Collect the worker's lines until it closes its output; an empty line means progress.

    Returns:
        The lines that are not empty; and, if a limit was exceeded, what happened and the variable that sets the limit.
    """
    assert process.stdout is not None
    deadline = time.monotonic() + limits.wall_s
    received = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return [], (f"decoding took longer than {limits.wall_s:g} s", variable("wall_s"))
            if not selector.select(min(left, limits.stall_s)):
                if limits.stall_s < left:
                    return [], (f"decoding made no progress for {limits.stall_s:g} s", variable("stall_s"))
                continue
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                return [line for line in received.split(b"\n") if line], None
            received = received.lstrip(b"\n") + chunk
            if len(received) > REPORT_BYTES:
                return [], (f"the decoder reported more than {REPORT_BYTES} bytes", "")


def _killed(name: str, code: int, last_words: str, limits: Limits) -> MediaError:
    """Return the error for a worker that ended without a report."""
    if code == -signal.SIGXCPU:
        return MediaError(
            name,
            f"decoding took more than {limits.cpu_s} processor seconds",
            f"raise {variable('cpu_s')} if the file is sound",
        )
    if code == -signal.SIGKILL:
        return OutsideError(name, "the decoder was killed, most likely for memory", "free memory and try again")
    if -code in _ENDED_BY_OTHERS:
        return OutsideError(name, f"the decoder was ended ({signal.Signals(-code).name})", "try again")
    if code < 0:
        return MediaError(name, f"the decoder crashed ({signal.Signals(-code).name})", "convert or leave out the file")
    return MediaError(name, f"the decoder ended with status {code} ({last_words})", "report this file as a defect")


def _tail(path: Path) -> str:
    """Return the last line of a log, shortened."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "no message")
