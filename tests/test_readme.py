"""What the README says works."""

import re
from pathlib import Path

import pytest

from resources.warehouse.resource import Warehouse
from vid_assets.media.settings import VARIABLES
from vid_assets.registry import discover
from vid_assets.sql.publish import publish

README = (Path(__file__).parents[1] / "README.md").read_text()
QUERIES = [
    query.strip() for block in re.findall(r"```sql\n(.*?)```", README, re.DOTALL) for query in block.split(";\n")
]


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("warehouse")))
    publish(warehouse)
    with warehouse.connect() as open_connection:
        yield open_connection


@pytest.mark.parametrize("query", [query for query in QUERIES if query], ids=lambda query: query.splitlines()[0])
def test_queries_run(connection, query):
    assert connection.execute(query).description


def test_there_are_ten_queries():
    assert len([query for query in QUERIES if query]) == 10


def test_every_analyzer_is_named():
    assert [analyzer.name for analyzer in discover() if f"`{analyzer.name}`" not in README] == []
    assert len(discover()) == 27


def test_every_limit_of_the_decoder_is_named():
    assert [name for name, _ in VARIABLES.values() if f"`{name}`" not in README] == []


def test_every_make_target_it_names_exists():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)", README)) | set(re.findall(r"\$ make ([a-z-]+)", README))
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
