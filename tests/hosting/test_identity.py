"""What another answer is, and what another host process is."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resources.catalog.rows import catalogue, find
from resources.catalog.spec import ModelSpec
from resources.hosting import identity
from resources.hosting.identity import identify, model_digest

CACHES = [value for value in vars(identity).values() if hasattr(value, "cache_clear")]
HOST = '''"""A host."""

from foreign import shared
from foreign.deep import helper
from .sibling import SCALE


class ForeignHost:
    """Answers."""

    def answer(self, value):
        """An answer."""
        from ..late import offset
        # what helpers make of it
        return helper.double(value) * SCALE + offset(value) + shared.ONE
'''
FILES = {
    "__init__.py": "",
    "shared.py": "ONE = 1\n",
    "late.py": "def offset(value):\n    return 0\n",
    "deep/__init__.py": "",
    "deep/helper.py": "from foreign.deep import sibling\n\n\ndef double(value):\n    return 2 * value\n",
    "deep/sibling.py": "import json\nSCALE = 3\n",
    "deep/host.py": HOST,
    "unrelated.py": "NOTHING = 0\n",
}
PLACE = "foreign.deep.host:ForeignHost"


def forget() -> None:
    for cached in CACHES:
        cached.cache_clear()


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package outside this project with a host, its helpers, and relative imports."""
    folder = tmp_path / "foreign"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield folder
    forget()
    for name in [name for name in sys.modules if name.partition(".")[0] == "foreign"]:
        del sys.modules[name]


def spec(**changes: Any) -> ModelSpec:
    return replace(find("captions", "offline"), **changes)


def digests(row: ModelSpec) -> tuple[str, str]:
    """The digest of the answers, and that of the code of the process; of the files as they are now."""
    forget()
    return model_digest(row, row.options), identify(row, row.options).code


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "other"},
        {"precision": "int8"},
        {"options": {**find("captions", "offline").options, "max_new_tokens": 31}},
        {"options": {}},
        {"host": "resources.models.video_llava:VideoLlavaHost"},
        {"host": "resources.models.blip2:OtherHost"},
        {"source": "hub", "repo": "org/net"},
        {"repo": "/weights/of_another_name"},
    ],
    ids=str,
)
def test_what_may_answer_otherwise_has_another_digest(changes: dict[str, Any]) -> None:
    row, other = spec(), spec(**changes)
    assert model_digest(other, other.options) != model_digest(row, row.options)
    assert identify(other, other.options).stem != identify(row, row.options).stem


@pytest.mark.parametrize(
    "changes",
    [
        {"repo": f"/another/machine/{Path(find('captions', 'offline').repo).name}"},
        {"memory_mb": 1},
        {"gpu_share": 0.5},
        {"profiles": ("gpu",)},
        {"batch": 1},
        {"window_ms": 9.0},
        {"load_deadline_s": 1.0},
        {"licence": "other"},
        {"name": "renamed"},
    ],
    ids=str,
)
def test_what_only_the_process_depends_on_has_the_same_digest_in_another_process(changes: dict[str, Any]) -> None:
    row, other = spec(), spec(**changes)
    assert model_digest(other, other.options) == model_digest(row, row.options)
    assert identify(other, other.options).stem != identify(row, row.options).stem


def test_options_count_whatever_their_order() -> None:
    row = spec()
    backwards = dict(reversed(row.options.items()))
    assert list(backwards) != list(row.options)
    assert model_digest(row, backwards) == model_digest(row, row.options)


def test_digests_are_hex_and_of_their_model() -> None:
    found = {spec.name: model_digest(spec, spec.options) for spec in catalogue()}
    assert len(set(found.values())) == len(found)
    for name, digest in found.items():
        assert len(digest) == 12
        assert int(digest, 16) >= 0
        row = next(spec for spec in catalogue() if spec.name == name)
        assert identify(row, row.options).stem.startswith(f"{name}-")


@pytest.mark.parametrize("name", ["deep/host.py", "deep/helper.py", "deep/sibling.py", "shared.py", "late.py"])
def test_an_edited_helper_of_a_foreign_package_changes_both_digests(foreign: Path, name: str) -> None:
    row = spec(host=PLACE)
    before = digests(row)
    file = foreign / name
    file.write_text(file.read_text() + "\nEDITED = True\n")
    after = digests(row)
    assert after[0] != before[0]
    assert after[1] != before[1]
    file.write_text(FILES[name])
    assert digests(row) == before


@pytest.mark.parametrize("name", ["unrelated.py"])
def test_a_file_that_the_host_does_not_import_changes_nothing(foreign: Path, name: str) -> None:
    row = spec(host=PLACE)
    before = digests(row)
    (foreign / name).write_text("NOTHING = 1\n")
    assert digests(row) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# what helpers make of it", "# another remark\n\n        # and one more"),
        ('"""A host."""', '"""Another sentence.\n\nAnd more of them.\n"""'),
        ('"""Answers."""', '"""Says something else."""'),
        ('"""An answer."""', '"""What comes of it."""'),
        ('    """Answers."""\n\n', ""),
        ("helper.double(value) * SCALE", "(helper.double( value )*SCALE)"),
    ],
)
def test_comments_docstrings_and_layout_change_no_answer(foreign: Path, old: str, new: str) -> None:
    row = spec(host=PLACE)
    before = digests(row)
    assert old in HOST
    (foreign / "deep/host.py").write_text(HOST.replace(old, new))
    after = digests(row)
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize(
    ("old", "new"), [("* SCALE", "* SCALE * 1"), ("from ..late import offset", "from ..late import offset as offset")]
)
def test_another_expression_changes_the_answers(foreign: Path, old: str, new: str) -> None:
    row = spec(host=PLACE)
    before = digests(row)
    assert old in HOST
    (foreign / "deep/host.py").write_text(HOST.replace(old, new))
    assert digests(row)[0] != before[0]


def test_a_string_that_is_no_docstring_counts(foreign: Path) -> None:
    row = spec(host=PLACE)
    (foreign / "shared.py").write_text("ONE = 1\nNAME = 'a'\n")
    before = digests(row)
    (foreign / "shared.py").write_text("ONE = 1\nNAME = 'b'\n")
    assert digests(row)[0] != before[0]


def test_the_package_may_lie_anywhere(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = spec(host=PLACE)
    before = digests(row)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    foreign.rename(elsewhere / "foreign")
    for name in [name for name in sys.modules if name.partition(".")[0] == "foreign"]:
        del sys.modules[name]
    monkeypatch.syspath_prepend(elsewhere)
    assert digests(row) == before


def test_code_that_carries_answers_is_not_part_of_them() -> None:
    reached = set(identity._reached(find("speech", "offline").host))
    assert "resources.hosting.host" in reached
    answering = {name for name in reached if not name.startswith(identity.CARRIERS)}
    assert {"resources.models.whisper", "resources.tasks.speech"} <= answering
    assert not {name for name in answering if name.startswith("resources.hosting")}
    assert "resources.models.rapidocr" not in reached


def test_a_rows_own_helper_in_this_project_counts() -> None:
    answering = identity._reached(find("captions", "offline").host)
    assert {"resources.models.refusal", "resources.models.greedy", "resources.models.checkpoints"} <= set(answering)
