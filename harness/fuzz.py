"""``make fuzz SEED=1 N=1000``: hostile files through the scan and the decoder, and some through the whole pipeline.

Each case ends in a right result or in an error of the project that says why, inside its limits. The last line is JSON:

    tried     cases
    answered  decoded, and the streams are consistent; a sound clip also gives what it gives under its own name
    refused   ended with a reason: by the scan, the decoder or a limit
    crashed   an unexpected error in the pipeline, or a wrong result
    hung      took longer than `LONGEST_S`, or more processor time or scratch than its limits
    escaped   touched a file outside the archive, or opened a connection

and besides ``contained``: refused because the decoder itself crashed in its sandbox; and ``whole``: files that also
went through analyzers, report, SQL and exports. The exit code is 1 if anything crashed, hung or escaped. ``CASE=N``
makes and tries one case alone, and keeps its folder.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import math
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.clips import clips
from harness.hostile import Traps, kind_of, make

if TYPE_CHECKING:
    from vid_assets.media import Media

BATCH = 20
LONGEST_S = 600.0
SETTLED_S = 60.0
CPU_S, SCRATCH_BYTES = 60.0, 1 << 30
# memory 2 GB; one minute of processor time for each minute of video; five files of at most 200 MB
LIMITS = {
    "VID_DECODE_MEMORY_GB": "2",
    "VID_DECODE_CPU_PER_S": "1",
    "VID_DECODE_FILE_GB": "0.19",
    "VID_DECODE_HOURS": "0.15",
}
# every twentieth case, at most these many, and all of these kinds
WHOLE_SHARE, WHOLE_MOST = 20, 40
WHOLE_KINDS = ("hostile_name", "hostile_text")


# from the best to the worst
WORDS = ("answered", "refused", "crashed", "hung", "escaped")
End = tuple[str, str]


@dataclass(slots=True)
class Tally:
    """What became of the cases."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    findings: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add what another worker found."""
        self.counts += other.counts
        self.reasons += other.reasons
        self.findings += other.findings

    def end(self, case: "Case", ends: Sequence[End]) -> None:
        """Note how a case ended: the worst of these."""
        word, what = max(ends, key=lambda end: WORDS.index(end[0]))
        self.counts[word] += 1
        if word == "refused":
            self.reasons[_without_numbers(what)] += 1
            self.counts["contained"] += "the decoder crashed" in what
        elif word != "answered":
            self.findings.append(f"CASE={case.number} {case.kind}: {word}: {what}")


@dataclass(frozen=True, slots=True)
class Case:
    """One case in its folder."""

    seed: int
    number: int
    folder: Path

    @property
    def kind(self) -> str:
        """Its kind."""
        return kind_of(self.seed, self.number)


