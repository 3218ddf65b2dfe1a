"""A Postgres server for all tests here, and a lake of its own for each."""

import itertools
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy import postgres
from resources.warehouse.resource import Warehouse

_numbers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder need the environment of ``make cluster-test``."""
    missing = [name for name in ("psycopg2", "duckdb_extension_ducklake", "ray") if find_spec(name) is None]
    missing += [] if postgres.is_installed() else ["Postgres"]
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"make cluster-test runs it: no {', '.join(missing)} here"))


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as made:
        yield made


@pytest.fixture
def new_lake(server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Warehouse]:
    """Returns a lake without tables at each call."""
    monkeypatch.setenv("VID_SCRATCH", str(tmp_path / "scratch"))

    def make() -> Warehouse:
        number = next(_numbers)
        monkeypatch.setenv("VID_WAREHOUSE_DATA", str(tmp_path / f"lake{number}"))
        return Warehouse(path=f"ducklake:postgres:{server.create(f'lake{number}')}")

    return make


@pytest.fixture
def lake(new_lake: Callable[[], Warehouse]) -> Warehouse:
    return new_lake()
