"""Handles: the method that the task asks for, what travels, how long it may take, and what its fields change."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import tasks
from resources.catalog.rows import catalogue, find
from resources.catalog.spec import CHECKPOINT_FILES, sealed_revision
from resources.catalog.store import seal
from resources.errors import ModelError, ModelUnavailable
from resources.hosting.handle import ModelHostsResource, ModelResource, handle_of
from resources.hosting.hosts import Deployment, ModelHosts, ModelStatus
from resources.hosting.messages import Stream
from resources.tasks import Task
from resources.tasks.ages import AGES
from resources.tasks.captions import CAPTIONS, PROMPTS
from resources.tasks.depth import DEPTH
from resources.tasks.descriptions import DESCRIPTIONS, PROMPT
from resources.tasks.emotions import EMOTIONS
from resources.tasks.faces import FACES
from resources.tasks.objects import OBJECTS
from resources.tasks.picture_words import PICTURE_WORDS
from resources.tasks.pictures import PICTURES
from resources.tasks.products import PRODUCTS
from resources.tasks.segmentation import SEGMENTATION
from resources.tasks.sentences import SENTENCES
from resources.tasks.sounds import SOUNDS
from resources.tasks.speech import SPEECH
from resources.tasks.text import TEXT
from vid_assets.contract import Audio, Frames

TASKS = (
    AGES, CAPTIONS, DEPTH, DESCRIPTIONS, EMOTIONS, FACES, OBJECTS, PICTURES, PICTURE_WORDS, PRODUCTS, SEGMENTATION,
    SENTENCES, SOUNDS, SPEECH, TEXT,
)  # fmt: skip
FRAMES = Frames(np.zeros((5, 4, 6, 3), np.uint8), np.arange(5.0), np.arange(5), Path("/x/frames.npy"), "clip-1")
AUDIO = Audio(np.zeros(32000, np.float32), path=Path("/x/audio.npy"), video_id="clip-2")


class Noted(ModelHosts):
    """An engine that notes how it is called and answers without rows."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.calls: list[dict[str, Any]] = []

    def call(
        self,
        deployment: Deployment,
        method: str,
        streams: Mapping[str, Stream],
        args: Mapping[str, Any],
        **rest: Any,
    ) -> pl.DataFrame:
        self.calls.append({"deployment": deployment, "method": method, "streams": streams, "args": args, **rest})
        identity = {"video_id": pl.String, "model_revision": pl.String}
        return pl.DataFrame(schema={**identity, **self.task.schema})

    def prewarm(self, deployment: Deployment) -> None: ...

    def status(self, deployment: Deployment) -> ModelStatus:
        return ModelStatus("absent")

    def stop(self) -> None: ...


def asked(monkeypatch: pytest.MonkeyPatch, task: Task, **fields: Any) -> tuple[Any, Noted]:
    """A handle of the task, and the engine that it asks."""
    engine = Noted(task)
    monkeypatch.setattr(ModelHostsResource, "engine", lambda _: engine)
    return handle_of(task)(hosts=ModelHostsResource(), profile="cpu", **fields), engine


def offline(task: Task, **fields: Any) -> ModelResource:
    return handle_of(task)(hosts=ModelHostsResource(), **{"profile": "offline", **fields})


@pytest.fixture(params=TASKS, ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


def test_every_task_of_the_project_is_here() -> None:
    folder = Path(tasks.__file__).parent
    assert len({task.name for task in TASKS}) == len(TASKS) == len({task.key for task in TASKS})
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "task", "inputs"} == {t.name for t in TASKS}
    assert {task.name for task in TASKS} == {spec.task for spec in catalogue()}
    keys = {task.name: task.key for task in TASKS if task.key != task.name}
    assert keys == {"captions": "blip2", "descriptions": "video_llava"}


def test_the_protocol_s_only_method_is_the_handle_s(task: Task) -> None:
    kind = handle_of(task)
    method = getattr(kind, task.method)
    assert method.__doc__ == task.function.__doc__
    assert kind.__doc__ == task.question
    assert list(inspect.signature(task.function).parameters)[1:] == list(task.signature.parameters)
    first = next(iter(task.signature.parameters))
    assert first in ("frames", "audio", "texts")
    assert {*task.beside, *([task.each] if task.each else [])} <= set(task.signature.parameters)
    assert handle_of(task) is kind


