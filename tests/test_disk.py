"""Folders that are full, read-only or open to others: one line that names the folder and what it needs."""

import errno
import os
import sqlite3
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
import pytest

from vid_assets import disk
from vid_assets.errors import FolderError, SettingsError, is_outside, number_of


@contextmanager
def mounted(folder: Path, size: str):
    """A small file system of its own; the test is skipped where this is not allowed."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing fits any more, and return the file."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"0" * 4096)
    assert os.statvfs(folder).f_bavail == 0
    return filler


@pytest.fixture
def places(tmp_path, monkeypatch):
    for name in ("warehouse", "scratch", "reports"):
        monkeypatch.setenv(f"VID_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    for name in ("VID_FREE_GB", "VID_ACCESS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def writes(folder):
    """The ways in which the pipeline's libraries write to a folder, each with an error of its own."""

    def parquet():
        with (folder / "a.parquet").open("wb") as file:
            pl.DataFrame({"a": range(10**6)}).write_parquet(file, compression="uncompressed")

    def arrow():
        pl.DataFrame({"a": range(10**6)}).write_ipc(folder / "a.arrow")

    def sqlite():
        with sqlite3.connect(folder / "a.sqlite") as file:
            file.execute("CREATE TABLE a (b)")
            file.executemany("INSERT INTO a VALUES (?)", [("b" * 1000,)] * 10_000)

    def plain():
        (folder / "a").write_bytes(b"a" * 10**7)

    return [parquet, arrow, sqlite, plain]


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize("name", ["VID_WAREHOUSE", "VID_SCRATCH", "VID_REPORTS", "DAGSTER_HOME"])
def test_the_full_folder_is_named_whatever_wrote_to_it(places, name, way):
    folder = disk.folders()[name]
    with mounted(folder, "1m"):
        disk.check()
        filler = fill(folder)
        with pytest.raises((OSError, sqlite3.Error, pl.exceptions.PolarsError)) as caught:
            writes(folder)[way]()
        error = disk.explained(caught.value)
        assert error is not None
        assert error.culprit == f"{name} {folder}"
        assert "its disk is full: 0.0 MB free, 0.1 MB are needed" in error.problem
        assert is_outside(caught.value)
        with pytest.raises(FolderError, match=name):
            disk.check()
        filler.unlink()
        for file in folder.iterdir():
            file.unlink()
        disk.check()


@pytest.mark.parametrize("way", range(4))
def test_a_folder_on_a_read_only_file_system_is_named(places, way):
    folder = disk.folders()["VID_WAREHOUSE"]
    with mounted(folder, "1m"):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises((OSError, sqlite3.Error, pl.exceptions.PolarsError)) as caught:
            writes(folder)[way]()
        error = disk.explained(caught.value)
        assert error is not None
        assert (error.culprit, error.problem) == (
            f"VID_WAREHOUSE {folder}",
            "cannot be written: the file system is read-only",
        )


def test_the_space_that_must_be_free_is_a_setting(places, monkeypatch):
    folder = disk.folders()["VID_SCRATCH"]
    with mounted(folder, "10m"):
        (folder / "some").write_bytes(b"0" * 9 * 2**20)
        disk.check()  # 1 MiB is free, 5 % are needed
        monkeypatch.setenv("VID_FREE_GB", "0.002")
        with pytest.raises(FolderError, match=r"1\.0 MB free, 2\.0 MB are needed"):
            disk.check()
        monkeypatch.setenv("VID_FREE_GB", "0")
        fill(folder)
        disk.check()


def test_a_file_system_without_room_for_another_file_is_full(places):
    folder = disk.folders()["VID_REPORTS"]
    with mounted(folder, "10m,nr_inodes=4"):
        for name in "abc":
            (folder / name).touch()
        with pytest.raises(FolderError, match="VID_REPORTS"):
            disk.check()


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such thing"),
        OSError(errno.ENOENT, "No such file", "/somewhere"),
        OSError(errno.EACCES, "Permission denied", "/films/private.mp4"),
        OSError(errno.ENOSPC, "No space left on device", "/exported/clip.mp4"),
        SettingsError("a", "b", "c"),
    ],
)
def test_other_errors_are_not_about_these_folders(places, error):
    assert disk.explained(error) is None


def test_the_cause_of_an_error_is_looked_at(places):
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", str(places / "scratch" / "x"))
        except OSError as error:
            raise RuntimeError("it failed") from error
    except RuntimeError as error:
        found = disk.explained(error)
    assert found is not None
    assert found.culprit.startswith("VID_SCRATCH")


def test_numbers_of_errors():
    assert number_of(OSError(errno.EROFS, "x")) == errno.EROFS
    assert number_of(pl.exceptions.ComputeError("parquet: No space left on device (os error 28)")) == errno.ENOSPC
    assert number_of(sqlite3.OperationalError("database or disk is full")) == errno.ENOSPC
    assert number_of(sqlite3.OperationalError("no such table")) is None
    assert number_of(ValueError("x")) is None


@pytest.mark.parametrize(("access", "mode"), [("", 0o600), ("group", 0o660), ("all", 0o644)])
def test_who_may_read_what_is_written(places, monkeypatch, access, mode):
    monkeypatch.setenv("VID_ACCESS", access)
    before = os.umask(0o022)
    try:
        disk.keep_private()
        (places / "warehouse").mkdir()
        (places / "warehouse" / "file").touch()
    finally:
        os.umask(before)
    assert (places / "warehouse" / "file").stat().st_mode & 0o777 == mode
    assert (places / "warehouse").stat().st_mode & 0o777 == mode | (mode & 0o444) >> 2


def test_folders_that_were_open_before_are_told(places, monkeypatch):
    for name, mode in (("warehouse", 0o755), ("scratch", 0o700), ("reports", 0o750)):
        (places / name).mkdir()
        (places / name).chmod(mode)  # whatever the umask is
    lines = disk.open_to_others()
    assert [line.split()[0] for line in lines] == ["VID_WAREHOUSE", "VID_REPORTS"]
    assert "(mode 0755); chmod 700 it, or set VID_ACCESS" in lines[0]
    monkeypatch.setenv("VID_ACCESS", "all")
    assert disk.open_to_others() == []
