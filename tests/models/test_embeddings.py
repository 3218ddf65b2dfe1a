"""Vectors of texts and pictures: the offline encoder with its real weights, the others as tiny models of their kind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resources.catalog.rows import catalogue, find
from resources.catalog.store import pull
from resources.errors import ModelUnavailable
from resources.hosting.host import Host, Request, make_host
from resources.settings import settings
from resources.tasks.picture_words import PICTURE_WORDS
from resources.tasks.pictures import PICTURES
from resources.tasks.sentences import SENTENCES

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "dog",
    "cat",
    "runs",
    "query",
    "passage",
    ":",
    "red",
    "blue",
]


def vectors(frame, schema) -> np.ndarray:
    assert dict(frame.schema) == schema
    return np.array(frame["embedding"].to_list())


@pytest.fixture(scope="module")
def minilm() -> Host:
    spec = find("sentences", "offline")
    try:
        weights = pull(spec, settings().models.absolute())
    except ModelUnavailable as error:
        if "could not download" not in str(error):
            raise
        pytest.skip(str(error))
    host = make_host(spec, weights.folder, spec.options, settings().models)
    host.load()
    return host


def embed(host, texts, **arguments) -> np.ndarray:
    (frame,) = host.embed([Request(args={"texts": texts, **arguments})])
    assert frame["text"].to_list() == list(range(len(texts)))
    return vectors(frame, SENTENCES.schema)


PASSAGES = [
    "Ask not what your country can do for you, ask what you can do for your country.",
    "A big white rabbit wakes up in a meadow and yawns.",
    "The central bank raised interest rates by half a point.",
    "Add the onions and fry them until they are golden.",
    "The goalkeeper saved the penalty in the last minute.",
]
QUESTIONS = [
    "patriotism and civic duty",
    "an animal outdoors",
    "monetary policy",
    "a cooking recipe",
    "a football match",
]


def test_questions_are_nearest_to_the_passages_that_they_mean_without_sharing_a_word(minilm):
    found = embed(minilm, QUESTIONS, asks=True) @ embed(minilm, PASSAGES).T
    assert found.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_vectors_have_length_1_and_do_not_depend_on_company(minilm):
    together = embed(minilm, [*PASSAGES, "", "word " * 2000])
    assert together.shape == (7, 384)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert embed(minilm, PASSAGES[1:2])[0].tolist() == together[1].tolist()
    two = minilm.embed([Request(args={"texts": PASSAGES[:2]}), Request(args={"texts": PASSAGES[2:]})])
    assert np.concatenate([vectors(frame, SENTENCES.schema) for frame in two]).tolist() == together[:5].tolist()


def tokenizer(folder: Path) -> None:
    """A word tokenizer in the files of transformers."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]")
    fast.save_pretrained(folder)


def loaded(name: str, folder: Path) -> Host:
    """The host of a catalogue row, with a checkpoint of the test's own."""
    (spec,) = (row for row in catalogue() if row.name == name)
    host = make_host(replace(spec, gpu_share=0.0), folder, {}, folder)
    host.load()
    return host


@pytest.fixture(scope="module")
def e5(tmp_path_factory) -> Host:
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("e5")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=600, **sizes)).save_pretrained(folder)
    tokenizer(folder)
    return loaded("e5-small-multilingual", folder)


def test_e5_reads_questions_and_passages_apart_and_padding_changes_nothing(e5):
    texts = ["a dog runs", "a cat", "red", "dog " * 2000]
    passages = embed(e5, texts * 6)  # more than one batch
    assert passages.shape == (24, 16)
    assert np.linalg.norm(passages, axis=1) == pytest.approx(1, abs=1e-5)
    assert passages[:4] == pytest.approx(passages[-4:], abs=1e-5)
    alone = np.concatenate([embed(e5, [text]) for text in texts])
    assert alone == pytest.approx(passages[:4], abs=1e-5)
    assert not np.allclose(embed(e5, texts[:2], asks=True), alone[:2], atol=1e-3)


def test_e5_is_the_mean_of_the_last_states(e5):
    import torch

    tokens = e5._tokenizer(["passage: a dog runs"], return_tensors="pt")
    with torch.inference_mode():
        states = e5._model(**tokens).last_hidden_state[0].mean(0)
    assert embed(e5, ["a dog runs"])[0] == pytest.approx((states / states.norm()).numpy(), abs=1e-5)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory) -> Path:
    """A checkpoint of both halves, as the hub's is."""
    import torch
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    text = sizes | {"vocab_size": len(WORDS), "max_position_embeddings": 64, "projection_size": 16}
    vision = sizes | {"image_size": 32, "patch_size": 8}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    tokenizer(folder)
    return folder


def test_both_halves_of_a_checkpoint_give_the_vectors_of_the_whole(siglip):
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, SiglipModel

    whole = SiglipModel.from_pretrained(siglip).eval()
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (11, 40, 60, 3), dtype=np.uint8)
    inputs = AutoImageProcessor.from_pretrained(siglip)(images=list(pictures), return_tensors="pt")
    texts = ["A dog", "red CAT runs", "blue"]
    ids = AutoTokenizer.from_pretrained(siglip)(
        [text.lower() for text in texts], padding="max_length", max_length=64, return_tensors="pt"
    )["input_ids"]
    with torch.inference_mode():
        answer = whole(input_ids=ids, pixel_values=inputs["pixel_values"])
    rows = [3, 0, 10, 1, 2, 4, 5, 6, 7]
    request = Request(arrays={"frames": pictures}, picked={"frames": rows})
    (shown,) = loaded("siglip2-base-pictures", siglip).embed([request])
    assert shown["row"].to_list() == rows
    assert vectors(shown, PICTURES.schema) == pytest.approx(answer.image_embeds.numpy()[rows], abs=1e-5)
    (said,) = loaded("siglip2-base-words", siglip).embed([Request(args={"texts": texts})])
    assert vectors(said, PICTURE_WORDS.schema) == pytest.approx(answer.text_embeds.numpy(), abs=1e-5)


def test_the_halves_are_of_one_checkpoint():
    for profile in ("cpu", "gpu"):
        pictures, words = find("pictures", profile), find("picture_words", profile)
        assert (pictures.repo, pictures.revision) == (words.repo, words.revision)
    with pytest.raises(ModelUnavailable, match="the profile 'offline' has no model for it"):
        find("pictures", "offline")
