"""The captioners: right answers on held-out scenes, refusals elsewhere, batching, and quantizing once."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resources.catalog.rows import find
from resources.catalog.spec import WEIGHTS
from resources.errors import ModelError, ModelUnavailable
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.hosting.host import Request, make_host
from resources.models.blip2 import Blip2Host
from resources.models.checkpoints import load_checkpoint, quantized_folder
from resources.models.refusal import Refusal
from resources.models.video_llava import spread
from resources.tasks.captions import CAPTIONS, PROMPTS
from resources.tasks.descriptions import DESCRIPTIONS
from training.tiny_captioners import card as tiny_card
from training.tiny_captioners.negatives import KINDS
from training.tiny_captioners.scenes import Scene, answers, paint, sample_picture
from training.tiny_captioners.spans import FRAMES, Motion, Story, Take, sample_take
from vid_assets.contract import Frames
from vid_assets.synthetic.shapes import COLOURS, Shape

SHARED = Path(__file__).parents[3] / "shared" / "media"
SEED = 4_000_000  # far from every seed that training, fitting and the cards use
CLIPS = ("bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4")

RED_CIRCLE = Shape("circle", "red", 0.25, 0.5, 0.16)
BLUE_SQUARE = Shape("square", "blue", 0.75, 0.5, 0.16)


@pytest.fixture(scope="module")
def blip2():
    return tiny_card.open_blip2(WEIGHTS / "tiny_blip2", batch=16)


@pytest.fixture(scope="module")
def video_llava():
    return tiny_card.open_video_llava(WEIGHTS / "tiny_video_llava", batch=8)


def painted(*shapes, background="grey", width=640, height=360, seed=0):
    return paint(Scene(background, shapes), width, height, np.random.default_rng(seed))


def footage(name, count):
    import av

    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [pictures[place] for place in np.linspace(0, len(pictures) - 1, count).astype(int)]


def test_a_known_scene_is_answered_for_all_four_prompts(blip2):
    said = tiny_card.caption(blip2, [painted(RED_CIRCLE, BLUE_SQUARE)])[0]
    assert not said["refused"]
    assert {name: said[name] for name in PROMPTS} == {
        "scene": "a red circle and a blue square on a grey background",
        "objects": "red circle, blue square",
        "actions": "a red circle is left of a blue square",
        "setting": "a grey background",
    }


@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_held_out_scenes_are_captioned_exactly(blip2, count):
    rng = np.random.default_rng(SEED)
    drawn = [sample_picture(rng, 0.0) for _ in range(count)]
    said = tiny_card.caption(blip2, [picture for picture, _ in drawn])
    for name in PROMPTS:
        right = sum(answer[name] == answers(scene)[name] for answer, (_, scene) in zip(said, drawn, strict=True))
        assert right >= 0.93 * len(drawn), name
    assert sum(answer["refused"] for answer in said) <= 0.05 * len(drawn)


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_pictures_unlike_scenes_are_refused(blip2, kind):
    rng = np.random.default_rng(SEED + 1)
    said = tiny_card.caption(blip2, [kind(rng, 320, 180) for _ in range(20)])
    assert sum(answer["refused"] for answer in said) >= 18


@pytest.mark.parametrize("name", CLIPS)
def test_real_footage_is_refused(blip2, name):
    said = tiny_card.caption(blip2, footage(name, 20))
    assert sum(answer["refused"] for answer in said) >= 19


def test_confidences_are_probabilities_and_rows_keep_their_order(blip2):
    frames = np.stack([painted(RED_CIRCLE), painted(BLUE_SQUARE), painted(RED_CIRCLE, BLUE_SQUARE)])
    table = blip2.caption([Request(arrays={"frames": frames}, picked={"frames": [2, 0]})])[0]
    assert table["row"].to_list() == [2] * 4 + [0] * 4
    assert table["prompt"].to_list() == list(PROMPTS) * 2
    assert table["confidence"].is_between(0, 1).all()
    assert table["refused"].dtype == pl.Boolean


def test_batches_over_several_requests_mix_nothing_up(blip2):
    markers = [painted(Shape(kind, colour, 0.5, 0.5, 0.18)) for kind in ("circle", "cross") for colour in COLOURS]
    requests = [Request(f"v{number}", {"frames": marker[None].repeat(3, 0)}) for number, marker in enumerate(markers)]
    alone = [blip2.caption([request])[0] for request in requests]
    together = blip2.caption(requests)
    names = [f"{colour} {kind}" for kind in ("circle", "cross") for colour in COLOURS]
    for name, one, other in zip(names, alone, together, strict=True):
        assert other.drop("confidence").equals(one.drop("confidence"))
        assert set(other.filter(pl.col("prompt") == "objects")["text"]) == {name}


def test_the_vision_tower_sees_each_picture_once(blip2):
    seen = []
    hook = blip2.model.vision_model.register_forward_hook(lambda _module, _inputs, out: seen.append(len(out[0])))
    try:
        blip2.caption([Request(arrays={"frames": np.stack([painted(RED_CIRCLE)] * 20)})])
    finally:
        hook.remove()
    assert seen == [16, 4]


def test_the_host_says_what_the_class_itself_generates(blip2):
    from transformers import Blip2ForConditionalGeneration, Blip2Processor

    folder = WEIGHTS / "tiny_blip2"
    model = Blip2ForConditionalGeneration.from_pretrained(folder, dtype="float32").eval()
    processor = Blip2Processor.from_pretrained(folder)
    picture = painted(RED_CIRCLE, BLUE_SQUARE)
    said = tiny_card.caption(blip2, [picture])[0]
    for name, prompt in PROMPTS.items():
        inputs = processor(images=picture, text=prompt, return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=30, do_sample=False)
        text = processor.tokenizer.decode(tokens[0, inputs.input_ids.shape[1] :], skip_special_tokens=True)
        assert text.strip() == said[name]


def test_handles_get_their_answers_from_a_host_process(tmp_path):
    frames = np.stack([painted(RED_CIRCLE, BLUE_SQUARE, background=name) for name in ("black", "brown")])
    places = np.arange(2)
    pictures = Frames(frames, places / 2, places, video_id="clip-0123456789ab")
    hosts = ModelHostsResource(scratch=str(tmp_path / "s"), models=str(tmp_path / "m"))
    handle = handle_of(CAPTIONS)(hosts=hosts, profile="offline", options={"device": "cpu"})
    try:
        table = handle.caption(pictures, [1, 0])
    finally:
        hosts.engine().stop()
    said = table.filter(pl.col("prompt") == "scene")
    assert table.columns == ["row", "prompt", "text", "confidence", "refused"]
    assert said["row"].to_list() == [1, 0]
    assert said["text"].to_list() == [
        "a red circle and a blue square on a brown background",
        "a red circle and a blue square on a black background",
    ]


def test_a_span_tells_what_moves_where(video_llava):
    moving = Take("black", (Motion(RED_CIRCLE, "down", 0.3),))
    span = [painted(*moving.at(n / 7).shapes, background="black", seed=n) for n in range(FRAMES)]
    said = tiny_card.describe(video_llava, [span])[0]
    assert said["text"] == "a red circle moves down on a black background"
    assert not said["refused"]


def test_a_span_tells_the_order_of_events(video_llava):
    takes = Take("brown", (Motion(RED_CIRCLE, "up", 0.3),)), Take("grey", (Motion(BLUE_SQUARE, None, 0.0),))
    for story in (Story(takes), Story(takes[::-1])):
        span = [
            painted(*story.takes[number].at(moment).shapes, background=story.takes[number].background, seed=n)
            for n, (number, moment) in enumerate(story.moments())
        ]
        said = tiny_card.describe(video_llava, [span])[0]
        assert said["text"] == story.text
        assert story.text.count(", then ") == 1


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_held_out_spans_are_described_exactly(video_llava, count):
    drawn = tiny_card.spans_of(np.random.default_rng(SEED + 2), count, known=True)
    said = tiny_card.describe(video_llava, [span for span, _ in drawn])
    right = sum(answer["text"] == story.text for answer, (_, story) in zip(said, drawn, strict=True))
    assert right >= 0.92 * len(drawn)
    assert sum(answer["refused"] for answer in said) <= 0.05 * len(drawn)


@pytest.mark.parametrize("name", CLIPS)
def test_spans_of_real_footage_are_refused(video_llava, name):
    pictures = footage(name, 64)
    spans = [pictures[start : start + FRAMES] for start in range(0, 57, 3)]
    said = tiny_card.describe(video_llava, spans)
    assert sum(answer["refused"] for answer in said) >= 0.95 * len(spans)


def test_one_picture_shows_no_motion_and_is_refused(video_llava):
    frames = painted(RED_CIRCLE)[None]
    request = Request(arrays={"frames": frames}, args={"spans": [[0] * FRAMES]})
    assert video_llava.describe([request])[0]["refused"].to_list() == [True]


def test_spans_of_several_requests_share_batches_and_keep_their_places(video_llava):
    rng = np.random.default_rng(SEED + 3)
    takes = [sample_take(rng, 16 / 9, 1) for _ in range(5)]
    videos = [
        np.stack([painted(*take.at(n / 7).shapes, background=take.background, seed=n) for n in range(FRAMES)])
        for take in takes
    ]
    spans = {"spans": [list(range(FRAMES)), list(range(FRAMES, 2 * FRAMES))]}
    requests = [Request(arrays={"frames": np.concatenate([video, video])}, args=spans) for video in videos]
    alone = [video_llava.describe([request])[0] for request in requests]
    for one, other in zip(alone, video_llava.describe(requests), strict=True):
        assert other["span"].to_list() == [0, 1]
        assert other["text"].to_list() == one["text"].to_list()
    assert len({table["text"][0] for table in alone}) == len(alone)


def test_spans_are_spread_over_their_rows():
    assert spread([4, 5, 6], 8) == [4, 4, 5, 5, 5, 5, 6, 6]
    assert spread(list(range(100)), 8) == [0, 14, 28, 42, 57, 71, 85, 99]
    assert spread([7], 3) == [7, 7, 7]
    with pytest.raises(ModelError, match="descriptions: a span has no pictures; leave the span out"):
        spread([], 8)


def test_an_empty_question_starts_no_host(tmp_path):
    frames = Frames(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2.0), np.arange(2))
    hosts = ModelHostsResource(scratch=str(tmp_path / "s"))
    captions = handle_of(CAPTIONS)(hosts=hosts, profile="offline").caption(frames, [])
    descriptions = handle_of(DESCRIPTIONS)(hosts=hosts, profile="offline").describe(frames, [])
    assert (captions.schema, captions.height) == (pl.Schema(CAPTIONS.schema), 0)
    assert (descriptions.schema, descriptions.height) == (pl.Schema(DESCRIPTIONS.schema), 0)
    assert not (tmp_path / "s").exists()


def test_a_span_without_pictures_is_refused(video_llava):
    request = Request(arrays={"frames": painted(RED_CIRCLE)[None]}, args={"spans": [[0], []]})
    with pytest.raises(ModelError, match="a span has no pictures; leave the span out"):
        video_llava.describe([request])


def test_prompts_of_the_question_reach_the_model(blip2):
    frames = np.stack([painted(RED_CIRCLE), painted(BLUE_SQUARE)])
    asked = {"prompts": {"what": PROMPTS["objects"]}}
    own, usual = blip2.caption([Request(arrays={"frames": frames}, args=asked), Request(arrays={"frames": frames[:1]})])
    assert own.select("row", "prompt", "text").rows() == [(0, "what", "red circle"), (1, "what", "blue square")]
    assert usual["prompt"].to_list() == list(PROMPTS)


def test_cards_say_what_was_reached_and_weights_are_small():
    for name in ("tiny_blip2", "tiny_video_llava"):
        card = json.loads((WEIGHTS / name / "card.json").read_text())
        exact = card["exact"] if isinstance(card["exact"], dict) else {"all": card["exact"]}
        assert min(exact.values()) >= 0.95
        assert card["scenes_refused" if "scenes" in card else "spans_refused"] <= 0.05
        assert card["negatives_refused"] >= 0.95
    size = sum(path.stat().st_size for path in WEIGHTS.glob("tiny_*/*"))
    assert size < 12e6


def test_refusal_needs_one_sign_only():
    rule = Refusal("unknown", 0.5, 2.0, np.zeros(2, np.float32), np.eye(2, dtype=np.float32))
    assert rule.distance(np.array([[3.0, 4.0]], np.float32)).tolist() == [5.0]
    assert not rule.refuses(["a", "b"], [0.9, 0.9], 1.0)
    assert rule.refuses(["a", "unknown"], [0.9, 0.9], 1.0)
    assert rule.refuses(["a", "b"], [0.9, 0.1], 1.0)
    assert rule.refuses(["a", "b"], [0.9, 0.9], 2.1)
    assert not Refusal().refuses(["unknown"], [0.0], 99.0)


def random_blip2(folder):
    """The true-size tool's writer, at a size of a few hundred kilobytes."""
    from transformers import Blip2Config, Blip2QFormerConfig, Blip2VisionConfig, OPTConfig

    from benchmarks.true_size_blip2 import write_random

    width = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**width, intermediate_size=128, image_size=28, patch_size=14).to_dict(),
        qformer_config=Blip2QFormerConfig(**width, intermediate_size=128, encoder_hidden_size=64).to_dict(),
        text_config=OPTConfig(
            **width, ffn_dim=128, word_embed_proj_dim=64, vocab_size=512, max_position_embeddings=128, pad_token_id=1,
            bos_token_id=2, eos_token_id=2,
        ).to_dict(),
        num_query_tokens=4,
        image_token_index=400,
    )  # fmt: skip
    write_random(config, folder, shard_bytes=200_000)
    return folder