class Trap:
    """A media file outside the archive that tells whether it was read, and a listener that counts connections."""

    def __init__(self, folder: Path, clip: bytes) -> None:
        folder.mkdir()
        self.folder = folder
        self.secret = folder / "secret.mp4"
        self.secret.write_bytes(clip + b"\0\0\0\x10free-secret-")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        threading.Thread(target=self._count, daemon=True).start()
        self.arm()
        self.secret.read_bytes()
        self.tells = self._was_read()
        self.arm()

    @property
    def traps(self) -> Traps:
        """What the generator points at."""
        return Traps(self.secret, self.folder, f"127.0.0.1:{self.listener.getsockname()[1]}")

    def arm(self) -> None:
        """Make the next reading show: file systems note it if the last one is older than the content."""
        os.utime(self.secret, (1_000_000_000, time.time()))

    def sprung(self) -> str:
        """Return what was touched since the last call; empty if nothing."""
        found = ["a file outside the archive was read"] if self.tells and self._was_read() else []
        if self.connections:
            found.append(f"{self.connections} connections were opened")
            self.connections = 0
        self.arm()
        return "; ".join(found)

    def _was_read(self) -> bool:
        return self.secret.stat().st_atime > 1_000_000_001

    def _count(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            self.connections += 1
            connection.close()


def tried(seed: int, numbers: Sequence[int], place: Path, sound: Mapping[str, bytes]) -> Tally:
    """Make some cases in one archive, and take them through the scan and the decoder."""
    tally = Tally(collections.Counter(tried=len(numbers)))
    trap = Trap(place / "outside", sound["mp4"])
    archive, scratch = place / "archive", place / "scratch"
    cases = {str(number): Case(seed, number, archive / str(number)) for number in numbers}
    for case in cases.values():
        case.folder.mkdir(parents=True)
        make(seed, case.number, case.folder, sound, trap.traps)
    let_settle(archive)
    trap.arm()
    with _deadline(LONGEST_S):
        registered, reasons = _scanned(archive, place)
    in_scan = trap.sprung()
    for name, case in cases.items():
        mine = [(path, key) for path, key in registered if Path(path).relative_to(archive).parts[0] == name]
        ends = [("refused", reasons.get(name, "left out"))] if not mine else []
        for path, key in mine[:1]:
            ends += _decoded(case, Path(path), key, scratch, sound)
        # nothing but a link lets the scan itself read elsewhere
        if what := trap.sprung() or (in_scan if case.kind == "link_out" else ""):
            ends.append(("escaped", what))
        tally.end(case, ends)
        if case.kind == "locked":
            (case.folder / "case.mp4").chmod(stat.S_IRUSR | stat.S_IWUSR)
    if in_scan and not any(case.kind == "link_out" for case in cases.values()):
        tally.counts["escaped"] += 1
        tally.findings.append(f"CASE={numbers[0]}..{numbers[-1]}: escaped: in the scan: {in_scan}")
    return tally


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer."""

    def end(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"longer than {seconds:g} s")

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def let_settle(archive: Path) -> None:
    """Date the files back, so that the scan does not wait for them."""
    then = time.time() - SETTLED_S
    for folder, _, names in os.walk(os.fsencode(archive)):
        for name in names:
            with contextlib.suppress(OSError):
                os.utime(os.path.join(folder, name), (then, then), follow_symlinks=False)  # noqa: PTH118 - bytes


def _scanned(archive: Path, place: Path) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Take the archive in.

    Returns:
        Path and key of each registered file; and by the first folder of a path, why it is not.
    """
    import dagster as dg

    from resources.warehouse.records import SOURCES
    from resources.warehouse.resource import Warehouse
    from vid_assets.archive.register import take_in
    from vid_assets.archive.scan import Archive
    from vid_assets.media.paths import path_of
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(place / "warehouse"))
    publish(warehouse)
    with dg.DagsterInstance.ephemeral() as instance, Archive(str(archive), place / "scratch") as index:
        taken = take_in(index, place / "scratch", warehouse, instance, seconds=math.inf)
    rows = warehouse.read_table(SOURCES.name).select("path", "video_id").collect().rows()
    told = [
        *taken.refused,
        *taken.unreadable,
        *(f"{path}: {group.reason}" for group in taken.skipped for path in group.examples),
    ]
    reasons = {}
    for line in told:
        rest = line.removeprefix(f"{archive}/")
        name, _, _ = rest.partition("/")
        reasons[name] = rest.partition(": ")[2]
    return [(str(path_of(path)), key) for path, key in rows], reasons


def _decoded(case: Case, path: Path, key: str, scratch: Path, sound: Mapping[str, bytes]) -> list[End]:
    """Decode the file of a case; return how it ended, in all respects."""
    from vid_assets.errors import VidAssetsError
    from vid_assets.media import MediaSettings, open_media

    before, length = _cpu_s(), 0.0
    ends: list[End] = []
    try:
        with _deadline(LONGEST_S), contextlib.closing(open_media(path, key, scratch, MediaSettings())) as media:
            length = media.video.duration_s
            problem = inconsistency(media) or _difference(case, media, path, sound)
        ends.append(("crashed", problem) if problem else ("answered", ""))
    except VidAssetsError as error:
        ends.append(("refused", error.problem))
    except TimeoutError as error:
        ends.append(("hung", str(error)))
    except Exception:  # noqa: BLE001 - whatever it is, it is what the harness looks for
        ends.append(("crashed", traceback.format_exc(limit=-3)))
    spent = _cpu_s() - before
    size = sum(file.stat().st_blocks * 512 for file in scratch.rglob("*.npy"))
    # loading the decoder's libraries takes a second or two
    if spent > CPU_S * max(1.0, math.ceil(length / 60)) + 5:
        ends.append(("hung", f"{spent:.0f} processor seconds for {length:.1f} s"))
    if size > SCRATCH_BYTES:
        ends.append(("hung", f"{size >> 20} MB of scratch"))
    for folder in scratch.glob(f"{key}*/"):
        shutil.rmtree(folder)
    return ends


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def inconsistency(media: "Media") -> str:
    """Return how the streams of a video contradict each other; empty if they do not."""
    video, found = media.video, []
    if not (math.isfinite(video.duration_s) and 0 < video.duration_s <= 4 * 3600 + 1):
        found.append(f"a duration of {video.duration_s}")
    for name, stream in (("thumbs", media.thumbs), ("frames", media.frames)):
        if stream is None:
            continue
        times = stream.times_s
        if len(times) != len(stream.array) or not np.isfinite(times).all() or (np.diff(times) < 0).any():
            found.append(f"times of {name} that do not ascend")
        elif len(times) and (times[0] < 0 or times[-1] > video.duration_s + 1e-6):
            found.append(f"times of {name} outside the video")
    if media.thumbs is not None and len(media.thumbs.array) != video.frame_count:
        found.append("another number of pictures than thumbs")
    if media.audio is not None and not (np.abs(media.audio.samples) <= 1).all():
        found.append("samples beyond full scale")
    return ", ".join(found)


