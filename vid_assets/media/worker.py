"""The decoding process: it limits itself, does one job with the file on its standard input, and reports.

`vid_assets.media.sandbox` starts it; the pipeline never imports it.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from vid_assets.media.confine import Layer, attempts, confine
from vid_assets.media.decode_pass import CONVERT, Refused, decode_file
from vid_assets.media.settings import Limits, MediaSettings, variable

STACK_BYTES = 8 << 20
PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Do a job with standard input, in a folder, and write one line of JSON.

    Args:
        arguments: Process id of the parent, the folder, and as JSON the settings and the job. The job names itself
            and its arguments; without one, the file is decoded.
    """
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    parent, folder, values = int(arguments[0]), Path(arguments[1]), json.loads(arguments[2])
    job = json.loads(arguments[3]) if len(arguments) > 3 else {}
    limits = Limits(**values.pop("limits"))
    settings = MediaSettings(limits=limits, **values)
    # Before the limits: loading a library needs address space and open files.
    import av
    import av.error

    layers: list[Layer] = []
    try:
        _limit(parent, limits)
        layers = confine(folder)
        report = _done(job, folder, settings, _Pulse(channel))
    except Refused as refusal:
        report: dict[str, Any] = dict(zip(("problem", "fix"), refusal.args, strict=True))
    except (MemoryError, av.error.BlockingIOError):
        # A thread without room for its stack fails with "try again".
        report = _out_of_memory(limits)
    except av.error.FFmpegError as error:
        report = {"problem": f"cannot be read as video or sound ({error.strerror})", "fix": "check it, or " + CONVERT}
        # Demuxers say so of broken content too.
        report["outside"] = error.errno == errno.EIO and not _is_readable(0)
    except OSError as error:
        report = _unwritable(error, folder, limits)
    report |= {"layers": [asdict(layer) for layer in layers], "ffmpeg": av.ffmpeg_version_info}
    channel.write(b"\n" + json.dumps(report).encode() + b"\n")


def _done(job: dict[str, Any], folder: Path, settings: MediaSettings, pulse: "_Pulse") -> dict[str, Any]:
    match job.pop("name", "decode"):
        case "cut":
            from vid_assets.media.cut import cut_file

            return cut_file(folder, settings, pulse, **job)
        case "stills":
            from vid_assets.media.stills import take_stills

            return take_stills(folder, settings, pulse, **job)
        case "attempts":
            return {"files": {}, "attempts": attempts()}
        case _:
            return decode_file(folder, settings, pulse)


def _is_readable(descriptor: int) -> bool:
    """Whether the disk gives every byte of a file."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        while os.read(descriptor, 1 << 20):
            pass
    except OSError:
        return False
    return True


def _out_of_memory(limits: Limits) -> dict[str, str]:
    problem = f"decoding needs more than {limits.memory_bytes >> 20} MB"
    return {"problem": problem, "fix": f"raise {variable('memory_bytes')}, or {CONVERT}"}


def _unwritable(error: OSError, folder: Path, limits: Limits) -> dict[str, Any]:
    if error.errno == errno.ENOMEM:
        return _out_of_memory(limits)
    fixes = {errno.EFBIG: f"raise {variable('file_bytes')}", errno.ENOSPC: "free space or lower the scratch cap"}
    fix = fixes.get(error.errno or 0, "check the folder and its rights")
    problem = f"the scratch folder {folder.parent} cannot be written ({error.strerror})"
    return {"problem": problem, "fix": fix, "outside": error.errno != errno.EFBIG}


def _limit(parent: int, limits: Limits) -> None:
    """Limit what this process may use, and let it die with the parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    if sys.platform == "linux":
        # If the stack itself has no room to grow, the kernel sends SIGSEGV instead of reporting an error.
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        if taken + STACK_BYTES > limits.memory_bytes:
            raise MemoryError
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the line above.
    if os.getppid() != parent:
        sys.exit("the parent is gone")


class _Pulse:
    """Reports progress to the parent, at most once per second."""

    def __init__(self, channel: BinaryIO) -> None:
        self._channel = channel
        self._next = 0.0

    def beat(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 1
            self._channel.write(b"\n")
