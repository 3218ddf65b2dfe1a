"""How excited phrases sound."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.speech_emotion import PHRASE_S, measure, phrase
from resources.catalog.rows import find
from resources.errors import ModelUnavailable
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.hosting.host import Request
from resources.models.emotions import SCHEMA, EmotionHost
from resources.tasks.emotions import EMOTIONS
from tests.kit.makers import make_video
from vid_assets.analyzers import speech_rate
from vid_assets.analyzers.speech_emotion import ANALYZER, features, preview, ranks, run
from vid_assets.contract import Audio, Undefined
from vid_assets.defs.factory import has_model
from vid_assets.pipeline.checks import check_table

RATE = 16000


def spoken(*efforts):
    """A sound with a phrase for each effort, and its table of phrases."""
    samples = np.concatenate([phrase(effort, seed) for seed, effort in enumerate(efforts)])
    rows = [{"kind": "phrase", "start_s": at * PHRASE_S, "end_s": (at + 1) * PHRASE_S} for at in range(len(efforts))]
    return Audio(samples.astype(np.float32)), pl.DataFrame(rows, schema=speech_rate.ANALYZER.schema)


class Emotions:
    """A model to which every phrase is as angry as it starts late."""

    def emotions(self, audio, spans):
        lines = [
            (at, name, score)
            for at, (start, _) in enumerate(spans)
            for name, score in (("angry", start / 10), ("sad", 1 - start / 10))
        ]
        return pl.DataFrame(lines, SCHEMA, orient="row")


@pytest.mark.parametrize("seed", [1, 2])
def test_arousal_follows_effort(seed):
    figures = measure(seed)
    assert all(figure.met for figure in figures), figures


def test_the_most_excited_phrase_of_four():
    audio, phrases = spoken(0.0, 1.0, 0.4, 0.6)
    table = run(audio, phrases, None)
    assert table["arousal"].to_list() == pytest.approx([-1, 1, -1 / 3, 1 / 3], abs=0.35)
    assert table["arousal"].arg_max() == 1
    assert table["emotion"].null_count() == 4
    assert all(check.passed for check in check_table(ANALYZER, table, make_video()))
    assert preview(table, audio, phrases).std() > 10


def test_the_model_names_the_emotion():
    audio, phrases = spoken(0.2, 0.3, 0.4, 0.5, 0.6)
    table = run(audio, phrases, Emotions())
    assert table["emotion"].to_list() == ["sad", "sad", "sad", "sad", "angry"]
    assert table["confidence"].to_list() == pytest.approx([1.0, 0.85, 0.7, 0.55, 0.6])


def test_too_few_phrases():
    audio, phrases = spoken(0.2, 0.8)
    expected = "2 phrases are too few to compare, and this profile has no model of emotions"
    assert run(audio, phrases, None) == Undefined(expected)
    told = run(audio, phrases, Emotions())
    assert told["arousal"].to_list() == [None, None]
    assert told["emotion"].to_list() == ["sad", "sad"]


def test_the_profile_without_a_model():
    handle = handle_of(EMOTIONS)(hosts=ModelHostsResource())
    assert not has_model(ANALYZER, handle, "offline")
    assert has_model(ANALYZER, handle, "cpu")
    with pytest.raises(ModelUnavailable, match="profile 'offline' has no model for it"):
        find("emotions", "offline")


def test_features_of_a_tone():
    time = np.arange(RATE) / RATE
    found = features((0.1 * np.sin(2 * np.pi * 200 * time)).astype(np.float32), RATE)
    assert found["pitch_hz"] == pytest.approx(200, rel=0.01)
    assert found["level_db"] == pytest.approx(-23.0, abs=0.1)
    assert found["hf500"] == pytest.approx(0, abs=1e-3)
    assert features(np.zeros(RATE, np.float32), RATE)["pitch_hz"] is None


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=20))
def test_ranks_are_balanced(values):
    found = ranks(values)
    known = [rank for rank in found if rank is not None]
    assert all(-1 <= rank <= 1 for rank in known)
    assert sum(known) == pytest.approx(0, abs=1e-9)
    if len([value for value in values if value is not None]) > 1:
        assert [rank is None for rank in found] == [value is None for value in values]


@pytest.mark.parametrize("form", ["safetensors", "pytorch_model.bin"])
def test_the_classifier_is_asked_as_its_library_would(tmp_path, form):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(1)
    names = ["neu", "hap", "ang", "sad"]
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8, 8),
        conv_stride=(5, 2), conv_kernel=(10, 3), num_feat_extract_layers=2, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, classifier_proj_size=8, id2label=dict(enumerate(names)),
        label2id={name: at for at, name in enumerate(names)},
    )  # fmt: skip
    reference = transformers.Wav2Vec2ForSequenceClassification(config).eval()
    extractor = transformers.Wav2Vec2FeatureExtractor()
    reference.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    if form == "pytorch_model.bin":
        torch.save(reference.state_dict(), tmp_path / form)
        (tmp_path / "model.safetensors").unlink()
    host = EmotionHost(find("emotions", "cpu"), tmp_path, {})
    host.load()
    samples = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    request = Request(arrays={"audio": samples}, args={"spans": [[0.5, 1.0], [0.5, 0.51]]})
    (table,) = host.emotions([request])
    with torch.inference_mode():
        inputs = extractor(samples[RATE // 2 :], sampling_rate=RATE, return_tensors="pt")
        shares = reference(**inputs).logits.softmax(dim=-1)[0].tolist()
    assert table.select("span", "emotion").rows() == [(0, name) for name in ("neutral", "happy", "angry", "sad")]
    assert table["score"].to_list() == pytest.approx(shares, abs=1e-5)
