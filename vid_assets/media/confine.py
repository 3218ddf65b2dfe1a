"""Take from this process what decoding does not need: other files, sockets, other programs. Sandbox only.

Two layers of Linux, which need no rights and cannot be undone:

- *Landlock* limits which files can be opened: the job's folder, and read-only the code of Python and its packages. The
  media file is open already. The kernel also refuses TCP, signals to other processes, and abstract sockets, as far as
  its version can.
- *seccomp* limits the system calls to those that decoding, and writing files, need. Sockets, new processes, other
  programs, debugging, changes of rights and everything else fail with EPERM.

Where the kernel lacks one, or forbids it, the other still applies; `confine` returns what is missing, and why.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LANDLOCK, SECCOMP = "Landlock", "seccomp"
LAYERS = (LANDLOCK, SECCOMP)
_PR_SET_NO_NEW_PRIVS = 38

# Landlock (linux/landlock.h). The numbers of its calls are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8
_TRUNCATE = 1 << 14
# The rights on files that each version of the interface knows, as a mask.
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP, _OUTSIDE = 0b11, 0b11  # bind and connect; abstract sockets and signals

# seccomp (linux/seccomp.h, linux/filter.h)
_SET_MODE_FILTER, _EVERY_THREAD = 1, 1
_ALLOW, _ERRNO, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x0001_0000
_SET_NAME, _SET_VMA = 15, 0x5356_4D41
_SETOWN, _SETSIG, _SETOWN_EX = 8, 10, 15
_TERMINAL = (0x5401, 0x5450, 0x5451, 0x541B)  # TCGETS, FIONCLEX, FIOCLEX, FIONREAD

# name: number on x86-64, number on AArch64; None where there is none
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "pwrite64": (18, 68), "preadv": (295, 69), "pwritev": (296, 70), "preadv2": (327, 286), "pwritev2": (328, 287),
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "close": (3, 57), "close_range": (436, 436),
    "lseek": (8, 62), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "stat": (4, None), "fstat": (5, 80), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291),
    "statfs": (137, 43), "fstatfs": (138, 44), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439),
    "readlink": (89, None), "readlinkat": (267, 78), "getcwd": (79, 17), "getdents64": (217, 61),
    "ftruncate": (77, 46), "fallocate": (285, 47), "fsync": (74, 82), "fdatasync": (75, 83), "fadvise64": (221, 223),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, None), "unlinkat": (263, 35),
    "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226), "mremap": (25, 216), "madvise": (28, 233),
    "brk": (12, 214), "mincore": (27, 232), "msync": (26, 227), "membarrier": (324, 283),
    "futex": (202, 98), "get_robust_list": (274, 100), "set_robust_list": (273, 99), "rseq": (334, 293),
    "set_tid_address": (218, 96), "exit": (60, 93), "exit_group": (231, 94), "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_setaffinity": (203, 122),
    "sched_getparam": (143, 121), "sched_getscheduler": (145, 120), "getcpu": (309, 168),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getrusage": (98, 165), "getrlimit": (97, 163),
    "sysinfo": (99, 179), "uname": (63, 160), "times": (100, 153), "getrandom": (318, 278),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, None), "poll": (7, None), "ppoll": (271, 73), "select": (23, None),
    "pselect6": (270, 72), "arch_prctl": (158, None),
}  # fmt: skip
_CLONE, _CLONE3 = (56, 220), (435, 435)
_KILL_CALL, _TGKILL = (62, 129), (234, 131)
_PRLIMIT, _PRCTL, _FCNTL, _IOCTL = (302, 261), (157, 167), (72, 25), (16, 29)
_SECCOMP_CALL = (317, 277)
# Newer calls do not exist for this process, so that libraries use older ones.
_NEWEST = 451
_ARCHITECTURES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}

_Step = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Attributes:
        name: One of `LAYERS`.
        missing: Why it is not in force; empty if it is.
        detail: Its version.
    """

    name: str
    missing: str = ""
    detail: str = ""


