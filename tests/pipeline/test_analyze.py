"""One analyzer over one video: what is written, what is recorded, and what an error becomes."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from resources.errors import ModelUnavailable
from resources.hosting.usage import LoadRecord, Usage, report
from resources.tasks.speech import SPEECH
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.archive.register import register, reject
from vid_assets.contract import NotApplicable, Undefined
from vid_assets.errors import MediaError
from vid_assets.pipeline.analyze import analyze, probe
from vid_assets.pipeline.outcome import Run, Status
from vid_assets.pipeline.records import read_records
from vid_assets.sql.publish import table_spec
from vid_assets.synthetic.clips import Clip, Shot, Sound, render


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A second of a grey picture with a tone."""
    path = tmp_path_factory.mktemp("clips") / "A clip.mp4"
    render(Clip(shots=(Shot(1.0),), width=64, height=36, sounds=(Sound("tone", 0.0, 1.0),)), path)
    return path


@pytest.fixture
def run(tmp_path):
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    warehouse.publish([table_spec(make_analyzer())])
    return Run(
        warehouse=warehouse,
        scratch=tmp_path / "scratch",
        profile="offline",
        run_id="run-1",
        started_at=datetime.now(UTC),
    )


@pytest.fixture
def video_id(clip, run):
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        source = register(clip, run.warehouse, instance)
        assert instance.get_dynamic_partitions("videos") == [source.video_id]
    return source.video_id


def record(run, video_id, analyzer="example"):
    return read_records(video_id, run.warehouse)[analyzer]


def test_a_value_is_written_and_recorded(run, video_id):
    outcome = analyze(make_analyzer(), video_id, run, "1-abc")
    assert (outcome.status, outcome.rows, outcome.reason) == (Status.VALUE, 1, "")
    table = run.warehouse.read_partition("example", video_id)
    assert table.to_dicts() == [{"video_id": video_id, "time_s": 0.0, "share": 0.5}]
    row = record(run, video_id)
    assert (row["status"], row["reason"], row["rows"], row["run_id"]) == ("value", None, 1, "run-1")
    assert row["covered"] == 1.0
    assert (row["code_version"], row["profile"], row["model"]) == ("1-abc", "offline", None)
    assert row["ended_at"] >= row["started_at"] >= run.started_at
    assert all(row[name] >= 0 for name in ("queue_s", "load_s", "decode_s", "compute_s", "write_s"))


def test_probe_decodes_once_for_everybody(run, video_id):
    probe(video_id, run, "1")
    for name in ("one", "two", "three"):
        analyze(
            make_analyzer(name, inputs=("thumbs",), run=lambda thumbs: Undefined(str(len(thumbs)))), video_id, run, "1"
        )
    probe(video_id, run, "1")
    row = run.warehouse.read_partition("videos", video_id).row(0, named=True)
    assert (row["decode_passes"], row["frame_count"], row["width"], row["height"]) == (1, 25, 64, 36)
    assert (row["file_name"], row["has_audio"], row["duration_s"]) == ("A clip.mp4", True, pytest.approx(1.0, abs=0.05))
    assert record(run, video_id, "three")["reason"] == "25"


def test_records_pass_the_hash_of_the_content_on(run, video_id, monkeypatch):
    """The table of sources is read where a file is opened, and not again for the record."""
    probe(video_id, run, "1")
    read = []
    original = Warehouse.read_partition

    def counted(self, table, key):
        read.append(table)
        return original(self, table, key)

    monkeypatch.setattr(Warehouse, "read_partition", counted)
    analyze(make_analyzer(), video_id, run, "1")
    assert read.count("sources") == 1
    hashes = {record(run, video_id, name)["content_hash"] for name in ("videos", "example")}
    assert hashes == {original(run.warehouse, "sources", video_id)["content_hash"].item()}


