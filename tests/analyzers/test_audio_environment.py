"""What kind of sound there is over time."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.catalog.rows import find
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.hosting.host import Request
from resources.models.sounds import SCHEMA, AstTaggerHost
from resources.tasks.sounds import SOUNDS
from tests.kit.makers import make_video
from vid_assets.analyzers.audio_environment import ALL_KINDS, ANALYZER, KINDS, levels, preview, run, smoothed, steady
from vid_assets.contract import Audio
from vid_assets.demo import SPEECH
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.parts import Sound
from vid_assets.synthetic.sound import read, synthesise

RATE = 16000


class Tags:
    """A model that answers what a test wants, a stretch per second."""

    def __init__(self, *stretches, **more):
        self.stretches, self.more = stretches, more

    def tag(self, audio):
        rows = [
            (float(at), at + 1.0, label, float(score))
            for at, scores in enumerate(self.stretches)
            for label, score in (dict.fromkeys(KINDS, 0.0) | scores).items()
        ]
        return pl.DataFrame(
            rows, {"start_s": pl.Float64, "end_s": pl.Float64, "label": pl.String, "score": pl.Float64}, orient="row"
        )


def sound(*parts):
    return Audio(np.concatenate(parts).astype(np.float32))


def noise(seconds, level=0.1):
    return level * np.random.default_rng(0).standard_normal(round(seconds * RATE))


def spans(table):
    return table.select("start_s", "end_s", "kind").rows()


def test_kinds_follow_the_model_and_silence_the_level():
    audio = sound(noise(2), np.zeros(RATE), noise(2))
    model = Tags({"speech": 0.9, "Dog": 0.4}, {"speech": 0.2}, {"speech": 0.9}, {"music": 0.9}, {"music": 0.9})
    table = run(audio, model)
    assert spans(table) == [
        (0.0, 1.0, "speech"), (1.0, 2.0, "noise"), (2.0, 3.0, "silence"), (3.0, 5.0, "music"),
    ]  # fmt: skip
    assert table["level_db"].to_list() == pytest.approx([-20, -20, -120, -20], abs=0.2)
    assert table["tags"].to_list() == [["Dog"], [], [], []]
    assert table["confidence"].to_list()[:3] == pytest.approx([0.9, 0.8, 1.0])
    assert all(check.passed for check in check_table(ANALYZER, table, make_video(duration_s=5.0)))
    assert preview(table, audio).std() > 10


@pytest.mark.parametrize("frequencies", [(440,), (50, 100, 150, 200), (700, 1180)])
@pytest.mark.parametrize("seconds", [3, 20])
def test_steady_tones_are_no_music(frequencies, seconds):
    times = np.arange(seconds * RATE) / RATE
    tones = 0.1 * np.sum([np.sin(2 * np.pi * frequency * times) for frequency in frequencies], axis=0)
    model = Tags(*[{"music": 0.9, "singing": 0.7}] * seconds)
    assert spans(run(sound(tones), model)) == [(0.0, float(seconds), "noise")]


def test_notes_that_change_stay_music():
    times = np.arange(RATE) / RATE
    notes = [0.1 * np.sin(2 * np.pi * frequency * times) for frequency in (262, 330, 392, 523, 392, 330)]
    assert spans(run(sound(*notes), Tags(*[{"music": 0.9}] * 6))) == [(0.0, 6.0, "music")]


def test_a_tone_in_ten_minutes_of_noise_is_found_at_the_edge_of_a_block():
    times = np.arange(8 * RATE) / RATE
    audio = sound(noise(596), 0.1 * np.sin(2 * np.pi * 440 * times), noise(6))
    constant = steady(audio, levels(audio))
    assert np.flatnonzero(constant)[[0, -1]].tolist() == [5960, 6039]
    assert constant[5960:6040].all()


@pytest.mark.parametrize("count", [1, 2])
def test_a_short_loud_sound_is_no_silence(count):
    audio = sound(np.zeros(RATE), noise(count / 10), np.zeros(RATE))
    table = run(audio, Tags({}, {}, {}))
    assert spans(table) == [
        (0.0, 1.0, "silence"),
        (1.0, 1 + count / 10, "noise"),
        (1 + count / 10, 2 + count / 10, "silence"),
    ]
    assert (table.filter(pl.col("kind") == "silence")["level_db"] < -60).all()


def test_speech_over_music_is_speech():
    assert spans(run(sound(noise(1)), Tags({"speech": 0.6, "music": 0.9}))) == [(0.0, 1.0, "speech")]


def test_no_sound_gives_a_typed_empty_table():
    table = run(sound(np.zeros(0)), Tags())
    assert table.schema == ANALYZER.empty().schema
    assert table.is_empty()


def test_level_of_a_last_step_that_is_shorter():
    assert levels(sound(np.full(2000, 0.1))).tolist() == pytest.approx([-20.0, -20.0], abs=1e-4)


def test_a_last_step_that_is_shorter_counts_for_less():
    (row,) = run(sound(np.full(1600, 0.1), np.full(160, 0.5)), Tags({"speech": 0.9})).rows(named=True)
    assert row["level_db"] == pytest.approx(10 * np.log10((0.1**2 * 1600 + 0.5**2 * 160) / 1760), abs=1e-3)


@given(st.lists(st.sampled_from(ALL_KINDS), min_size=1, max_size=60), st.integers(0, 2**31))
def test_smoothing_keeps_the_length_and_invents_no_kind(kinds, seed):
    rng = np.random.default_rng(seed)
    result = smoothed(kinds, {kind: rng.random(len(kinds)) for kind in KINDS})
    assert len(result) == len(kinds)
    assert set(result) <= set(kinds)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    hosts = ModelHostsResource(scratch=str(tmp_path_factory.mktemp("scratch")))
    yield handle_of(SOUNDS)(hosts=hosts, profile="offline")
    hosts.engine().stop()


def test_real_speech_and_generated_sounds_are_told_apart(model):
    speech = read(SPEECH, RATE)[round(5.4 * RATE) : round(7.4 * RATE)]
    music = synthesise(Sound("music", 0, 3, -12, bpm=110, seed=4), 3 * RATE, RATE)
    pink = synthesise(Sound("noise", 0, 3, -20, colour="pink", seed=4), 3 * RATE, RATE)
    table = run(sound(speech, np.zeros(2 * RATE), music, pink), model)
    assert table["tags"].null_count() == table.height
    for start_s, end_s, kind in [(0, 2, "speech"), (2, 4, "silence"), (4, 7, "music"), (7, 10, "noise")]:
        inside = table.filter(pl.col("kind") == kind).with_columns(
            seconds=pl.min_horizontal("end_s", pl.lit(end_s)) - pl.max_horizontal("start_s", pl.lit(start_s))
        )
        assert inside["seconds"].clip(0).sum() >= 0.8 * (end_s - start_s), (kind, table)


def test_hardly_any_sound(model):
    assert model.tag(sound(np.zeros(100))).is_empty()
    table = run(sound(noise(0.05)), model)
    assert table.select("start_s", "end_s").rows() == [(0.0, 0.05)]


@pytest.mark.filterwarnings("ignore:At least one mel filter:UserWarning")  # AudioSet's own settings
def test_the_transformer_is_asked_as_its_library_would(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(1)
    names = ["Speech", "Music", "Dog", "Singing"]
    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_length=256,
        id2label=dict(enumerate(names)), label2id={name: place for place, name in enumerate(names)},
    )  # fmt: skip
    reference = transformers.ASTForAudioClassification(config).eval()
    extractor = transformers.ASTFeatureExtractor(max_length=256)
    reference.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    host = AstTaggerHost(find("sounds", "cpu"), tmp_path, {})
    host.load()
    samples = noise(2.5).astype(np.float32)
    (table,) = host.tag([Request(arrays={"audio": samples})])
    assert table.schema == pl.Schema(SCHEMA)
    assert table.filter(pl.col("label") == "speech")["end_s"].to_list() == [1.0, 2.0, 2.5]
    middle = np.pad(samples, RATE // 2)[RATE : 3 * RATE]
    with torch.inference_mode():
        scores = reference(**extractor(middle, sampling_rate=RATE, return_tensors="pt")).logits.sigmoid()[0].tolist()
    told = dict(table.filter(pl.col("start_s") == 1.0).select("label", "score").iter_rows())
    assert told == pytest.approx(
        {"speech": scores[0], "music": scores[1], "singing": scores[3], "Dog": scores[2]}, abs=1e-5
    )
