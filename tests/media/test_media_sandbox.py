"""Hostile and broken files, limits, kills, and the scratch folder under concurrency."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resources.telemetry import OPT_OUT
from tests.kit.media_files import click, write
from vid_assets.errors import MediaError, OutsideError
from vid_assets.media import Limits, Media, MediaSettings, identify, open_media, sandbox, streams, trim_scratch
from vid_assets.media.scratch import META

ROOT = Path(__file__).parents[2]
# Starts the real worker with another decode pass, once its limits are in force.
BOOT = """
import sys, time; sys.path.insert(0, sys.argv[1])
from vid_assets.media import worker
def one_pass(folder, settings, pulse):
    {body}
worker.decode_file = one_pass
worker.main(sys.argv[2:])
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.mkv", stamps=range(30), sounds=[(0.0, click(1.2, 0.5))])


def opened(path: Path, limits: Limits | None = None) -> Media:
    settings = MediaSettings(limits=limits or Limits())
    return open_media(path, identify(path).video_id, path.parent / "scratch", settings)


def refused(path: Path, problem: str, limits: Limits | None = None) -> None:
    """The file is refused in one line that names it, and nothing but the lock file is left behind."""
    with pytest.raises(MediaError, match=problem) as caught:
        opened(path, limits)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert caught.value.culprit == str(path)
    assert caught.value.fix
    assert [entry.suffix for entry in (path.parent / "scratch").iterdir()] == [".lock"]


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; the test's own timeout is the deadline."""
    while not condition():
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


HOSTILE = {
    "text": (b"hello world\n" * 100, "cannot be read as video or sound"),
    "zeros": (bytes(100_000), "cannot be read as video or sound"),
    "playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n", "cannot be read|allow list"),
    "concat": (b"ffconcat version 1.0\nfile 'clip.mkv'\n", "not on the allow list"),
    "subtitles": (b"1\n00:00:00,000 --> 00:00:01,000\nhi\n\n", "not on the allow list"),
    "dash": (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "cannot be read|allow list"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100), "not on the allow list"),
    "no index": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\x10\0mdat" + bytes(5000), "cannot be read as video or sound"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_media_is_refused(tmp_path: Path, kind: str):
    path = tmp_path / "file.mp4"
    path.write_bytes(HOSTILE[kind][0])
    refused(path, HOSTILE[kind][1])


def test_a_codec_off_the_list_is_refused(tmp_path: Path):
    path = write(tmp_path / "a.mkv", stamps=range(3), codec="snow", pixels="yuv420p", options={"strict": "-2"})
    refused(path, r"video codec \(snow\) is not on the allow list")


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(frames=29), "more than 29 pictures; raise VID_MAX_PICTURES"),
        (Limits(pixels=1000), "64 x 36 px, the limit is 1000 px; raise VID_MAX_PIXELS"),
        (Limits(duration_s=0.1), "lasts longer than .* h; raise VID_MAX_HOURS"),
        (Limits(file_bytes=50_000), "File too large.*raise VID_DECODE_FILE_GB"),
        (Limits(memory_bytes=64 << 20), "needs more than 64 MB; raise VID_DECODE_MEMORY_GB"),
        (Limits(cpu_per_s=1e-3), "decoding 0.0 s of it took more than 0 processor seconds; raise VID_DECODE_CPU_PER_S"),
        (Limits(wall_s=0.001), "took longer than 0.001 s; raise VID_DECODE_HOURS"),
    ],
)
def test_every_limit_holds(clip: Path, limits: Limits, problem: str):
    refused(clip, problem, limits)


def test_a_length_that_no_header_announces_is_limited_too(tmp_path: Path):
    path = write(tmp_path / "a.h264", stamps=range(50), codec="libx264", pixels="yuv420p", form="h264")
    refused(path, "lasts longer than .* h; raise VID_MAX_HOURS", Limits(duration_s=1.0))