def confine(folder: Path) -> list[Layer]:
    """Confine this process, for good, to an open media file and a folder.

    Call it while the process has one thread: Landlock binds the thread that calls, and those that it starts.

    Args:
        folder: The only folder that can be read and written.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # glibc opens it when a thread ends, and gives up if it cannot.
    with suppress(OSError):
        ctypes.CDLL("libgcc_s.so.1")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return [_confined_files(libc, _code_folders(), folder), _confined_calls(libc)]


def attempts() -> dict[str, bool]:
    """Try what the decoder must not do, and return for each whether it succeeded.

    Returns:
        ``files``: open a file of another folder. ``sockets``: open a socket. ``processes``: start a process.
    """
    import socket

    def opened() -> None:
        os.close(os.open("/proc/self/environ", os.O_RDONLY))

    def connected() -> None:
        socket.socket(socket.AF_UNIX).close()

    def forked() -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    return {"files": _succeeds(opened), "sockets": _succeeds(connected), "processes": _succeeds(forked)}


def _succeeds(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _code_folders() -> set[Path]:
    """Return the folders with the code of Python, its packages, and this project."""
    here = Path(__file__).parents[2]
    places = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # those of other environments, which `.pth` files and --system-site-packages add
    places |= {Path(place) for place in sys.path if Path(place).name in ("site-packages", "dist-packages")}
    return {place.resolve() for place in (*places, here / "vid_assets", here / "resources") if place.is_dir()}


def _confined_files(libc: ctypes.CDLL, readable: Iterable[Path], writable: Path) -> Layer:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return Layer(LANDLOCK, _why(ctypes.get_errno()))
    # Threads that already run would stay free.
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - a listing, no paths
        return Layer(LANDLOCK, "the process already had several threads")
    rights = _RIGHTS[min(version, max(_RIGHTS))]
    attributes = struct.pack("=QQQ", rights, _TCP if version >= 4 else 0, _OUTSIDE if version >= 6 else 0)
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return Layer(LANDLOCK, _why(ctypes.get_errno()))
    reading = _READ_FILE | _READ_DIR
    writing = reading | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
    try:
        for place in readable:
            _add_rule(libc, rules, place, reading)
        _add_rule(libc, rules, writable, writing & rights)
        if libc.syscall(_RESTRICT_SELF, rules, 0):
            return Layer(LANDLOCK, _why(ctypes.get_errno()))
    except OSError as error:
        return Layer(LANDLOCK, f"a rule was refused ({error.strerror})")
    finally:
        os.close(rules)
    return Layer(LANDLOCK, detail=str(version))


def _add_rule(libc: ctypes.CDLL, rules: int, place: Path, rights: int) -> None:
    descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        if libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _confined_calls(libc: ctypes.CDLL) -> Layer:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return Layer(SECCOMP, f"the calls of {machine} are not listed")
    column, audited = _ARCHITECTURES[machine]
    steps = b"".join(struct.pack("=HBBI", *step) for step in _filter(column, audited))
    buffer = ctypes.create_string_buffer(steps, len(steps))
    program = struct.pack("@HP", len(steps) // 8, ctypes.addressof(buffer))
    if libc.syscall(_SECCOMP_CALL[column], _SET_MODE_FILTER, _EVERY_THREAD, program):
        return Layer(SECCOMP, _why(ctypes.get_errno()))
    return Layer(SECCOMP)


def _filter(column: int, audited: int) -> Iterator[_Step]:
    """Yield the steps of the filter, in classic BPF."""
    refused, unknown = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

    def only(call: tuple[int, int], argument: int, values: Iterable[int], otherwise: int = refused) -> Iterator[_Step]:
        """Allow a call where the low half of an argument has one of these values."""
        block = [(_LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument)]
        for value in values:
            block += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
        yield from where(call, [*block, (_RETURN, 0, 0, otherwise)])

    def where(call: tuple[int, int], block: list[_Step]) -> Iterator[_Step]:
        yield (_EQUAL, 0, len(block), call[column])
        yield from block

    yield (_LOAD, 0, 0, _AT_ARCHITECTURE)
    yield (_EQUAL, 1, 0, audited)
    yield (_RETURN, 0, 0, _KILL)
    yield (_LOAD, 0, 0, _AT_NUMBER)
    for numbers in _CALLS.values():
        if (number := numbers[column]) is not None:
            yield (_EQUAL, 0, 1, number)
            yield (_RETURN, 0, 0, _ALLOW)
    # A thread, but no process. Its flags cannot be seen behind the pointer of clone3.
    flags = (_LOAD, 0, 0, _AT_ARGUMENTS)
    answers = [(_RETURN, 0, 0, refused), (_RETURN, 0, 0, _ALLOW)]
    yield from where(_CLONE, [flags, (_ANY_BIT, 1, 0, _CLONE_THREAD), *answers])
    yield from where(_CLONE3, [(_RETURN, 0, 0, unknown)])
    # Signals to itself, as abort sends them.
    yield from only(_KILL_CALL, 0, [os.getpid()])
    yield from only(_TGKILL, 0, [os.getpid()])
    # Limits are read, not set: both halves of the pointer to new ones are zero.
    new_limits = _AT_ARGUMENTS + 8 * 2
    halves = [(_LOAD, 0, 0, new_limits), (_EQUAL, 0, 3, 0), (_LOAD, 0, 0, new_limits + 4), (_EQUAL, 0, 1, 0)]
    yield from where(_PRLIMIT, [*halves, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, refused)])
    yield from only(_PRCTL, 0, [_SET_NAME, _SET_VMA])
    yield from only(_IOCTL, 1, _TERMINAL, _ERRNO | errno.ENOTTY)
    # No signal to others in place of one's own on input.
    command = [(_LOAD, 0, 0, _AT_ARGUMENTS + 8)]
    for number in (_SETOWN, _SETSIG, _SETOWN_EX):
        command += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refused)]
    yield from where(_FCNTL, [*command, (_RETURN, 0, 0, _ALLOW)])
    yield (_LOAD, 0, 0, _AT_NUMBER)
    yield (_GREATER, 0, 1, _NEWEST)
    yield (_RETURN, 0, 0, unknown)
    yield (_RETURN, 0, 0, refused)


def _why(number: int) -> str:
    """Return why the kernel refuses a layer."""
    if number == errno.ENOSYS:
        return "this kernel has none"
    if number == errno.EOPNOTSUPP:
        return "it is switched off in this kernel"
    return f"it is refused here ({os.strerror(number)})"
