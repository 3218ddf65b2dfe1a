"""The rows of the catalogue: what is refused, in one line, and whose rows count."""

import hashlib
import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from resources.catalog import rows
from resources.catalog.rows import GROUP, OURS, catalogue, find, read
from resources.catalog.spec import CHECKPOINT_FILES
from resources.errors import CatalogueError, ModelUnavailable

SHA = "0" * 64
GOOD = {
    "name": '"mine"', "task": '"objects"', "profiles": '["offline"]', "host": '"my_package.hosts:MyHost"',
    "source": '"wheel"', "repo": '"some-wheel"', "revision": '"1.0"', "licence": '"MIT"', "precision": '"fp32"',
    "memory_mb": "100", "files": f'{{ "a.bin" = "{SHA}" }}',
}  # fmt: skip


def row(**changes: str | None) -> str:
    """One row in TOML; `changes` are values in TOML, None for a field that is left out."""
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return "[[model]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


def written(folder: Path, *texts: str, name: str = "models.toml") -> Path:
    file = folder / name
    file.write_text("\n".join(texts))
    return file


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch):
    """Sets VID_CATALOG to files, and the installed packages to none."""

    def name(*files: Path) -> None:
        monkeypatch.setenv("VID_CATALOG", os.pathsep.join(map(str, files)))
        rows._catalogue.cache_clear()

    monkeypatch.setattr(rows, "_offered", lambda: iter(()))
    name()
    yield name
    monkeypatch.undo()
    rows._catalogue.cache_clear()


def test_a_row_becomes_a_spec(tmp_path: Path) -> None:
    file = written(tmp_path, row(options='{ device = "auto", batch = 4 }', gpu_share="0.5", batch="3"))
    spec = read(file)["mine"]
    assert (spec.name, spec.task, spec.profiles, spec.host) == (
        "mine", "objects", ("offline",), "my_package.hosts:MyHost",
    )  # fmt: skip
    assert (spec.source, spec.repo, spec.revision, spec.files) == ("wheel", "some-wheel", "1.0", {"a.bin": SHA})
    assert (spec.options, spec.gpu_share, spec.batch) == ({"device": "auto", "batch": 4}, 0.5, 3)
    assert (spec.window_ms, spec.load_deadline_s, spec.patterns) == (3.0, 600.0, ())


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        ({"name": '"Mine"'}, "name = 'Mine' is not valid", "at most 24 of a-z 0-9 . _ -, a letter or digit first"),
        ({"name": '"../mine"'}, "name = '../mine' is not valid", "at most 24"),
        ({"name": f'"{"a" * 25}"'}, f"name = '{'a' * 25}' is not valid", "at most 24"),
        ({"name": "5"}, "name: Input should be a valid string", "correct name"),
        ({"task": '"my task"'}, "task = 'my task' is not valid", "use the name of a task"),
        ({"profiles": '["cheap"]'}, "profiles = ('cheap',) is not valid", "use some of offline, cpu, gpu, or none"),
        ({"profiles": "3"}, "profiles: Input should be a valid tuple", "correct profiles"),
        ({"host": '"my_package.hosts"'}, "host = 'my_package.hosts' is not valid", "use module:Class"),
        ({"host": '"os; rm:X"'}, "host = 'os; rm:X' is not valid", "use module:Class"),
        ({"source": '"vendored"'}, "source = 'vendored' is not valid", "use one of hub, wheel, package, folder"),
        ({"memory_mb": "0"}, "memory_mb = 0 is not valid", "use the MB that the host process needs"),
        ({"memory_mb": '"much"'}, "memory_mb: Input should be a valid integer", "correct memory_mb"),
        ({"gpu_share": "1.5"}, "gpu_share = 1.5 is not valid", "use a share from 0 to 1"),
        ({"batch": "0"}, "batch = 0 is not valid", "use at least 1"),
        ({"files": None}, "files = {} is not valid", "name each file with its sha256"),
        ({"files": "{ a = 1 }"}, "files.a: Input should be a valid string", "correct files.a"),
        ({"options": "3"}, "options: Input should be a valid dictionary", "correct options"),
        ({"options": "{ a = [{ b = 2026-01-01 }] }"}, "options = {'a': [{'b': ", "use texts, numbers, booleans, lists"),
        ({"licence": None}, "licence: Field required", "correct licence"),
        ({"colour": '"red"'}, "has the unknown fields ['colour']", "use some of batch, files, "),
    ],
)
def test_an_invalid_row_is_one_line_with_its_place_and_the_fix(
    tmp_path: Path, changes: dict[str, str | None], problem: str, fix: str
) -> None:
    file = written(tmp_path, row(name='"good"'), row(**changes))
    with pytest.raises(CatalogueError) as caught:
        read(file)
    name = changes.get("name", '"mine"')
    assert caught.value.culprit == f"{file}, model 2 ({(name or '').strip(chr(34))})"
    assert caught.value.problem.startswith(problem)
    assert fix in caught.value.fix
    assert "\n" not in str(caught.value)