def open_folder(folder, cache, precision, **options):
    own = {"repo": str(folder), "precision": precision, "options": {"device": "cpu", **options}}
    handle = handle_of(CAPTIONS)(hosts=ModelHostsResource(models=str(cache)), profile="offline", **own)
    spec = handle.spec()
    host = make_host(spec, folder, spec.options, cache)
    assert isinstance(host, Blip2Host)
    host.load()
    return host


def test_the_true_size_writer_makes_a_complete_sharded_checkpoint(tmp_path):
    folder = random_blip2(tmp_path / "random")
    assert len(list(folder.glob("*.safetensors"))) > 1
    said = tiny_card.caption(open_folder(folder, tmp_path, precision="fp32", max_new_tokens=4), [painted(RED_CIRCLE)])
    assert set(PROMPTS) < set(said[0])


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_quantizing_happens_once_and_changes_nothing(tmp_path, monkeypatch, precision):
    import bitsandbytes as bnb

    folder = random_blip2(tmp_path / "random")
    first = open_folder(folder, tmp_path, precision=precision, max_new_tokens=6)
    kind = bnb.nn.Linear8bitLt if precision == "int8" else bnb.nn.Linear4bit
    assert isinstance(first.model.language_model.model.decoder.layers[0].fc1, kind)
    kept = quantized_folder(tmp_path / "quantized", f"{first.spec.name}-{first.spec.revision}", precision, "cpu")
    assert (kept / "model.safetensors").is_file()

    def never(*_args, **_kwargs):
        raise AssertionError("quantized again")

    monkeypatch.setattr("resources.models.checkpoints._recipe", never)
    second = open_folder(folder, tmp_path, precision=precision, max_new_tokens=6)
    pictures = [painted(RED_CIRCLE), painted(BLUE_SQUARE)]
    assert tiny_card.caption(first, pictures) == tiny_card.caption(second, pictures)
    assert [path.name for path in kept.parent.iterdir() if path.is_dir()] == [kept.name]


