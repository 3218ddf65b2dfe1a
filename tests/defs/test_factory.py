"""An analyzer as a Dagster asset: partitions, checks, metadata, and videos that fail alone."""

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from resources.hosting.handle import PROFILE_TAG, ModelHostsResource, handle_of
from resources.tasks.captions import CAPTIONS
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.archive.partitions import PARTITIONS, add_partitions
from vid_assets.archive.register import register
from vid_assets.contract import GROUPS, Column, Undefined
from vid_assets.defs.checks import Answered, answered_result, check_results
from vid_assets.defs.factory import ANALYZER_CHECKS, analyzer_asset, videos_asset
from vid_assets.defs.wanted import dependencies
from vid_assets.errors import SettingsError
from vid_assets.executor.order import expected_seconds, remaining_paths
from vid_assets.pipeline.checks import CheckOutcome
from vid_assets.pipeline.outcome import Status
from vid_assets.pipeline.provenance import archive_version
from vid_assets.pipeline.records import read_records
from vid_assets.registry import discover
from vid_assets.settings import DISABLED_TAG, Settings, analyzers_named, with_dependants
from vid_assets.streams import MediaResource
from vid_assets.synthetic.clips import Clip, Shot, render

SECOND: dict = {"inputs": ("example",), "run": lambda example: example}
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two good clips and, between them, a broken one."""
    folder = tmp_path_factory.mktemp("clips")
    for name, background in (("one", "grey"), ("three", "brown")):
        render(Clip(shots=(Shot(0.4, background=background),), width=64, height=36), folder / f"{name}.mp4")
    (folder / "two.mp4").write_bytes(b"no video" * 100)
    return [folder / f"{name}.mp4" for name in ("one", "two", "three")]


@pytest.fixture
def archive(clips, tmp_path):
    """The registered clips on an instance with storage of its own, and the resources of a run."""
    resources = {
        "warehouse": Warehouse(path=str(tmp_path / "warehouse")),
        "media": MediaResource(),
        "settings": Settings(archive="", scratch=str(tmp_path / "scratch"), reports=str(tmp_path / "reports")),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        ids = [register(clip, resources["warehouse"], instance).video_id for clip in clips]
        yield instance, ids, resources


def materialize(assets, instance, resources, tags=None, partition_key=None):
    return dg.materialize(
        assets, instance=instance, resources=resources, tags=tags, partition_key=partition_key, raise_on_error=False
    )


def materialized(instance, name):
    return instance.get_materialized_partitions(dg.AssetKey(name))


def test_each_model_and_the_decoder_have_a_pool():
    pools = {task.key: analyzer_asset(analyzer).op.pool for analyzer in discover() if (task := analyzer.task)}
    assert pools == {name: name for name in pools}
    assert {"blip2", "video_llava", "speech"} <= set(pools)
    assert analyzer_asset(make_analyzer()).op.pool is None
    assert videos_asset().op.pool == "decode"


def test_one_video(archive):
    instance, (one, *_), resources = archive
    asset = analyzer_asset(make_analyzer())
    result = materialize([videos_asset(), asset], instance, resources, partition_key=one)
    assert result.success
    (event,) = result.asset_materializations_for_node("example")
    assert event.partition == one
    assert event.metadata == {}
    (decoded,) = result.asset_materializations_for_node("videos")
    source = resources["warehouse"].read_partition("sources", one)
    assert {name: entry.value for name, entry in decoded.metadata.items()} == {"file": source["path"].item()}
    evaluations = {item.check_name: item for item in result.get_asset_check_evaluations()}
    assert evaluations["plausible"].metadata["worst_realtime_factor"].value >= 0
    told = {name: (item.passed, item.partition, item.description) for name, item in evaluations.items()}
    passed = (True, None, "All of 1 videos passed")
    assert told == {"answered": (True, None, "1 value"), "plausible": passed}


def test_a_tag_switches_analyzers_off_for_a_run(archive):
    instance, (one, *_), resources = archive
    asset = analyzer_asset(make_analyzer("color_analysis"))
    result = materialize([asset], instance, resources, {DISABLED_TAG: "blip2, color_analysis"}, one)
    (event,) = result.asset_materializations_for_node("color_analysis")
    assert event.metadata["status"].value == "disabled"
    with pytest.raises(SettingsError, match="disabled analyzers blip3: no such analyzer; use some of "):
        analyzers_named("blip3,")
    causes = with_dependants({"cut_analysis"})
    assert set(causes.values()) == {"cut_analysis"}
    assert {"cut_analysis", "camera_analysis", "visual_effects"} <= set(causes)
    assert "color_analysis" not in causes


def test_a_tag_chooses_the_profile_of_a_run(archive):
    instance, (one, *_), resources = archive

    def say(video, model):
        return Undefined(model.spec().repo)

    asset = analyzer_asset(make_analyzer(task=CAPTIONS, run=say))
    handle = handle_of(CAPTIONS)(hosts=ModelHostsResource())
    result = materialize([asset], instance, resources | {"blip2": handle}, {PROFILE_TAG: "gpu"}, one)
    (event,) = result.asset_materializations_for_node("example")
    assert event.metadata["reason"].value == "Salesforce/blip2-opt-2.7b"
    assert resources["warehouse"].read_partition("analyzer_runs", one)["profile"].to_list() == ["gpu"]


def failed_tags(instance, result):
    """The tags of a run that say what failed in it."""
    tags = instance.get_run_by_id(result.run_id).tags
    return {name: value for name, value in tags.items() if name.startswith("vid/failed/")}


def test_of_several_videos_the_bad_one_fails_alone(archive):
    instance, (one, two, three), resources = archive
    assets = [videos_asset(), analyzer_asset(make_analyzer()), analyzer_asset(make_analyzer("second", **SECOND))]
    result = materialize(assets, instance, resources, tags=dict(zip(RANGE, (one, three), strict=True)))
    assert result.success
    for name in ("videos", "example", "second"):
        assert materialized(instance, name) == {one, three}, name
        assert {event.partition for event in result.asset_materializations_for_node(name)} == {one, three}
    records = read_records(two, resources["warehouse"])
    assert {record["status"] for record in records.values()} == {"failed"}
    assert "cannot be read as video" in records["videos"]["reason"]
    # the cause alone, not what follows from it
    assert failed_tags(instance, result) == {"vid/failed/videos": f"1 of 3: {two}"}
    assert records["second"]["reason"] == f"videos: failed for {two}; {records['videos']['reason']}"


def test_a_video_that_fails_in_one_analyzer_goes_on_in_the_others(archive):
    instance, (one, two, three), resources = archive
    instance.delete_dynamic_partition("videos", two)

    def run(video):
        if video.video_id == one:
            raise ValueError("not this one")
        return pl.DataFrame({"time_s": [0.0], "share": [0.5]})

    example, second = make_analyzer(run=run), make_analyzer("second", **SECOND)
    assets = [analyzer_asset(analyzer) for analyzer in (example, second, make_analyzer("third"))]
    result = materialize(assets, instance, resources, tags=dict(zip(RANGE, (one, three), strict=True)))
    assert result.success
    assert materialized(instance, "example") == materialized(instance, "second") == {three}
    assert materialized(instance, "third") == {one, three}
    assert read_records(one, resources["warehouse"])["second"]["reason"] == "example: failed; ValueError: not this one"
    assert failed_tags(instance, result) == {"vid/failed/example": f"1 of 2: {one}"}


def test_when_all_videos_fail_the_run_fails(archive):
    instance, (_, two, _), resources = archive
    result = materialize([videos_asset()], instance, resources, partition_key=two)
    assert not result.success
    (failure,) = [event for event in result.all_node_events if event.is_step_failure]
    assert str(failure.step_failure_data.user_failure_data).count(f"{two}: ") == 1
    assert materialized(instance, "videos") == set()


def test_several_good_videos_are_told_apart(archive):
    instance, (one, _, three), resources = archive
    instance.delete_dynamic_partition("videos", archive[1][1])
    seen = make_analyzer(
        run=lambda video: pl.DataFrame(
            {"time_s": [0.0] * (1 + (video.video_id == three)), "share": [0.5] * (1 + (video.video_id == three))}
        )
    )
    result = materialize([analyzer_asset(seen)], instance, resources, tags=dict(zip(RANGE, (one, three), strict=True)))
    assert result.success
    assert {event.partition for event in result.asset_materializations_for_node("example")} == {one, three}
    tables = {key: resources["warehouse"].read_partition("example", key) for key in (one, three)}
    assert {key: table.height for key, table in tables.items()} == {one: 1, three: 2}


def test_a_failed_check_blocks_the_write_and_is_recorded(archive):
    instance, (one, *_), resources = archive
    asset = analyzer_asset(make_analyzer(run=lambda video: pl.DataFrame({"time_s": [0.0], "share": [2.0]})))
    result = materialize([asset], instance, resources, partition_key=one)
    assert not result.success
    assert materialized(instance, "example") == set()
    assert resources["warehouse"].read_partition("example", one) is None
    logs = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    failed = [item for log in logs if not (item := log.dagster_event.event_specific_data).passed]
    assert [(item.check_name, item.severity.value, item.description) for item in failed] == [
        (
            "answered",
            "ERROR",
            "1 failed of 1",
        ),
    ]


def test_a_check_names_the_videos_that_failed(archive):
    instance, (one, two, three), resources = archive
    instance.delete_dynamic_partition("videos", two)

    def run(video):
        return pl.DataFrame({"time_s": [0.0], "share": [2.0 if video.video_id == one else 0.5]})

    result = materialize(
        [analyzer_asset(make_analyzer(run=run))], instance, resources, dict(zip(RANGE, (one, three), strict=True))
    )
    assert result.success
    assert materialized(instance, "example") == {three}
    checks = {item.check_name: item for item in result.get_asset_check_evaluations()}
    assert not checks["answered"].passed
    told = checks["answered"].metadata["failed_1"].value
    assert told.startswith(f"{one}: example: ranges: share goes up to 2.0, allowed to 1")


def test_a_check_says_when_there_is_nothing_to_check(archive):
    instance, (one, *_), resources = archive
    result = materialize(
        [analyzer_asset(make_analyzer(run=lambda video: Undefined("too dark")))], instance, resources, None, one
    )
    (event,) = result.asset_materializations_for_node("example")
    assert {name: entry.value for name, entry in event.metadata.items()} == {
        "status": "undefined",
        "reason": "too dark",
    }
    checks = {item.check_name: item for item in result.get_asset_check_evaluations()}
    assert checks["answered"].description == "1 undefined of 1"
    assert checks["plausible"].description == "All of 1 videos passed"
    (nothing,) = check_results("example", ANALYZER_CHECKS, {one: []})
    assert nothing.description == "Nothing to check: none of the 1 videos has a value"


def test_what_a_check_holds_is_bounded():
    outcomes = {f"clip-{number}": [CheckOutcome("coverage", ("far too much " * 100,))] for number in range(1000)}
    (plausible,) = check_results("example", ANALYZER_CHECKS, outcomes)
    assert plausible.metadata["failed_videos"].value == 1000
    assert len(str(plausible.metadata["problems"].value)) < 8000
    assert len(plausible.description) < 400
    failed = {name: Answered(Status.FAILED, f"{name} {'far too much ' * 100}", follows=False) for name in outcomes}
    answered = answered_result("example", failed)
    assert len(str(answered.metadata)) < 10000
    assert len(answered.description) < 400


def test_the_newest_picture_of_a_result_is_a_file(archive):
    instance, (one, *_), resources = archive
    pictures = [np.zeros((36, 64, 3), np.uint8), None]
    failing = [False, True, False]

    def run(video):
        if failing.pop(0):
            raise ValueError("not now")
        return pl.DataFrame({"time_s": [0.0], "share": [0.5]})

    asset = analyzer_asset(make_analyzer(run=run, preview=lambda table, video: pictures.pop(0)))
    file = Path(resources["settings"].reports) / "previews" / one / "example.webp"
    materialize([asset], instance, resources, None, one)
    assert file.read_bytes()[8:12] == b"WEBP"
    materialize([asset], instance, resources, None, one)
    assert file.exists()  # the earlier answer stays, too
    materialize([asset], instance, resources, None, one)
    assert not file.exists()


def test_a_picture_that_cannot_be_stored_costs_nothing_else(archive):
    instance, (one, *_), resources = archive
    Path(resources["settings"].reports).write_text("no folder")
    asset = analyzer_asset(make_analyzer(preview=lambda table, video: np.zeros((36, 64, 3), np.uint8)))
    assert materialize([asset], instance, resources, None, one).success


def test_the_source_of_all_is_in_no_group_of_analyzers():
    # the UI draws the graph by groups, and a group on both ends of it would make a knot
    assert {spec.group_name for spec in videos_asset().specs}.isdisjoint(GROUPS)


def test_the_asset_describes_itself():
    analyzer = make_analyzer(inputs=("frames", "other"), run=lambda frames, other: pl.DataFrame())
    (spec,) = analyzer_asset(analyzer).specs
    assert spec.key == dg.AssetKey("example")
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == {"videos", "other"}
    assert (spec.group_name, list(spec.owners), spec.partitions_def) == ("picture", ["team:video-analysis"], PARTITIONS)
    columns = spec.metadata["dagster/column_schema"].columns
    assert [(column.name, column.description) for column in columns[1:]] == [
        ("time_s", "When. [s]"),
        ("share", "How much. [1]"),
    ]


def test_code_version_follows_what_changes_answers():
    base = make_analyzer()
    other_unit = {**base.table, "share": Column(pl.Float64, "%", "How much.", ge=0, le=1, nullable=True)}
    versions = [
        archive_version(item, "offline") for item in (base, make_analyzer(version="2"), make_analyzer(table=other_unit))
    ]
    assert len(set(versions)) == 3
    assert archive_version(make_analyzer(), "offline") == versions[0]
    assert [spec.code_version for spec in analyzer_asset(base).specs] == versions[:1]


def test_a_hundred_thousand_partitions(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        add_partitions(instance, (f"clip-{number:012x}" for number in range(100_000)))
        add_partitions(instance, ["clip-000000000000", "clip-ffffffffffff"])
        assert len(instance.get_dynamic_partitions("videos")) == 100_001


def test_a_check_warns_of_videos_without_an_answer(archive):
    """A value, an undefined answer and a broken file in one run."""
    instance, (one, two, three), resources = archive

    def run(video):
        if video.video_id == three:
            return Undefined("nothing moves; film something else")
        return pl.DataFrame({"time_s": [0.0], "share": [0.5]})

    assets = [videos_asset(), analyzer_asset(make_analyzer(run=run)), analyzer_asset(make_analyzer("second", **SECOND))]
    result = materialize(assets, instance, resources, tags=dict(zip(RANGE, (one, three), strict=True)))
    assert materialized(instance, "example") == {one, three}
    found = {
        item.asset_key.to_user_string(): item
        for item in result.get_asset_check_evaluations()
        if item.check_name == "answered"
    }
    broken = read_records(two, resources["warehouse"])["videos"]["reason"]
    assert {name: (item.passed, item.severity.name) for name, item in found.items()} == {
        "videos": (False, "ERROR"),
        # what follows from a failure is no failure of the analyzer
        "example": (False, "WARN"),
        "second": (False, "WARN"),
    }
    assert found["videos"].description == "1 failed of 3"
    assert {name: entry.value for name, entry in found["example"].metadata.items()} == {
        "failed_1": f"{two}: videos: failed for {two}; {broken}",
        "undefined_1": f"{three}: nothing moves; film something else",
    }


def test_reasons_of_one_kind_are_one_entry():
    answers = {
        name: Answered(Status.UNDEFINED, f"{name}: {number} of 30 pictures are like it", follows=False)
        for number, name in enumerate(f"clip-{number:02}" for number in range(25))
    }
    result = answered_result("example", answers)
    (told,) = result.metadata.values()
    assert told.value.count(",") == 19
    assert told.value.endswith("clip-19: clip-00: 0 of 30 pictures are like it")
    assert result.description == "25 undefined of 25"
    assert answered_result("example", {}).passed


def test_the_executor_knows_which_steps_have_much_work_behind_them():
    """Objects and then products are the longest chain of models in profile ``offline``."""
    expected = {"videos": videos_asset().op.tags} | {a.name: analyzer_asset(a).op.tags for a in discover()}
    upstream = {name: set(of) & expected.keys() for name, of in dependencies().items() if name in expected}
    paths = remaining_paths(upstream, lambda name: expected_seconds(name, expected[name]))
    behind = sorted(paths.keys() - {"videos", "cut_analysis"}, key=lambda name: -paths[name])
    assert set(behind[:2]) == {"object_detection", "text_overlay"}
    budgets = {analyzer.name: analyzer.budget for analyzer in discover()}
    assert paths["object_detection"] >= 60 * (budgets["object_detection"] + budgets["product_detection"]) - 1e-6