def test_decoded_streams_make_room_for_others(run, video_id):
    probe(video_id, run, "1")
    assert (run.scratch / video_id).is_dir()
    folder = run.scratch / "other-0123456789ab"
    shutil.copytree(run.scratch / video_id, folder)
    probe(video_id, replace(run, scratch_gb=0.0), "1")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("answer", "status"), [(NotApplicable("why"), Status.NOT_APPLICABLE), (Undefined("why"), Status.UNDEFINED)]
)
def test_no_value_takes_the_old_table_away(run, video_id, answer, status):
    analyze(make_analyzer(), video_id, run, "1")
    outcome = analyze(make_analyzer(run=lambda video: answer), video_id, run, "1")
    assert (outcome.status, outcome.reason) == (status, "why")
    assert run.warehouse.read_partition("example", video_id) is None
    assert record(run, video_id)["reason"] == "why"


def test_a_table_that_breaks_the_contract_is_not_written(run, video_id):
    analyze(make_analyzer(), video_id, run, "1")
    late = make_analyzer(run=lambda video: pl.DataFrame({"time_s": [99.0], "share": [7.0]}))
    outcome = analyze(late, video_id, run, "1")
    assert outcome.status is Status.FAILED
    assert [check.name for check in outcome.checks if not check.passed] == ["ranges", "times"]
    assert "share goes up to 7.0, allowed to 1" in outcome.reason
    assert run.warehouse.read_partition("example", video_id)["share"].to_list() == [0.5], "the good rows stay"


def test_an_error_is_recorded_with_its_traceback(run, video_id):
    outcome = analyze(make_analyzer(run=lambda video: 1 / 0), video_id, run, "1")
    assert (outcome.status, outcome.reason) == (Status.FAILED, "ZeroDivisionError: division by zero")
    assert "test_analyze.py" in outcome.details
    assert record(run, video_id)["status"] == "failed"


def test_a_model_that_cannot_be_had_is_undefined(run, video_id):
    def ask(video, model):
        raise ModelUnavailable("whisper", "model.bin is missing", "run vid-assets models pull --profile cpu")

    outcome = analyze(make_analyzer(task=SPEECH, run=ask), video_id, run, "1", object())
    assert outcome.status is Status.UNDEFINED
    assert "vid-assets models pull" in outcome.reason


def test_what_the_model_cost_is_recorded(run, video_id):
    def ask(video, model):
        load = LoadRecord("cold", 2.0, 10)
        report(Usage(wait_s=0.0, calls=1, model="whisper", revision="r1", precision="int8", device="cpu", load=load))
        return make_analyzer().empty()

    analyze(make_analyzer(task=SPEECH, run=ask), video_id, run, "1", object())
    row = record(run, video_id)
    assert (row["model"], row["revision"], row["precision"], row["device"]) == ("whisper", "r1", "int8", "cpu")
    load = run.warehouse.read_partition("model_loads", "run-1").row(0, named=True)
    assert (load["kind"], load["load_s"], load["bytes"]) == ("cold", 2.0, 10)


def test_tables_of_others_are_inputs(run, video_id):
    analyze(make_analyzer(), video_id, run, "1")
    seen = []
    second = make_analyzer("second", inputs=("example",), run=lambda example: seen.append(example) or Undefined("seen"))
    analyze(second, video_id, run, "1")
    assert seen[0].to_dicts() == [{"time_s": 0.0, "share": 0.5}]


@pytest.mark.parametrize(
    ("upstream", "status"),
    [
        (NotApplicable("silent"), Status.NOT_APPLICABLE),
        (Undefined("dark"), Status.UNDEFINED),
        (None, Status.UNDEFINED),
    ],
)
def test_without_upstream_the_answer_is_of_its_kind(run, video_id, upstream, status):
    if upstream is not None:
        analyze(make_analyzer(run=lambda video: upstream), video_id, run, "1")
    second = make_analyzer("second", inputs=("example",), run=lambda example: example)
    outcome = analyze(second, video_id, run, "1")
    assert outcome.status is status
    assert "example" in outcome.reason