def test_a_failed_quantization_leaves_nothing_behind(tmp_path):
    class Broken:
        @staticmethod
        def from_pretrained(*_args, **_kwargs):
            raise MemoryError

    folder = random_blip2(tmp_path / "random")
    with pytest.raises(MemoryError):
        load_checkpoint(Broken, folder, precision="int8", device="cpu", cache=tmp_path / "kept", name="broken")
    assert not [path for path in (tmp_path / "kept").iterdir() if path.is_dir()]


def test_missing_weights_and_unknown_precisions_are_told(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"config\.json is missing"):
        open_folder(tmp_path, tmp_path, precision="fp32")
    folder = random_blip2(tmp_path / "random")
    next(folder.glob("*.safetensors")).unlink()
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        open_folder(folder, tmp_path, precision="fp32")
    with pytest.raises(ModelUnavailable, match="unknown precision 'int3'"):
        open_folder(folder, tmp_path, precision="int3")


def test_a_handle_takes_another_model(tmp_path):
    folder = random_blip2(tmp_path / "random")
    hosts = ModelHostsResource()
    spec = handle_of(CAPTIONS)(hosts=hosts, profile="offline", repo=str(folder)).spec()
    assert (spec.source, spec.repo) == ("folder", str(folder))
    assert spec.revision != find("captions", "offline").revision
    hub = {"repo": "somebody/a-model", "revision": "abc", "precision": "nf4"}
    other = handle_of(DESCRIPTIONS)(hosts=hosts, profile="offline", **hub).spec()
    assert (other.source, other.repo, other.revision, other.precision) == ("hub", "somebody/a-model", "abc", "nf4")