def test_a_row_without_a_name_is_told_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"models\.toml, model 1 \(without a name\): name: Field required"):
        read(written(tmp_path, row(name=None)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row() + row(), r"model 2: the name 'mine' is used twice; rename one"),
        ("[[models]]\n", r"has the unknown tables \['models'\]; write each model as \[\[model\]\]"),
        ("[[model]\n", r"is not TOML: .*; correct the file"),
        ("model = 3\n", r"its model is not a list of tables; write each model as \[\[model\]\]"),
        ("model = [1]\n", r"its model is not a list of tables; write each model as \[\[model\]\]"),
        ('[model]\nname = "x"\n', r"its model is not a list of tables; write each model as \[\[model\]\]"),
    ],
)
def test_a_file_that_is_no_catalogue_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(CatalogueError, match=message) as caught:
        read(file)
    assert caught.value.culprit.startswith(str(file))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path: Path, named) -> None:
    with pytest.raises(
        CatalogueError, match=r"none\.toml: cannot be read \(No such file.*\); correct VID_CATALOG or the package"
    ):
        read(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match=r"binary\.toml: is not TOML: "):
        read(binary)
    named(tmp_path / "none.toml")
    with pytest.raises(CatalogueError, match="correct VID_CATALOG"):
        catalogue()


def test_rows_of_users_come_first_in_their_profiles_and_leave_the_others(tmp_path: Path, named) -> None:
    ours = find("objects", "offline"), find("objects", "cpu"), find("captions", "offline")
    assert ours[0].name == "centernet"
    named(written(tmp_path, row()))
    assert next(spec.name for spec in catalogue()) == "mine"
    assert find("objects", "offline").name == "mine"
    assert find("objects", "offline", "centernet") == ours[0]
    assert (find("objects", "cpu"), find("captions", "offline")) == ours[1:]
    assert len(catalogue()) == len(read(OURS)) + 1


def test_a_row_of_the_same_name_takes_the_place_of_ours(tmp_path: Path, named) -> None:
    named(written(tmp_path, row(name='"centernet"', memory_mb="77")))
    assert [spec.memory_mb for spec in catalogue() if spec.name == "centernet"] == [77]
    assert find("objects", "offline").memory_mb == 77
    assert len(catalogue()) == len(read(OURS))


def test_of_several_files_the_first_counts(tmp_path: Path, named) -> None:
    one = written(tmp_path, row(memory_mb="1"), name="one.toml")
    two = written(tmp_path, row(memory_mb="2"), row(name='"other"'), name="two.toml")
    named(one, two)
    assert [(spec.name, spec.memory_mb) for spec in catalogue()][:2] == [("mine", 1), ("other", 100)]
    named(two, one)
    assert find("objects", "offline").memory_mb == 2


def test_a_model_for_no_profile_is_used_by_name_only(tmp_path: Path, named) -> None:
    named(written(tmp_path, row(profiles="[]")))
    assert find("objects", "offline").name == "centernet"
    assert find("objects", "offline", "mine").profiles == ()