def _difference(case: Case, media: "Media", path: Path, sound: Mapping[str, bytes]) -> str:
    """Return how a sound clip under a hostile name differs from itself; empty if it does not."""
    if case.kind == "link_out":
        return "a file outside the archive was analysed"
    if case.kind not in ("wrong_extension", "hostile_name"):
        return ""
    data = path.read_bytes()
    known = next((suffix for suffix, clip in sound.items() if data.startswith(clip)), "")
    container = media.facts["container"]
    return "" if _CONTAINERS.get(known, "?") in container else f"read as {container}, it is {known}"


_CONTAINERS = {
    "mp4": "mp4", "mkv": "matroska", "webm": "webm", "avi": "avi", "ts": "mpegts", "flv": "flv", "wav": "wav",
    "mp3": "mp3",
}  # fmt: skip


def _without_numbers(text: str) -> str:
    return "".join("0" if c.isdigit() else c for c in text.split("; ")[0])[:100].replace("00", "0").replace("00", "0")


def _work(seed: int, numbers: list[int], sound: dict[str, bytes]) -> Tally:
    os.environ.update(LIMITS)
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        return tried(seed, numbers, Path(folder), sound)


def fuzz(seed: int, count: int, jobs: int) -> Tally:
    """Try the cases 0 to `count` of a seed, in several processes."""
    tally, sound = Tally(), clips()
    batches = [list(range(start, min(start + BATCH, count))) for start in range(0, count, BATCH)]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, context) as pool:
        running = {pool.submit(_work, seed, batch, sound): batch for batch in batches}
        for done in concurrent.futures.as_completed(running):
            try:
                tally.add(done.result())
            except Exception:  # noqa: BLE001 - a crash of the scan is a finding
                batch = running[done]
                tally.counts["tried"] += len(batch)
                tally.counts["crashed"] += len(batch)
                tally.findings.append(f"CASE={batch[0]}..{batch[-1]}: crashed: {traceback.format_exc(limit=-4)}")
            sys.stderr.write(f"\r{tally.counts['tried']} of {count}")
    sys.stderr.write("\n")
    return tally


def main() -> int:
    """Run the harness from the command line."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="hostile files; see harness/fuzz.py")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=1000, help="number of cases")
    parser.add_argument("--case", type=int, help="only this case; its folder stays")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-whole", action="store_true", help="leave out analyzers, reports, SQL and exports")
    given = parser.parse_args()
    if given.case is not None:
        os.environ.update(LIMITS)
        place = Path(tempfile.mkdtemp(prefix=f"fuzz-{given.seed}-{given.case}-"))
        sys.stdout.write(f"{kind_of(given.seed, given.case)} in {place}\n")
        tally = tried(given.seed, [given.case], place, clips())
    else:
        tally = fuzz(given.seed, given.n, given.jobs)
        if not given.no_whole:
            from harness.whole import whole

            tally.add(whole(given.seed, given.n))
    return report(tally, given.seed)


def report(tally: Tally, seed: int) -> int:
    """Print what was found, and one line of JSON; return the exit code."""
    for reason, times in tally.reasons.most_common(25):
        sys.stdout.write(f"{times:6d} {reason}\n")
    for finding in tally.findings:
        sys.stdout.write(f"SEED={seed} {finding}\n")
    words = ("tried", "answered", "refused", "crashed", "hung", "escaped", "contained", "whole")
    sys.stdout.write(json.dumps({word: tally.counts[word] for word in words}) + "\n")
    return int(any(tally.counts[word] for word in ("crashed", "hung", "escaped")))


if __name__ == "__main__":
    sys.exit(main())
