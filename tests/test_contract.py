"""An analyzer's description refuses what could only fail later."""

import pickle

import polars as pl
import pytest

from tests.kit.makers import make_analyzer
from vid_assets.contract import Column
from vid_assets.errors import AnalyzerDefinitionError, MediaError


def test_upstream_are_the_inputs_that_are_no_streams():
    analyzer = make_analyzer(
        inputs=("frames", "cut_analysis", "audio"), run=lambda frames, cut_analysis, audio: pl.DataFrame()
    )
    assert analyzer.upstream == ("cut_analysis",)


def test_empty_is_typed():
    assert make_analyzer().empty().schema == {"time_s": pl.Float64, "share": pl.Float64}


def test_run_takes_the_model_last():
    with pytest.raises(
        AnalyzerDefinitionError, match=r"run takes \['video'\], inputs and model say \['video', 'model'\]"
    ):
        make_analyzer(model="whisper")
    assert make_analyzer(model="whisper", run=lambda video, model: model).model == "whisper"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "not a name"}, "not an identifier"),
        ({"group": "elsewhere"}, "unknown group 'elsewhere'"),
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
