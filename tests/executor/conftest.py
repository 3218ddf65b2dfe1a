"""An instance on SQLite for each test."""

import dagster as dg
import pytest


@pytest.fixture
def instance(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made
