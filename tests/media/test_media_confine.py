"""What a decoder that was taken over could reach: tried from inside, and seen from outside."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.media_files import click, write
from vid_assets.errors import MediaError
from vid_assets.media import MediaSettings, confine, identify, open_media, sandbox
from vid_assets.media.holes import FIXED, known_holes
from vid_assets.media.protection import Protection

ROOT = Path(__file__).parents[2]
# Starts the real worker; its decode pass is replaced by attempts, once it is confined. Each ends in a word.
BOOT = """
import sys; sys.path.insert(0, sys.argv[1])
from vid_assets.media import worker
import ctypes, json, os, signal, socket, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
def tried(attempt):
    try:
        answer = attempt()
    except OSError as error:
        return os.strerror(error.errno)
    return 'done' if answer is None else answer
def call(number, *values):
    if libc.syscall(number, *values) < 0:
        raise OSError(ctypes.get_errno(), '')
def one_pass(folder, settings, pulse):
    outside = {outside!r}
    raise worker.Refused(json.dumps({{name: tried(attempt) for name, attempt in {{ {attempts} }}.items()}}), 'x')
worker.decode_file = one_pass
{before}
worker.main(sys.argv[2:])
"""
FILES = """
'read': lambda: open(outside + '/secret').read(),
'list': lambda: str(os.listdir(outside)),
'write': lambda: open(outside + '/new', 'w').close(),
'overwrite': lambda: open(outside + '/secret', 'r+').close(),
'truncate': lambda: os.truncate(outside + '/secret', 0),
'remove': lambda: os.unlink(outside + '/secret'),
'move in': lambda: os.rename(outside + '/secret', str(folder / 'mine')),
'move out': lambda: (open(folder / 'x', 'w').close(), os.rename(folder / 'x', outside + '/x'))[1],
'link': lambda: os.link(outside + '/secret', folder / 'mine'),
'symlink': lambda: os.symlink(outside + '/secret', folder / 'link'),
'fifo': lambda: os.mkfifo(folder / 'fifo'),
'folder': lambda: os.mkdir(folder / 'folder'),
'rights': lambda: os.chmod(outside + '/secret', 0o777),
'owner': lambda: os.chown(outside + '/secret', 1, 1),
'times': lambda: os.utime(outside + '/secret'),
'attributes': lambda: os.setxattr(outside + '/secret', 'user.x', b'1'),
'memory of the parent': lambda: open('/proc/%d/mem' % os.getppid(), 'rb').close(),
'own memory as a file': lambda: open('/proc/self/mem', 'wb').close(),
'environment': lambda: open('/proc/%d/environ' % os.getppid()).read(),
'passwords': lambda: open('/etc/passwd').read(),
'device': lambda: open('/dev/zero', 'rb').close(),
'root': lambda: os.chroot(folder),
"""
OTHERS = """
'tcp': lambda: socket.socket(socket.AF_INET).close(),
'udp': lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(),
'unix': lambda: socket.socket(socket.AF_UNIX).close(),
'netlink': lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
'pair': lambda: [each.close() for each in socket.socketpair()] and None,
'run': lambda: os.execv('/bin/true', ['true']),
'fork': lambda: os.fork() or os._exit(0),
'spawn': lambda: os.posix_spawn('/bin/true', ['true'], {{}}) and None,
'signal': lambda: os.kill(os.getppid(), 0),
'signal to a group': lambda: os.kill(0, 0),
'debug': lambda: call({ptrace}, 16, os.getppid(), 0, 0),
'look into': lambda: call({process_vm_readv}, os.getppid(), 0, 0, 0, 0, 0),
'namespace': lambda: call({unshare}, 0x10000000),
'mount': lambda: call({mount}, b'none', b'/mnt', b'tmpfs', 0, 0),
'ring': lambda: call(425, 8, ctypes.create_string_buffer(256)),
'program for the kernel': lambda: call({bpf}, 0, 0, 0),
'keys': lambda: call({keyctl}, 0, 0, 0, 0, 0),
'user': lambda: os.setuid(0),
'limits': lambda: call({prlimit}, 0, 7, struct.pack('QQ', 9999, 9999), None),
'priority': lambda: os.nice(-5) and None,
'file in memory': lambda: os.memfd_create('x') and None,
'other interface': lambda: call(0x40000000 | 41, 2, 1, 0),
"""
NUMBERS = {
    "x86_64": {
        "ptrace": 101,
        "process_vm_readv": 310,
        "unshare": 272,
        "mount": 165,
        "bpf": 321,
        "keyctl": 250,
        "prlimit": 302,
    },
    "aarch64": {
        "ptrace": 117,
        "process_vm_readv": 270,
        "unshare": 97,
        "mount": 40,
        "bpf": 280,
        "keyctl": 219,
        "prlimit": 261,
    },
}
MACHINE = os.uname().machine
needs_landlock = pytest.mark.skipif(
    any(layer.missing for layer in sandbox.protection().layers), reason="this kernel lacks a layer"
)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return write(tmp_path / "in" / "clip.mkv", stamps=range(30), sounds=[(0.0, click(1.2, 0.5))])


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir(mode=0o777)
    (folder / "secret").write_text("secret")
    return folder


def opened(clip: Path):
    return open_media(clip, identify(clip).video_id, clip.parent.parent / "scratch", MediaSettings())


def tried(clip: Path, outside: Path, attempts: str, monkeypatch, before: str = "") -> dict[str, str]:
    """Let the decoder try something; return how each attempt ended."""
    attempts = attempts.format(**NUMBERS[MACHINE]) if "{" in attempts else attempts
    monkeypatch.setattr(sandbox, "BOOT", BOOT.format(outside=str(outside), attempts=attempts, before=before))
    with pytest.raises(MediaError) as caught:
        opened(clip)
    return json.loads(caught.value.problem)


@needs_landlock
def test_the_decoder_reaches_no_other_file(clip, outside, monkeypatch):
    before = {path: path.lstat() for path in (outside, outside / "secret")}
    ends = tried(clip, outside, FILES, monkeypatch)
    assert set(ends.values()) <= {"Permission denied", "Operation not permitted", "Invalid cross-device link"}, ends
    assert {path: path.lstat() for path in before} == before
    assert (outside / "secret").read_text() == "secret"


@needs_landlock
def test_the_decoder_opens_no_socket_and_starts_nothing(clip, outside, monkeypatch):
    ends = tried(clip, outside, OTHERS, monkeypatch)
    refused = {"Operation not permitted", "Function not implemented"}
    assert {name for name, end in ends.items() if end not in refused} == set()
    assert len(ends) == OTHERS.count("lambda")


@needs_landlock
def test_what_decoding_needs_is_left(clip, outside, monkeypatch):
    ends = tried(
        clip,
        outside,
        """
        'its folder': lambda: str(sorted(os.listdir(folder))),
        'a file': lambda: (folder / 'a').write_text('x') and None,
        'renamed': lambda: (folder / 'a').rename(folder / 'b') and None,
        'removed': lambda: (folder / 'b').unlink(),
        'the media file': lambda: str(len(os.pread(0, 4, 0))),
        'a thread': lambda: (lambda t: (t.start(), t.join()))(threading.Thread(target=print))[1],
        'chance': lambda: str(len(os.urandom(8))),
        'late code': lambda: __import__('wave') and None,
        """,
        monkeypatch,
    )
    expected = {"its folder": "['worker.log']", "the media file": "4", "chance": "8"}
    assert ends == {name: expected.get(name, "done") for name in ends}


@pytest.mark.parametrize(
    ("before", "missing"),
    [
        ("from vid_assets.media import confine; confine._CREATE_RULESET = 999", "no Landlock (this kernel has none)"),
        ("from vid_assets.media import confine; confine._SECCOMP_CALL = 999, 999", "no seccomp (this kernel has none)"),
        ("import platform; platform.machine = lambda: 'vax'", "no seccomp (the calls of vax are not listed)"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "several"),
    ],
)
def test_a_missing_layer_is_told_and_the_other_holds(clip, monkeypatch, caplog, before, missing):
    boot = sandbox.BOOT.replace("from vid_assets.media.worker", f"{before}; from vid_assets.media.worker")
    monkeypatch.setattr(sandbox, "BOOT", boot)
    monkeypatch.setattr(sandbox, "_latest", None)
    with caplog.at_level(logging.WARNING):
        assert opened(clip).video.frame_count == 30
    protection = sandbox.latest_protection()
    assert protection
    assert sum(bool(layer.missing) for layer in protection.layers) == 1
    assert len(caplog.records) == 1
    assert missing in caplog.text
    assert missing in str(protection)


def test_what_confines_the_decoder_is_tried_and_told():
    protection = sandbox.protection()
    if not any(layer.missing for layer in protection.layers):
        assert protection.attempts == {"files": False, "sockets": False, "processes": False}
        assert re.match(r"Landlock \d+, seccomp, limits; FFmpeg \d+\.\d+", str(protection))
    layers = tuple(confine.Layer(name) for name in confine.LAYERS)
    assert Protection(layers, "8.1.2", {"sockets": True}).problems == ["it reaches sockets"]
    assert "CVE-2026-8461" in str(Protection(layers, "8.1.1", {}))
    assert "is no release" in str(Protection(layers, "N-118000-gabc", {}))


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("8.1.2", "", "CVE-2026-8461"),
        ("n8.1.2-3-g0123456", "", "CVE-2026-8461"),
        ("8.1", "CVE-2026-8461", "CVE-2025-22921"),
        ("8.0.3", "CVE-2025-22921", "CVE-2026-8461"),
        ("8.0.2", "CVE-2026-8461", "CVE-2025-67306"),
        ("7.1.2", "CVE-2025-69693", "CVE-2025-9951"),
        ("7.1.1", "CVE-2025-9951", "CVE-2025-22919"),
        ("6.1.9", "CVE-2025-9951", ""),
        ("8.2", "", "CVE-2026-8461"),
        ("9.0.1", "", "CVE-2026-8461"),
    ],
)
def test_holes_follow_the_branches(version, has, lacks):
    holes = known_holes(version)
    assert holes is not None
    assert not has or has in holes
    assert lacks not in holes
    assert set(holes) <= set(FIXED)


@pytest.mark.parametrize("version", ["", "N-118000-gabcdef", "git-2026-01-01", "unknown"])
def test_versions_that_are_no_release_are_not_judged(version):
    assert known_holes(version) is None


def test_a_decoder_that_was_taken_over_names_no_file_of_others(clip, outside, monkeypatch):
    for name in ("../../outside/secret", str(outside / "secret"), "link", "missing", "folder"):
        body = f"os.symlink({str(outside / 'secret')!r}, folder / 'link'); os.mkdir(folder / 'folder')"
        boot = (
            "import sys, os; sys.path.insert(0, sys.argv[1]); from vid_assets.media import worker\n"
            "worker.confine = lambda folder: []\n"
            f"def one_pass(folder, settings, pulse):\n    {body}; return {{'files': {{{name!r}: 6}}}}\n"
            "worker.decode_file = one_pass; worker.main(sys.argv[2:])"
        )
        monkeypatch.setattr(sandbox, "BOOT", boot)
        with pytest.raises(MediaError, match="no file of its own"):
            opened(clip)


def calls_once_confined(trace: str) -> list[str]:
    """Return the calls of the decoder and its threads after it is confined, as strace prints them."""
    mine: set[str] = set()
    found: list[str] = []
    for line in trace.splitlines():
        thread, _, call = line.partition(" ")
        if call.strip().startswith("seccomp(SECCOMP_SET_MODE_FILTER"):
            mine.add(thread)
        elif thread in mine:
            found.append(call.strip())
            if child := re.search(r"clone.*= (\d+)$", call):
                mine.add(child[1])
    return found


@needs_landlock
@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_seen_from_outside_a_confined_decoder_stays_in_its_folder(tmp_path, name):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    if subprocess.run(["strace", "-o", str(trace), "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not trace processes")
    codec, pixels = ("ffv1", "bgr0") if name.endswith("mkv") else ("libx264", "yuv420p")
    clip = write(
        tmp_path / name,
        stamps=range(30),
        sounds=[(0.0, click(1.2, 0.5))],
        codec=codec,
        pixels=pixels,
        sound_codec="flac",
    )
    code = (
        "import sys; from pathlib import Path; from vid_assets.media import identify, open_media\n"
        "p = Path(sys.argv[1]); print(open_media(p, identify(p).video_id, p.parent / 'scratch').video.frame_count)"
    )
    run = ["strace", "-f", "-qq", "-o", str(trace), sys.executable, "-c", code, str(clip)]
    assert subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "30\n"
    calls = calls_once_confined(trace.read_text(errors="replace"))
    opened = [found[1] for call in calls if (found := re.search(r'open(?:at)?\(.*?"([^"]*)".*\) = \d', call))]
    assert len([path for path in opened if path.startswith(str(tmp_path / "scratch"))]) > 5
    allowed = (str(tmp_path / "scratch"), *map(str, confine._code_folders()))
    assert [path for path in opened if not path.startswith(allowed)] == []
    assert [call for call in calls if re.match(r"(socket|connect|execve|fork|vfork|ptrace|bind|send)", call)] == []