def test_a_name_must_be_of_a_model_for_the_task(named) -> None:
    with pytest.raises(
        ModelUnavailable, match=r"model 'nobody': no such model for the task objects; the catalogue has"
    ):
        find("objects", "offline", "nobody")
    with pytest.raises(ModelUnavailable, match="model 'blip2-tiny': no such model for the task objects"):
        find("objects", "offline", "blip2-tiny")
    with pytest.raises(
        ModelUnavailable, match=r"depth: the profile 'offline' has no model for it; vid-assets models pull"
    ):
        find("depth", "offline")


def test_folders_are_relative_to_the_file_and_their_checksums_are_the_revision(tmp_path: Path, named) -> None:
    folder = tmp_path / "weights" / "net"
    folder.mkdir(parents=True)
    (tmp_path / "rows").mkdir()
    file = written(
        tmp_path / "rows", row(source='"folder"', repo='"../weights/net"', revision=None, files=None), name="a.toml"
    )
    spec = read(file)["mine"]
    assert (spec.source, spec.repo, spec.revision) == ("folder", str(folder), "unsealed")
    sums = f"{SHA}  a.bin\n"
    (folder / "SHA256SUMS").write_text(sums)
    assert read(file)["mine"].revision == hashlib.sha256(sums.encode()).hexdigest()[:12]
    absolute = written(tmp_path, row(source='"folder"', repo=f'"{folder}"', revision=None, files=None), name="b.toml")
    assert read(absolute)["mine"] == read(file)["mine"]


def test_hub_rows_fetch_the_files_of_a_checkpoint_unless_they_say_which(tmp_path: Path) -> None:
    hub = {"source": '"hub"', "repo": '"org/net"', "files": None}
    spec = read(written(tmp_path, row(**hub)))["mine"]
    assert (spec.patterns, spec.files) == (CHECKPOINT_FILES, {})
    assert read(written(tmp_path, row(**hub, patterns='["*.bin"]')))["mine"].patterns == ("*.bin",)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a package with two rows that offers what a test wants."""

    def install(value: str) -> str:
        package = tmp_path / "site" / "offering"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("from pathlib import Path\nROWS = Path(__file__).parent / 'rows.toml'\n")
        written(package, row(name='"offered"'), row(name='"mine"', memory_mb="1"), name="rows.toml")
        info = tmp_path / "site" / "offering-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\nof_test_rows = {value}\n")
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.delenv("VID_CATALOG", raising=False)
        rows._catalogue.cache_clear()
        return value

    yield install
    sys.modules.pop("offering", None)
    rows._catalogue.cache_clear()


def test_installed_packages_offer_rows(installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("offering:ROWS")
    monkeypatch.setenv("VID_CATALOG", str(written(tmp_path, row(memory_mb="9"))))
    names = {spec.name: spec for spec in catalogue()}
    assert next(iter(names)) == "mine"
    assert names["mine"].memory_mb == 9
    assert list(names).index("offered") < list(names).index("whisper-tiny.en-base")
    assert "centernet" in names


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module_of_rows:ROWS", "cannot be loaded: No module named 'no_such_module_of_rows'"),
        ("json:ROWS", "cannot be loaded: module 'json' has no attribute 'ROWS'"),
        ("json", "cannot be loaded: "),
    ],
)
def test_an_offer_that_is_no_path_is_one_line(installed, value: str, problem: str) -> None:
    installed(value)
    with pytest.raises(CatalogueError) as caught:
        catalogue()
    assert caught.value.culprit == f"entry point of_test_rows ({value}) of the group {GROUP}"
    assert caught.value.problem.startswith(problem)
    assert caught.value.fix == "name the path of a TOML file, or uninstall the package"
    assert "\n" not in str(caught.value)


def test_the_project_s_own_rows_are_valid_and_name_classes_that_exist(named) -> None:
    for spec in read(OURS).values():
        module, _, name = spec.host.partition(":")
        found = importlib.util.find_spec(module)
        assert found is not None
        assert found.origin is not None
        assert f"class {name}(" in Path(found.origin).read_text(), spec.host


def test_the_project_s_own_hub_models_are_pinned_to_commits() -> None:
    revisions = {spec.name: spec.revision for spec in read(OURS).values() if spec.source == "hub"}
    assert len(revisions) > 5
    assert not {name for name, revision in revisions.items() if not re.fullmatch("[0-9a-f]{40}", revision)}
