"""What changes the digest of a host's code, and what does not."""

import sys

import pytest

from resources.hosting import identity

HOST = """
from {package}.helper import SCALE


class FakeHost:
    def answer(self, values):
        return [SCALE * value for value in values]
"""
SAME = '''"""A docstring."""

from {package}.helper import (  # a comment
    SCALE,
)


class FakeHost:
    """Another one."""

    def answer(self, values):
        """And one more."""
        return [
            SCALE * value
            for value in values
        ]
'''


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """The digest of a host whose package is written anew for each question."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def of(host=HOST, helper="SCALE = 2\n"):

        package = "package_of_a_host"
        (tmp_path / package).mkdir(exist_ok=True)
        for name, text in {"__init__": "", "host": host.format(package=package), "helper": helper}.items():
            (tmp_path / package / f"{name}.py").write_text(text)
        identity.answering_code.cache_clear()
        identity._read.cache_clear()
        made.append(package)
        return identity.answering_code(f"{package}.host:FakeHost")

    yield of
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]
    identity.answering_code.cache_clear()
    identity._read.cache_clear()


def test_comments_docstrings_and_layout_change_nothing(digest):
    assert digest(SAME) == digest(HOST)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SCALE * value", "SCALE + value"),
        ("for value in values]", "for value in values if value]"),
        ("def answer(self, values)", "def answer(self, values, *more)"),
        ("class FakeHost", "class FakeHost(list)"),
        ("return [", "yield ["),
    ],
)
def test_changed_code_changes_it(digest, before, after):
    assert digest(HOST.replace(before, after)) != digest(HOST)


@pytest.mark.parametrize("helper", ["SCALE = 3\n", "SCALE = 2.0\n", "SCALE = '2'\n", "SCALE: int = 2\n"])
def test_a_changed_helper_changes_it(digest, helper):
    assert digest(helper=helper) != digest()


@pytest.mark.parametrize(
    "inside",
    [
        "def load():\n    from {package}.helper import SCALE\n",
        "if True:\n    pass\nelse:\n    from {package} import helper\n",
        "try:\n    pass\nexcept OSError:\n    from . import helper\n",
        "try:\n    pass\nfinally:\n    from .helper import SCALE\n",
        "match 1:\n    case 1:\n        import {package}.helper\n",
        "with open('x'):\n    from . import helper as renamed\n",
    ],
)
def test_imports_are_followed_wherever_they_stand(digest, inside):
    assert digest(inside, "SCALE = 2\n") != digest(inside, "SCALE = 3\n")


def test_neither_the_host_nor_its_helpers_are_imported(digest):
    digest()
    assert "package_of_a_host.host" not in sys.modules
    assert "package_of_a_host.helper" not in sys.modules
