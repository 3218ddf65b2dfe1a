"""What makes an answer another one: the code version, those of release 0.1, and the chain of answers behind it."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from resources.catalog import rows
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.tasks.captions import CAPTIONS
from resources.tasks.depth import DEPTH
from resources.tasks.objects import OBJECTS
from tests.kit.makers import make_analyzer
from vid_assets.analyzers import (
    audio_analysis,
    cut_analysis,
    depth_estimation,
    object_detection,
    product_detection,
    speech_transcription,
    text_overlay,
    trend_analysis,
)
from vid_assets.contract import Analyzer, Column, Config, setting
from vid_assets.media import MediaSettings
from vid_assets.pipeline.provenance import (
    UNAVAILABLE,
    archive_version,
    changed,
    code_version,
    earlier_versions,
    model_version,
    provenance,
)


class Pace(Config):
    step_s: float = setting(0.5, "s", "Time between two looks.", ge=0.1)
    names: list[str] = setting([], "text", "What is looked for.")


class PaceWithMore(Pace):
    reach: int = setting(3, "1", "How far it looks.")


def handle(task: Any = CAPTIONS, **fields: Any) -> Any:
    return handle_of(task)(hosts=ModelHostsResource(), **{"profile": "offline", **fields})


def asking(task: Any = CAPTIONS, **changes: Any) -> Analyzer:
    return make_analyzer(task=task, run=lambda video, model: None, **changes)


def version(analyzer: Analyzer, config: Config | None = None, model: Any = None, **more: Any) -> str:
    return code_version(analyzer, "offline", config, model, **more)


BASE = make_analyzer()


def test_the_code_version_starts_with_the_analyzer_s_own() -> None:
    text, digest = version(make_analyzer(version="12")).split("-")
    assert text == "12"
    assert len(digest) == 12
    assert int(digest, 16) >= 0
    assert version(make_analyzer()) == version(BASE)


@pytest.mark.parametrize(
    "table",
    [
        {**BASE.table, "share": Column(pl.Float32, "1", "How much.", nullable=True)},
        {**BASE.table, "share": Column(pl.Float64, "%", "How much.", nullable=True)},
        {**BASE.table, "more": Column(pl.Float64, "1", "More.")},
        {"time_s": BASE.table["time_s"]},
    ],
)
def test_another_table_is_another_version(table: dict[str, Column]) -> None:
    assert version(make_analyzer(table=table)) != version(BASE)


def test_descriptions_and_bounds_of_columns_change_no_answer() -> None:
    told = {name: replace(column, description="Other words.", le=None) for name, column in BASE.table.items()}
    assert version(make_analyzer(table=told)) == version(BASE)
    assert version(make_analyzer(budget=9.0, coverage=0.5, group="sound")) == version(BASE)


def test_settings_and_streams_are_part_of_it() -> None:
    analyzer = make_analyzer(config=Pace, run=lambda video, config: None)
    versions = {
        version(analyzer, Pace()),
        version(analyzer, Pace(step_s=1.0)),
        version(analyzer, Pace(names=["dog"])),
        version(analyzer, Pace(names=["dog", "cat"])),
        version(analyzer, Pace(), media=MediaSettings(picture_track=1)),
    }
    assert len(versions) == 5
    assert version(analyzer, Pace(step_s=0.5, names=[])) == version(analyzer, Pace())
    # it reads no sampled pictures, so their rate does not matter
    assert version(analyzer, Pace(), media=MediaSettings(frames_per_s=1.0)) == version(analyzer, Pace())


def test_new_settings_with_defaults_change_nothing() -> None:
    before = make_analyzer(config=Pace, run=lambda video, config: None)
    after = make_analyzer(config=PaceWithMore, run=lambda video, config: None)
    assert version(after, PaceWithMore()) == version(before, Pace()) == version(BASE)
    assert version(after, PaceWithMore(step_s=2.0)) == version(before, Pace(step_s=2.0)) != version(BASE)
    assert version(after, PaceWithMore(reach=4)) != version(before, Pace())
    assert changed(PaceWithMore(step_s=2.0, reach=3)) == {"step_s": 2.0}
    assert changed(None) == changed(Pace()) == {}


def test_the_model_is_part_of_it() -> None:
    versions = [
        version(asking(), model=model)
        for model in (
            handle(),
            handle(options={"batch": 3}),
            handle(options={"max_new_tokens": 31}),
            handle(precision="int8"),
            handle(profile="cpu"),
            handle(repo="org/net"),
            handle(repo="org/net", revision="abc"),
        )
    ]
    assert len(set(versions)) == len(versions)
    assert version(asking(), model=handle(model="blip2-tiny", deadline_s=7.0)) == versions[0]


def test_the_profile_chooses_the_model() -> None:
    free = handle(profile="")
    assert code_version(asking(), "cpu", None, free) == version(asking(), model=handle(profile="cpu"))
    assert code_version(asking(), "cpu", None, free) != code_version(asking(), "offline", None, free)


def test_a_profile_without_the_model_is_a_version_of_its_own() -> None:
    lacking = handle(DEPTH)
    assert model_version(lacking, "offline") == UNAVAILABLE
    assert model_version(None, "offline") == ""
    assert len({version(asking(DEPTH), model=model) for model in (lacking, handle(DEPTH, profile="cpu"), None)}) == 3


# What release 0.1 wrote into `analyzer_runs.code_version`, by analyzer: (offline, cpu, gpu).
RELEASED = {
    text_overlay: ("2-9db73373",) * 3,
    object_detection: ("1-48541ce5", "1-df922859", "1-546958ab"),
    product_detection: ("2-5a1d7ab2", "2-ddd273b3", "2-ddd273b3"),
    depth_estimation: ("1-37db97a5", "1-5ce7845c", "1-4a5bb14d"),
    cut_analysis: ("1-42a535f7",) * 3,
    audio_analysis: ("2-772badc2",) * 3,
    trend_analysis: ("1-435ba0ce",) * 3,
    speech_transcription: ("2-619285c0", "2-c74ec183", "2-863cca09"),
}


@pytest.mark.parametrize("module", RELEASED, ids=lambda module: module.__name__.rpartition(".")[2])
def test_versions_of_the_release_before_are_accepted(module: Any) -> None:
    analyzer = module.ANALYZER
    settings = analyzer.config() if analyzer.config else None
    released = RELEASED[module]
    if analyzer.version == released[0].partition("-")[0]:
        assert earlier_versions(analyzer, settings) == set(released)
    else:
        assert earlier_versions(analyzer, settings).isdisjoint(released)
    assert earlier_versions(replace(analyzer, version="99"), settings).isdisjoint(released)
    assert archive_version(analyzer, "offline") not in released


def test_versions_of_the_release_before_are_of_default_settings_only() -> None:
    analyzer = replace(cut_analysis.ANALYZER, version="1")
    assert earlier_versions(analyzer, cut_analysis.Settings()) == set(RELEASED[cut_analysis])
    assert earlier_versions(analyzer, cut_analysis.Settings(sensitivity=1.5)) == frozenset()


def test_another_table_or_model_is_not_what_was_released(monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer = replace(object_detection.ANALYZER, version="1")
    assert earlier_versions(analyzer, None) & set(RELEASED[object_detection])
    fewer = dict(list(analyzer.table.items())[:-1])
    assert earlier_versions(replace(analyzer, table=fewer), None).isdisjoint(RELEASED[object_detection])
    newer = tuple(replace(spec, revision="newer") if spec.task == OBJECTS.name else spec for spec in rows.catalogue())
    monkeypatch.setattr(rows, "catalogue", lambda: newer)
    assert earlier_versions(analyzer, None).isdisjoint(RELEASED[object_detection])


def test_the_chain_follows_version_content_and_inputs() -> None:
    one, two = {"provenance": "a" * 16}, {"provenance": "b" * 16}
    found = [
        provenance("1-a", "hash", []),
        provenance("1-b", "hash", []),
        provenance("1-a", "other", []),
        provenance("1-a", "hash", [one]),
        provenance("1-a", "hash", [two]),
        provenance("1-a", "hash", [one, two]),
        provenance("1-a", "hash", [two, one]),
    ]
    assert len(set(found)) == len(found)
    for digest in found:
        assert digest is not None
        assert len(digest) == 16
        assert int(digest, 16) >= 0
    assert provenance("1-a", "hash", [dict(one, status="value", run_id="x")]) == found[3]


def test_a_chain_with_a_gap_is_not_known() -> None:
    assert provenance("1-a", "hash", [{"provenance": "a" * 16}, None]) is None
    assert provenance("1-a", "hash", [{"provenance": None}]) is None
    assert provenance("1-a", "hash", [{}]) is None
