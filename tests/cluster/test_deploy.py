"""The files of deploy/ can be read, and Dagster takes its own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from deploy import postgres
from deploy.machine import instance_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
_numbers = itertools.count()


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


@pytest.fixture
def instance(server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    name = f"dagster{next(_numbers)}"
    server.create(name)
    (tmp_path / "dagster.yaml").write_text(instance_settings(slots=3))
    address = f"127.0.0.1:{server.port}/{name}"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", f"postgresql+psycopg2://{postgres.USER}:{postgres.PASSWORD}@{address}")
    monkeypatch.setenv("DAGSTER_COMPUTE_LOGS", str(tmp_path / "logs"))
    monkeypatch.setenv("RAY_DASHBOARD", "http://127.0.0.1:8265")
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_dagster_takes_its_instance(instance: dg.DagsterInstance) -> None:
    assert instance.get_runs() == []
    instance.add_dynamic_partitions("videos", ["a", "b"])
    assert instance.get_dynamic_partitions("videos") == ["a", "b"]
    assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 3  # pyright: ignore[reportOptionalMemberAccess]
    launcher = instance.run_launcher
    assert type(launcher).__name__ == "RayRunLauncher"
    assert (launcher.address, launcher.num_cpus) == ("http://127.0.0.1:8265", 1)  # pyright: ignore[reportAttributeAccessIssue]
    assert launcher.supports_check_run_worker_health


def test_dagster_keeps_its_connections_and_connects_again_when_postgres_was_restarted(
    instance: dg.DagsterInstance, server: postgres.Server
) -> None:
    import sqlalchemy

    @dg.op
    def talk(context: dg.OpExecutionContext) -> None:
        for number in range(20):
            context.log.info(str(number))

    @dg.job
    def job() -> None:
        talk()

    made: list[object] = []
    instance.get_runs()
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", lambda *_: made.append(None))
    assert job.execute_in_process(instance=instance).success
    assert len(made) <= 2  # for 40 events and more
    server.restart()
    assert job.execute_in_process(instance=instance).success
    assert len(instance.get_runs()) == 2
