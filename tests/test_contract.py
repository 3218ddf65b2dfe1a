"""An analyzer's description refuses what could only fail later."""

import pickle

import polars as pl
import pydantic
import pytest

from resources.tasks.speech import SPEECH
from tests.kit.makers import make_analyzer
from vid_assets.contract import Column, Config, setting
from vid_assets.errors import AnalyzerDefinitionError, MediaError


def test_upstream_are_the_inputs_that_are_no_streams():
    analyzer = make_analyzer(
        inputs=("frames", "cut_analysis", "audio"), run=lambda frames, cut_analysis, audio: pl.DataFrame()
    )
    assert analyzer.upstream == ("cut_analysis",)


def test_empty_is_typed():
    assert make_analyzer().empty().schema == {"time_s": pl.Float64, "share": pl.Float64}


class Pace(Config):
    step_s: float = setting(0.5, "s", "Time between two looks.", ge=0.1, le=10)


def test_run_takes_the_model_and_then_the_settings_last():
    wrong = r"run takes \['video'\], inputs, task and config say "
    with pytest.raises(AnalyzerDefinitionError, match=wrong + r"\['video', 'model'\]"):
        make_analyzer(task=SPEECH)
    with pytest.raises(AnalyzerDefinitionError, match=wrong + r"\['video', 'config'\]"):
        make_analyzer(config=Pace)
    with pytest.raises(AnalyzerDefinitionError, match=wrong + r"\['video', 'model', 'config'\]"):
        make_analyzer(task=SPEECH, config=Pace)
    assert make_analyzer(task=SPEECH, run=lambda video, model: model).task is SPEECH
    assert make_analyzer(task=SPEECH, config=Pace, run=lambda video, model, config: model).config is Pace


def test_optional_names_inputs_or_the_model():
    run = lambda video, model: model  # noqa: E731
    assert make_analyzer(task=SPEECH, run=run, optional=frozenset({"model"})).optional == {"model"}
    with pytest.raises(AnalyzerDefinitionError, match=r"optional names \['model'\], which are no inputs"):
        make_analyzer(optional=frozenset({"model"}))
    with pytest.raises(AnalyzerDefinitionError, match=r"optional names \['config'\], which are no inputs"):
        make_analyzer(config=Pace, run=lambda video, config: config, optional=frozenset({"config"}))


def test_settings_are_checked_fixed_and_described():
    assert Pace().step_s == 0.5
    assert Pace.model_fields["step_s"].description == "Time between two looks. [s]"
    for values in ({"step_s": 0.0}, {"step_s": 11}, {"step_s": "often"}, {"pace": 1.0}):
        with pytest.raises(pydantic.ValidationError):
            Pace(**values)
    with pytest.raises(pydantic.ValidationError):
        Pace().step_s = 1.0

    class Wrong(Config):
        step_s: float = setting(0.0, "s", "A default out of its own range.", ge=0.1)

    with pytest.raises(pydantic.ValidationError):
        Wrong()


def test_a_group_may_be_of_your_own():
    assert make_analyzer(group="my_group").group == "my_group"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "not a name"}, "not an identifier"),
        ({"group": "some where"}, "the group 'some where' is not an identifier; use one of understanding, .*your own"),
        ({"table": {}}, "no column of its own"),
        ({"table": {"video_id": Column(pl.String, "text", "Id.")}}, "names video_id"),
    ],
)
def test_contradictions_are_refused(changes, problem):
    with pytest.raises(AnalyzerDefinitionError, match=problem):
        make_analyzer(**changes)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(MediaError("clip.mp4", "empty file", "give another")))
    assert str(error) == "clip.mp4: empty file; give another"
    assert (error.culprit, error.problem, error.fix) == ("clip.mp4", "empty file", "give another")
