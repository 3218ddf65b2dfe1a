"""The files of deploy/ can be read, and Dagster takes its own."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml

from deploy import postgres

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("*.yaml")), ids=lambda file: file.name)
def test_the_yaml_can_be_read(file: Path) -> None:
    assert isinstance(yaml.safe_load(file.read_text()), dict)


def test_all_containers_have_the_variables_of_the_page() -> None:
    page = (DEPLOY.parent / "docs" / "how-to" / "cluster.md").read_text()
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    machines = [service["environment"] for service in services.values() if "build" in service]
    assert machines == [services["worker"]["environment"]] * 4
    named = {name for name in machines[0] if name.startswith(("VID_", "RAY_", "DAGSTER_"))} - {
        "RAY_USAGE_STATS_ENABLED"
    }
    assert [name for name in sorted(named) if f"`{name}`" not in page] == []


def test_dagster_takes_its_instance(server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.create("dagster")
    shutil.copyfile(DEPLOY / "dagster.yaml", tmp_path / "dagster.yaml")
    address = f"127.0.0.1:{server.port}/dagster"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", f"postgresql+psycopg2://{postgres.USER}:{postgres.PASSWORD}@{address}")
    monkeypatch.setenv("DAGSTER_COMPUTE_LOGS", str(tmp_path / "logs"))
    monkeypatch.setenv("RAY_DASHBOARD", "http://127.0.0.1:8265")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.get_runs() == []
        instance.add_dynamic_partitions("videos", ["a", "b"])
        assert instance.get_dynamic_partitions("videos") == ["a", "b"]
        launcher = instance.run_launcher
        assert type(launcher).__name__ == "RayRunLauncher"
        assert (launcher.address, launcher.num_cpus) == ("http://127.0.0.1:8265", 1)  # pyright: ignore[reportAttributeAccessIssue]
        assert launcher.supports_check_run_worker_health
