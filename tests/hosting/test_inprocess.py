"""The engine that keeps models in the caller's own process."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from resources.errors import ModelCancelled, ModelUnavailable
from resources.hosting.calls import Calls
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.hosting.hosts import Deployment
from resources.hosting.inprocess import InProcess
from resources.hosting.messages import Stream
from resources.tasks.objects import OBJECTS
from tests.kit.host_kit import fake_spec
from vid_assets.contract import Frames


def ask(engine: InProcess, deployment: Deployment, method: str = "echo", **args: Any) -> pl.DataFrame:
    pictures = np.arange(4.0).reshape(4, 1, 1, 1) * np.ones((4, 3, 5, 3))
    streams = {"frames": Stream(pictures, None, [3, 1])}
    calls = args.pop("calls", Calls())
    return engine.call(deployment, method, streams, args, video_id="v", deadline_s=1.0, calls=calls)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    spec = replace(fake_spec(tmp_path), options={"note": str(tmp_path / "loads")})
    return Deployment(spec, tmp_path / "models", spec.options)


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_the_first_call_loads_in_this_process_and_later_ones_use_it(deployment: Deployment, tmp_path: Path) -> None:
    engine = InProcess()
    assert engine.status(deployment).state == "absent"
    engine.prewarm(deployment)
    assert engine.status(deployment).state == "absent"
    first = ask(engine, deployment)
    assert first.columns[:2] == ["video_id", "model_revision"]
    assert first.select("video_id", "model_revision", "row", "mean", "pid").rows() == [
        ("v", "r1", 3, 3.0, os.getpid()),
        ("v", "r1", 1, 1.0, os.getpid()),
    ]
    assert ask(engine, deployment).equals(first)
    assert (tmp_path / "loads").read_text().split() == [str(os.getpid())]
    status = engine.status(deployment)
    assert (status.state, status.model) == ("warm", "echo")
    engine.stop()
    assert engine.status(deployment).state == "absent"
    ask(engine, deployment)
    assert len((tmp_path / "loads").read_text().split()) == 2


def test_other_options_or_another_revision_are_another_host(deployment: Deployment, tmp_path: Path) -> None:
    engine = InProcess()
    one = engine.host(deployment)
    assert engine.host(deployment) is one
    other = replace(deployment, options={**deployment.options, "load_s": 0.01})
    assert engine.status(other).state == "absent"
    assert engine.host(other) is not one
    assert engine.host(other).options["load_s"] == 0.01
    newer = replace(deployment, spec=replace(deployment.spec, precision="int8"))
    assert engine.host(newer).precision == "int8"
    assert engine.host(deployment) is one


def test_calls_that_were_given_up_ask_nobody(deployment: Deployment, tmp_path: Path) -> None:
    calls = Calls()
    calls.cancel()
    with pytest.raises(ModelCancelled):
        ask(InProcess(), deployment, calls=calls)
    assert not (tmp_path / "loads").exists()


def test_errors_are_the_host_s_own(deployment: Deployment) -> None:
    engine = InProcess()
    with pytest.raises(ValueError, match="bad input"):
        ask(engine, deployment, bad=True)
    with pytest.raises(AttributeError, match="EchoHost serves no method 'secret'"):
        ask(engine, deployment, "secret")
    assert ask(engine, deployment)["mean"].to_list() == [3.0, 1.0]


def test_altered_weights_are_refused(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "weights" / "model.bin").write_bytes(b"altered")
    with pytest.raises(ModelUnavailable, match=r"model\.bin has changed"):
        ask(InProcess(), deployment)


def test_a_handle_answers_the_same_as_from_a_host_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), dtype=np.uint8)
    frames = Frames(picture, np.arange(2.0), np.arange(2), video_id="clip")
    hosts = ModelHostsResource(scratch=str(tmp_path / "s"), models=str(tmp_path / "m"))
    handle = handle_of(OBJECTS)(hosts=hosts, profile="offline")
    engine = InProcess()
    with monkeypatch.context() as patched:
        patched.setattr(ModelHostsResource, "engine", lambda _: engine)
        here = handle.detect(frames, [1, 0])
    try:
        there = handle.detect(frames, [1, 0])
    finally:
        hosts.engine().stop()
    assert here.schema == there.schema == pl.Schema(OBJECTS.schema)
    assert here.equals(there)