@pytest.mark.parametrize(
    ("optional", "expected"), [((), (Status.FAILED, 0)), (("example",), (Status.VALUE, 1))], ids=["needed", "optional"]
)
def test_the_earlier_table_of_an_analyzer_that_failed_is_not_used(run, video_id, optional, expected):
    """What a failed analyzer answered before may no longer be right."""
    analyze(make_analyzer(), video_id, run, "1")
    analyze(make_analyzer(run=lambda video: 1 / 0), video_id, run, "2")
    assert run.warehouse.read_partition("example", video_id) is not None
    seen = []

    def second(example):
        seen.append(example)
        return make_analyzer().run(None)

    dependant = make_analyzer("second", inputs=("example",), optional=frozenset(optional), run=second)
    outcome = analyze(dependant, video_id, run, "1")
    assert (outcome.status, len(seen)) == expected
    assert seen in ([], [None])


def test_without_sound_the_question_does_not_arise(run, tmp_path):
    import dagster as dg

    silent = tmp_path / "silent.mp4"
    render(Clip(shots=(Shot(0.4),), width=64, height=36), silent, audio=False)
    with dg.DagsterInstance.ephemeral() as instance:
        video_id = register(silent, run.warehouse, instance).video_id
    outcome = analyze(make_analyzer(inputs=("audio",), run=lambda audio: audio), video_id, run, "1")
    assert (outcome.status, outcome.reason) == (Status.NOT_APPLICABLE, "the file has no audio track")


def test_a_disabled_analyzer_and_its_dependants_keep_their_tables(run, video_id):
    from dataclasses import replace

    dependant = make_analyzer("dependant", inputs=("example",), run=lambda example: example)
    for item in (make_analyzer(), dependant):
        analyze(item, video_id, run, "1")
    off = replace(run, disabled={"example": "example", "dependant": "example"})
    outcomes = [analyze(item, video_id, off, "1") for item in (make_analyzer(), dependant)]
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [
        (Status.DISABLED, "switched off for this run"),
        (Status.NOT_APPLICABLE, "example is disabled"),
    ]
    assert run.warehouse.read_partition("example", video_id)["share"].to_list() == [0.5]
    assert run.warehouse.read_partition("dependant", video_id)["share"].to_list() == [0.5]
    assert (record(run, video_id)["status"], record(run, video_id)["reason"]) == (
        "disabled",
        "switched off for this run",
    )


def test_an_optional_input_that_is_missing_is_none(run, video_id):
    table = pl.DataFrame({"time_s": [0.0], "share": [0.5]})
    seen = []

    def look(audio, other):
        seen.extend([audio, other])
        return table

    asking = make_analyzer(inputs=("audio", "other"), optional=frozenset({"other"}), run=look)
    assert analyze(asking, video_id, run, "1").status is Status.VALUE
    assert seen[0] is not None
    assert seen[1] is None


def test_a_cancelled_run_writes_nothing(run, video_id):
    from dataclasses import replace

    outcome = analyze(make_analyzer(), video_id, replace(run, cancelled=lambda: True), "1")
    assert outcome.status is Status.FAILED
    assert run.warehouse.read_partition("example", video_id) is None
    assert read_records(video_id, run.warehouse) == {}


def test_a_cancelled_run_removes_nothing(run, video_id):
    analyze(make_analyzer(), video_id, run, "1")
    silent = make_analyzer(run=lambda video: NotApplicable("nothing to see"))
    analyze(silent, video_id, replace(run, cancelled=lambda: True), "2")
    assert run.warehouse.read_partition("example", video_id) is not None
    assert record(run, video_id)["status"] == Status.VALUE


def test_a_broken_file_fails_with_one_line(run, tmp_path):
    import dagster as dg

    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video" * 100)
    with dg.DagsterInstance.ephemeral() as instance:
        video_id = register(broken, run.warehouse, instance).video_id
    outcome = probe(video_id, run, "1")
    assert outcome.status is Status.FAILED
    assert "broken.mp4" in outcome.reason
    assert "\n" not in outcome.reason
    assert record(run, video_id, "videos")["status"] == "failed"


def test_a_missing_file_is_recorded_under_its_path(run, tmp_path):
    missing = tmp_path / "not there.mp4"
    video_id = reject(missing, MediaError("not there.mp4", "there is no such file", "check the path"), run.warehouse)
    assert video_id.startswith("not_there-")
    row = record(run, video_id, "videos")
    assert (row["status"], row["reason"]) == ("failed", "not there.mp4: there is no such file; check the path")