def test_arguments_are_bound_as_the_protocol_says(monkeypatch: pytest.MonkeyPatch, task: Task) -> None:
    handle, engine = asked(monkeypatch, task)
    given = {"frames": FRAMES, "audio": AUDIO, "rows": [2], "spans": [[0, 1]], "boxes": [(0.0, 0.0, 1.0, 1.0)]}
    given["texts"] = ["a dog"]
    needed = {
        name: given[name]
        for name, parameter in task.signature.parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    answer = getattr(handle, task.method)(*needed.values())
    getattr(handle, task.method)(**needed)
    assert engine.calls[0] == engine.calls[1]
    assert answer.schema == pl.Schema(task.schema)
    (call, _) = engine.calls
    assert call["method"] == task.method
    assert call["video_id"] == ("clip-1" if "frames" in needed else "clip-2" if "audio" in needed else "")
    defaults = {n: p.default for n, p in task.signature.parameters.items() if p.default is not inspect.Parameter.empty}
    assert set(call["args"]) == set(task.signature.parameters) - {"frames", "audio", "rows"}
    assert {name: call["args"][name] for name in defaults} == json.loads(json.dumps(defaults))
    with pytest.raises(TypeError):
        getattr(handle, task.method)(*needed.values(), colour="red")
    with pytest.raises(TypeError):
        getattr(handle, task.method)()
    assert len(engine.calls) == 2


def test_every_host_of_the_catalogue_serves_its_task_s_method() -> None:
    import importlib

    methods = {task.name: task.method for task in TASKS}
    for spec in catalogue():
        module, _, name = spec.host.partition(":")
        host = getattr(importlib.import_module(module), name)
        assert getattr(getattr(host, methods[spec.task]), "__served__", False), spec.name


@pytest.mark.parametrize("task", [task for task in TASKS if task.each], ids=lambda task: task.name)
@pytest.mark.parametrize("empty", [[], (), range(0), np.zeros(0, int)], ids=["list", "tuple", "range", "array"])
def test_an_empty_question_asks_nobody(monkeypatch: pytest.MonkeyPatch, task: Task, empty: Any) -> None:
    handle, engine = asked(monkeypatch, task)
    given = {"frames": FRAMES, "audio": AUDIO, "rows": empty, "spans": empty, "boxes": [], "texts": empty}
    answer = getattr(handle, task.method)(**{name: given[name] for name in task.signature.parameters if name in given})
    assert (answer.schema, answer.height, engine.calls) == (pl.Schema(task.schema), 0, [])


def test_an_empty_question_needs_no_model_of_the_profile() -> None:
    assert offline(DEPTH).nearness(FRAMES, []).is_empty()
    with pytest.raises(ModelUnavailable, match="profile 'offline' has no model for it"):
        offline(DEPTH).nearness(FRAMES, [1])


@pytest.mark.parametrize(
    "rows", [[3, 1], (3, 1), range(3, 0, -2), np.array([3, 1]), pl.Series([3, 1])],
    ids=["list", "tuple", "range", "array", "series"],
)  # fmt: skip
def test_rows_are_plain_numbers_and_pictures_travel_by_name(monkeypatch: pytest.MonkeyPatch, rows: Any) -> None:
    handle, engine = asked(monkeypatch, OBJECTS)
    handle.detect(FRAMES, rows)
    (call,) = engine.calls
    stream = call["streams"]["frames"]
    assert stream.array is FRAMES.array
    assert stream.path == Path("/x/frames.npy")
    assert stream.rows == [3, 1]
    assert {type(row) for row in stream.rows} == {int}
    assert call["args"] == {}


def test_arguments_become_json(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, engine = asked(monkeypatch, DESCRIPTIONS)
    handle.describe(FRAMES, [range(2), (np.int64(3), 4), np.array([1, 2]), [np.int32(0)]])
    args = engine.calls[0]["args"]
    assert args == {"spans": [[0, 1], [3, 4], [1, 2], [0]], "prompt": PROMPT}
    assert json.loads(json.dumps(args)) == args
    assert engine.calls[0]["streams"]["frames"].rows is None

    handle, engine = asked(monkeypatch, AGES)
    handle.ages(FRAMES, [1, 0], [(np.float32(0.5), 0, 1, np.float64(1.0)), np.array([0.0, 0.25, 0.5, 1.0])])
    args = engine.calls[0]["args"]
    assert args == {"boxes": [[0.5, 0, 1, 1.0], [0.0, 0.25, 0.5, 1.0]]}
    assert json.loads(json.dumps(args)) == args

    handle, engine = asked(monkeypatch, CAPTIONS)
    handle.caption(FRAMES, [0])
    handle.caption(FRAMES, [0], prompts={"what": "What?"})
    assert [call["args"] for call in engine.calls] == [{"prompts": PROMPTS}, {"prompts": {"what": "What?"}}]


@pytest.mark.parametrize(
    ("count", "seconds"), [(1, [300.0]), (5, [300.0]), (6, [360.0]), (16, [960.0]), (100, [960.0] * 6 + [300.0])]
)
def test_many_pictures_are_asked_about_in_several_calls_whose_deadlines_do_not_grow(
    monkeypatch: pytest.MonkeyPatch, count: int, seconds: list[float]
) -> None:
    assert CAPTIONS.slowest_s == 60.0
    handle, engine = asked(monkeypatch, CAPTIONS)
    handle.caption(FRAMES, [0] * count)
    assert [call["deadline_s"] for call in engine.calls] == seconds


@given(count=st.integers(1, 200), deadline_s=st.floats(1, 500), task=st.sampled_from([AGES, TEXT, OBJECTS, SENTENCES]))
def test_answers_of_several_calls_are_those_of_one(count: int, deadline_s: float, task: Task) -> None:
    asked_about: list[Any] = []

    class Echo(Noted):
        """Answers with what it was asked about, counted as a host counts it."""

        def call(self, *args: Any, **rest: Any) -> pl.DataFrame:
            super().call(*args, **rest)
            (_, _, streams, given) = args
            things = given["texts"] if task is SENTENCES else streams["frames"].rows
            asked_about.extend(zip(things, given.get("boxes") or things, strict=True))
            first = next(iter(task.answer))
            values = things if first == "row" else range(len(things))
            rest_of = {name: pl.lit(None, kind) for name, kind in task.schema.items() if name != first}
            return pl.DataFrame({first: values}, {first: pl.Int64}).select(
                pl.lit("").alias("video_id"), pl.lit("").alias("model_revision"), first, **rest_of
            )

    things = (
        [f"text {number}" for number in range(count)] if task is SENTENCES else [(7 * n) % 13 for n in range(count)]
    )
    boxes = [(n / 1000, 0.0, 1.0, 1.0) for n in range(count)]
    with pytest.MonkeyPatch.context() as patch:
        handle, engine = asked(patch, task, deadline_s=deadline_s)
        patch.setattr(ModelHostsResource, "engine", lambda _: Echo(task))
        named = {"texts": things} if task is SENTENCES else {"frames": FRAMES, "rows": things}
        answer = getattr(handle, task.method)(**named, **({"boxes": boxes} if "boxes" in task.beside else {}))
    assert engine.calls == []
    first = next(iter(task.answer))
    assert answer[first].to_list() == (things if first == "row" else list(range(count)))
    assert answer.schema == pl.Schema(task.schema)
    sides = [list(box) for box in boxes] if task.beside else things
    assert asked_about == list(zip(things, sides, strict=True))


def test_the_deadline_grows_with_the_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, engine = asked(monkeypatch, SPEECH, deadline_s=20.0)
    handle.transcribe(AUDIO)
    handle.transcribe(Audio(np.zeros(16000 * 60, np.float32)))
    assert [call["deadline_s"] for call in engine.calls] == [20.0, SPEECH.slowest_s * 60]


def test_options_change_the_row_s_and_no_others() -> None:
    row = find("captions", "offline")
    spec = offline(CAPTIONS, options={"batch": 3}).spec()
    assert spec.options == {**row.options, "batch": 3}
    assert (spec.name, spec.revision) == (row.name, row.revision)
    assert row.options["batch"] != 3
    assert offline(CAPTIONS, options={"batch": 3}).deployment().options == spec.options
    message = (
        r"blip2-tiny: options \['beams', 'size'\] are unknown; it has batch, device, max_new_tokens, min_confidence"
    )
    with pytest.raises(ModelError, match=message):
        offline(CAPTIONS, options={"size": 1, "batch": 2, "beams": 5}).spec()
    with pytest.raises(ModelError, match=r"centernet: options \['batch'\] are unknown; it has none"):
        offline(OBJECTS, options={"batch": 1}).spec()


def test_precision_replaces_the_row_s() -> None:
    assert offline(CAPTIONS, precision="nf4").spec().precision == "nf4"
    assert offline(CAPTIONS).spec().precision == find("captions", "offline").precision


def test_a_repo_is_a_folder_or_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = find("descriptions", "offline")
    (tmp_path / "net").mkdir()
    unsealed = offline(DESCRIPTIONS, repo=str(tmp_path / "net")).spec()
    assert (unsealed.source, unsealed.repo, unsealed.revision) == ("folder", str(tmp_path / "net"), "unsealed")
    (tmp_path / "net" / "model.bin").write_bytes(b"weights")
    seal(tmp_path / "net")
    folder = offline(DESCRIPTIONS, repo=str(tmp_path / "net")).spec()
    assert folder.revision == sealed_revision(tmp_path / "net") != "unsealed"
    assert (folder.name, folder.host, folder.options) == (row.name, row.host, row.options)
    monkeypatch.chdir(tmp_path)
    assert offline(DESCRIPTIONS, repo="net").spec() == folder
    monkeypatch.setenv("HOME", str(tmp_path))
    assert offline(DESCRIPTIONS, repo="~/net").spec() == folder
    hub = offline(DESCRIPTIONS, repo="org/net", revision="abc").spec()
    assert (hub.source, hub.repo, hub.revision, hub.patterns) == ("hub", "org/net", "abc", CHECKPOINT_FILES)
    assert offline(DESCRIPTIONS, repo="org/net").spec().revision == "main"
    own = handle_of(SPEECH)(hosts=ModelHostsResource(), profile="cpu", repo="org/whisper").spec()
    assert own.patterns == find("speech", "cpu").patterns != CHECKPOINT_FILES
    for spec in (folder, hub):
        assert dict(spec.files) == {}


def test_a_model_is_chosen_by_name() -> None:
    assert offline(OBJECTS, model="rtdetr-v2-r50").spec() == find("objects", "gpu")
    with pytest.raises(ModelUnavailable, match="model 'blip2-tiny': no such model for the task objects"):
        offline(OBJECTS, model="blip2-tiny").spec()


def test_the_handle_s_own_profile_comes_first_then_that_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID_PROFILE", "gpu")
    names = {profile: find("objects", profile).name for profile in ("offline", "cpu", "gpu")}
    assert len(set(names.values())) == 3
    handle = handle_of(OBJECTS)(hosts=ModelHostsResource())
    assert handle.spec().name == names["gpu"]
    assert handle.spec("cpu").name == names["cpu"]
    assert offline(OBJECTS).spec("cpu").name == names["offline"]


def test_a_deadline_of_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="deadline_s"):
        offline(OBJECTS, deadline_s=0.0)


def test_fields_come_from_a_run_s_configuration(tmp_path: Path) -> None:
    seen = []

    @dg.asset(required_resource_keys={"blip2"})
    def look(context: dg.AssetExecutionContext) -> None:
        handle = context.resources.blip2
        seen.append((handle.spec(), handle.hosts.weights()))

    hosts = ModelHostsResource.configure_at_launch()
    definitions = dg.Definitions(
        [look], resources={"model_hosts": hosts, "blip2": handle_of(CAPTIONS)(hosts=hosts, profile="offline")}
    )
    changed = {"options": {"batch": 2}, "precision": "fp16", "profile": "offline"}
    config = {"blip2": {"config": changed}, "model_hosts": {"config": {"models": str(tmp_path)}}}
    job = definitions.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(run_config={"resources": config}).success
    ((spec, weights),) = seen
    assert (spec.options["batch"], spec.precision, weights) == (2, "fp16", tmp_path)