@pytest.mark.parametrize(
    ("body", "limits", "problem"),
    [
        ("time.sleep(1000)", Limits(stall_s=0.5), "no progress for 0.5 s"),
        ("while not time.sleep(0.1): pulse._next = 0; pulse.beat()", Limits(wall_s=1.5), "took longer than 1.5 s"),
        ("while True: pass", Limits(cpu_s=1), "more than 1 processor seconds"),
        ("bytearray(8 << 30)", Limits(), "needs more than 4096 MB"),
        ("from av.error import BlockingIOError as E; raise E(11, 'no thread')", Limits(), "needs more than 4096 MB"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Limits(), "killed, most likely for memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Limits(), "crashed .SIGSEGV."),
        ("raise KeyError('what')", Limits(), "ended with status 1 .KeyError: 'what'"),
        ("print('x' * 3_000_000); return ['?']", Limits(), "ended with status 1 .TypeError"),
        ("pulse._channel.write(b'{?'); raise SystemExit(3)", Limits(), "ended with status 3"),
        ("pulse._channel.write(b'x' * 3_000_000); time.sleep(1000)", Limits(), "reported more than"),
    ],
)
def test_a_decoder_that_goes_wrong_costs_only_itself(
    clip: Path, monkeypatch: pytest.MonkeyPatch, body: str, limits: Limits, problem: str
):
    monkeypatch.setattr(sandbox, "BOOT", BOOT.format(body=body))
    refused(clip, problem, limits)
    monkeypatch.undo()
    assert opened(clip).decode_passes == 1


@pytest.mark.parametrize("disk_fails", [False, True])
def test_an_error_of_input_counts_against_the_disk_only_if_it_is_the_disk_s(clip: Path, monkeypatch, disk_fails: bool):
    """FFmpeg's demuxers report it for broken content too."""
    failing = "worker.os.read = lambda *a: (_ for _ in ()).throw(OSError(5, 'disk'))" if disk_fails else "pass"
    body = f"{failing}; from av.error import FFmpegError as E; raise E(5, 'Input/output error')"
    monkeypatch.setattr(sandbox, "BOOT", BOOT.format(body=body))
    with pytest.raises(MediaError, match="Input/output error") as caught:
        opened(clip)
    assert isinstance(caught.value, OutsideError) == disk_fails


def test_the_sandbox_is_bare(clip: Path, monkeypatch: pytest.MonkeyPatch):
    body = (
        "import json, resource as r; raise worker.Refused(json.dumps([sorted(os.environ),"
        " r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE), sorted(sys.path), leads,"
        " sorted(m for m in sys.modules if m in ('polars', 'dagster', 'torch'))]), 'x')"
    )
    # this call is refused later
    boot = BOOT.format(body=body).replace("def one", "import os; leads = os.getsid(0) == os.getpid()\ndef one", 1)
    monkeypatch.setattr(sandbox, "BOOT", boot)
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("PYTHONPATH", str(clip.parent))
    with pytest.raises(MediaError) as caught:
        opened(clip)
    names, core, files, path, leads, heavy = json.loads(caught.value.problem)
    allowed = {"PATH", "LC_ALL", "LC_CTYPE", "MALLOC_ARENA_MAX", "OPENBLAS_NUM_THREADS", "LD_LIBRARY_PATH"}
    assert set(names) <= allowed | set(OPT_OUT)
    assert set(names) >= set(OPT_OUT)
    assert (core, files, leads, heavy) == ([0, 0], [64, 64], True, [])
    assert str(clip.parent) not in path
    assert "" not in path


def test_pyav_stays_out_of_the_parent():
    code = "import sys, vid_assets.media; print(sorted({'av', 'cv2', 'dagster', 'polars', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_hostile_names_reach_neither_ffmpeg_nor_the_scratch_folder(clip: Path):
    for name in ("http:--x", "concat:a|b.mkv", "pipe:0", "a\nb'\";--.mkv", "%03d.mkv", "-i.mkv", "é" * 100):
        path = clip.parent / "names" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(clip.read_bytes())
        media = opened(path)
        assert media.video.frame_count == 30
        assert (path.parent / "scratch" / media.video.video_id / META).is_file()


@pytest.mark.parametrize("key", ["../../x", "", "clip", "clip-0123456789AB", "a/b-0123456789ab", "x-0123456789ab\n"])
def test_only_keys_are_taken(clip: Path, key: str):
    with pytest.raises(MediaError, match="is no video id"):
        open_media(clip, key, clip.parent / "scratch")


def test_later_openings_find_what_the_first_one_made(clip: Path):
    first, second = opened(clip), opened(clip)
    assert (first.reused, second.reused) == (False, True)
    assert (first.decode_passes, second.decode_passes) == (1, 1)
    assert first.decode_s == second.decode_s > 0
    assert first.thumbs
    assert second.thumbs
    assert np.array_equal(first.thumbs.array, second.thumbs.array)


def test_eight_openings_at_once_decode_once(clip: Path):
    code = (
        "import sys; from concurrent.futures import ThreadPoolExecutor as T; from pathlib import Path\n"
        "from vid_assets.media import identify, open_media\n"
        "p = Path(sys.argv[1]); key = identify(p).video_id\n"
        "with T(2) as pool: found = list(pool.map(lambda _: open_media(p, key, p.parent / 'scratch'), range(2)))\n"
        "print(*(m.decode_passes for m in found), sum(not m.reused for m in found), found[0].video.frame_count)"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(clip)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    with ThreadPoolExecutor(2) as pool:
        here = list(pool.map(opened, [clip, clip]))
    answers = [worker.communicate()[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert [media.decode_passes for media in here] == [1, 1]
    assert {tuple(answer[:2]) + tuple(answer[3:]) for answer in answers} == {("1", "1", "30")}
    assert sum(int(answer[2]) for answer in answers) + sum(not media.reused for media in here) == 1
    assert not list((clip.parent / "scratch").glob(".tmp-*"))


def test_a_killed_run_leaves_no_half_scratch_and_no_decoder(clip: Path):
    scratch = clip.parent / "scratch"
    body = (
        "import os; report = real(folder, settings, pulse);"
        " (folder / 'pid').write_text(str(os.getpid())); time.sleep(1000)"
    )
    boot = BOOT.format(body=body).replace("def one_pass", "real = worker.decode_file\ndef one_pass")
    code = (
        "import sys; from pathlib import Path; from vid_assets.media import identify, open_media, sandbox\n"
        "p = Path(sys.argv[1]); sandbox.BOOT = sys.argv[2]; open_media(p, identify(p).video_id, p.parent / 'scratch')"
    )
    run = subprocess.Popen([sys.executable, "-c", code, str(clip), boot], cwd=ROOT)
    wait_for(lambda: any(file.read_text() for file in scratch.glob(".tmp-*/pid")))
    decoder = int(next(scratch.glob(".tmp-*/pid")).read_text())
    assert alive(decoder)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_for(lambda: not alive(decoder))
    assert not list(scratch.glob("[!.]*/"))
    media = opened(clip)
    assert (media.decode_passes, media.video.frame_count, media.reused) == (1, 30, False)
    assert not list(scratch.glob(".tmp-*"))


@pytest.mark.parametrize("harm", ["missing array", "short array", "broken meta", "other layout", "no folder"])
def test_scratch_that_is_not_whole_is_made_again(clip: Path, harm: str):
    folder = opened(clip).video
    place = clip.parent / "scratch" / folder.video_id
    meta = json.loads((place / META).read_text())
    if harm == "missing array":
        (place / "frames.npy").unlink()
    elif harm == "short array":
        os.truncate(place / "thumbs.npy", 1000)
    elif harm == "broken meta":
        (place / META).write_text("{")
    elif harm == "other layout":
        (place / META).write_text(json.dumps(meta | {"layout": -1}))
    else:
        place.rename(clip.parent / "elsewhere")
    again = opened(clip)
    assert (again.reused, again.decode_passes, again.video) == (False, 2, folder)


def test_a_changed_file_is_not_taken_for_the_one_that_was_registered(clip: Path):
    key = identify(clip).video_id
    opened(clip)
    copy = clip.parent / "copy.mkv"
    copy.write_bytes(clip.read_bytes())
    assert open_media(copy, key, clip.parent / "scratch").reused
    copy.write_bytes(clip.read_bytes() + b"\0")
    with pytest.raises(MediaError, match="no longer that of"):
        open_media(copy, key, clip.parent / "scratch")
    with pytest.raises(MediaError, match="no longer that of"):
        open_media(copy, key, clip.parent / "empty scratch")


def test_a_file_that_is_still_being_written_is_refused(clip: Path, monkeypatch: pytest.MonkeyPatch):
    def decode(*arguments: Any) -> Any:
        with clip.open("ab") as file:
            file.write(b"more")
        return sandbox.decode(*arguments)

    monkeypatch.setattr(streams, "decode", decode)
    refused(clip, "was written to while it was decoded")


def videos(folder: Path, count: int) -> list[Path]:
    """Clips of different content, opened in order, and let go."""
    paths = [write(folder / f"v{i}.mkv", stamps=range(3 + i)) for i in range(count)]
    for index, path in enumerate(paths):
        media = opened(path)
        media.close()
        os.utime(folder / "scratch" / media.video.video_id / META, ns=(index, index))
    return paths


def test_trimming_takes_the_longest_unopened_first_and_spares_what_is_kept_or_open(tmp_path: Path):
    paths = videos(tmp_path, 5)
    keys = [identify(path).video_id for path in paths]
    scratch = tmp_path / "scratch"
    held = opened(paths[1])
    size = {key: sum(file.stat().st_size for file in (scratch / key).iterdir()) for key in keys}
    os.utime(scratch / keys[1] / META, ns=(1, 1))
    assert trim_scratch(scratch, sum(size.values())) == []
    assert trim_scratch(scratch, sum(size.values()) - 1, keep=[keys[0]]) == [keys[2]]
    assert trim_scratch(scratch, 0) == [keys[0], keys[3], keys[4]]
    assert held.thumbs
    assert held.thumbs.path
    assert held.thumbs.path.is_file()
    del held
    assert trim_scratch(scratch, 0) == [keys[1]]
    assert list(scratch.iterdir()) == []
    again = opened(paths[1])
    assert (again.reused, again.decode_passes) == (False, 1)


def test_opening_makes_a_video_young_again(tmp_path: Path):
    paths = videos(tmp_path, 2)
    opened(paths[0]).close()
    assert trim_scratch(tmp_path / "scratch", 1) == [identify(path).video_id for path in (paths[1], paths[0])]


def test_trimming_removes_what_the_dead_left_behind_but_not_what_is_being_made(clip: Path):
    scratch = clip.parent / "scratch"
    opened(clip)
    (scratch / ".tmp-dead-0123456789ab-xyz").mkdir()
    (scratch / ".trash-abc" / "x").mkdir(parents=True)
    living = scratch / ".tmp-live-0123456789ab-xyz"
    living.mkdir()
    from vid_assets.media.scratch import decoding

    with decoding(scratch, "live-0123456789ab"):
        trim_scratch(scratch, 1 << 40)
        assert [entry.name for entry in scratch.glob(".t*")] == [living.name]
    assert trim_scratch(clip.parent / "none", 0) == []


def test_opening_and_trimming_at_once_never_breaks_an_opening(clip: Path):
    scratch = clip.parent / "scratch"
    stop = threading.Event()

    def trim() -> None:
        while not stop.is_set():
            trim_scratch(scratch, 0)
            time.sleep(0.01)

    trimmer = threading.Thread(target=trim)
    trimmer.start()
    try:
        for _ in range(4):
            media = opened(clip)
            assert media.frames
            assert np.load(media.frames.path or "").shape == media.frames.array.shape
            media.close()
    finally:
        stop.set()
        trimmer.join()
