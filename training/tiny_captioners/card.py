"""Fits the rule of refusal that lies beside the weights, and measures a trained captioner on held-out scenes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from resources.catalog.rows import find
from resources.catalog.store import seal
from resources.hosting.host import Host, Request
from resources.models.blip2 import Blip2Host
from resources.models.refusal import FEATURES, FILE
from resources.models.video_llava import VideoLlavaHost
from resources.tasks import Task
from resources.tasks.captions import CAPTIONS, PROMPTS
from resources.tasks.descriptions import DESCRIPTIONS
from training.tiny_captioners.negatives import negative
from training.tiny_captioners.scenes import SIZES, UNKNOWN, Spoiling, answers, sample_picture
from training.tiny_captioners.spans import FRAMES, Story, sample_span

H = TypeVar("H", bound=Host)
HELD_OUT_SEED = 90_000
FIT_SEED = 70_000
KEPT = 0.995


def open_blip2(folder: Path, **options: Any) -> Blip2Host:
    """The host of the tiny BLIP-2 in a folder, loaded in this process.

    Args:
        folder: The checkpoint, sealed or not.
        options: Options of the host in place of the catalogue's.
    """
    return _opened(Blip2Host, CAPTIONS, folder, options)


def open_video_llava(folder: Path, **options: Any) -> VideoLlavaHost:
    """The host of the tiny Video-LLaVA in a folder, loaded in this process; see `open_blip2`."""
    return _opened(VideoLlavaHost, DESCRIPTIONS, folder, options)


def _opened(kind: type[H], task: Task, folder: Path, options: Mapping[str, Any]) -> H:
    row = find(task.name, "offline")
    host = kind(row, folder, {**row.options, "device": "cpu", **options})
    host.load()
    return host


def caption(host: Blip2Host, pictures: Sequence[NDArray[np.uint8]]) -> list[dict[str, Any]]:
    """Per picture: text by prompt, ``refused``, and ``sure``, the mean confidence. Pictures may differ in size."""
    tables = host.caption(
        [Request(arrays={"frames": picture[None]}, args={"prompts": PROMPTS}) for picture in pictures]
    )
    return [
        {
            **dict(zip(table["prompt"], table["text"], strict=True)),
            "refused": table["refused"][0],
            "sure": float(np.exp(np.log(table["confidence"].to_numpy()).mean())),
        }
        for table in tables
    ]


def describe(host: VideoLlavaHost, spans: Sequence[Sequence[NDArray[np.uint8]]]) -> list[dict[str, Any]]:
    """Per span of FRAMES pictures: ``text``, ``confidence`` and ``refused``."""
    args = {"spans": [list(range(FRAMES))]}
    tables = host.describe([Request(arrays={"frames": np.stack(span)}, args=args) for span in spans])
    return [table.row(0, named=True) for table in tables]


def spans_of(rng: np.random.Generator, count: int, *, known: bool) -> list[tuple[list[NDArray[np.uint8]], Story]]:
    """Spans that the model should describe, or that it should refuse."""
    drawn = []
    while len(drawn) < count:
        span, story = sample_span(rng)
        if bool(story.takes) == known:
            drawn.append((span, story))
    return drawn


def unlike_picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A spoiled picture that is no scene."""
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    return Spoiling.sample(rng).apply(negative(rng, width, height), rng)


def fit_refusal(folder: Path, features: NDArray[np.float32], fresh: NDArray[np.float32], floor: float) -> None:
    """Writes the rule: distances beyond all but `KEPT` of fresh known ones are too far.

    Args:
        folder: The model's.
        features: Of known pictures, [n, d], to fit mean and covariance.
        fresh: Of other known ones, [m, d], to set the largest distance.
        floor: Least confidence.
    """
    from safetensors.numpy import save_file

    mean = features.mean(0)
    centred = (features - mean).astype(np.float64)
    covariance = centred.T @ centred / len(centred)
    # Shrunk towards a ball (Ledoit and Wolf, 2004, with a fixed share): features span fewer directions than they have.
    covariance = 0.98 * covariance + 0.02 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    spread, axes = np.linalg.eigh(covariance)
    whitening = (axes / np.sqrt(spread)).astype(np.float32)
    distances = np.linalg.norm((fresh - mean) @ whitening, axis=1)
    save_file({"mean": mean.astype(np.float32), "whitening": whitening}, folder / FEATURES)
    rule = {
        "phrase": UNKNOWN,
        "min_confidence": round(floor, 4),
        "max_distance": round(float(np.quantile(distances, KEPT)), 3),
        "features": FEATURES,
    }
    (folder / FILE).write_text(json.dumps(rule, indent=1) + "\n")


def finish_blip2(folder: Path, count: int = 500) -> dict[str, Any]:
    """Fits the rule of the tiny BLIP-2, measures it on `count` held-out scenes and negatives, writes card and sums."""
    rng = np.random.default_rng(FIT_SEED)
    host = open_blip2(folder, batch=32)
    known = [sample_picture(rng, 0.0)[0] for _ in range(1500)]
    features = np.concatenate([host.features(known[start : start + 50]) for start in range(0, len(known), 50)])
    sure = [answer["sure"] for answer in caption(host, known[1200:])]
    fit_refusal(folder, features[:1000], features[1000:], float(np.quantile(sure, 1 - KEPT)))
    host = open_blip2(folder, batch=32)
    rng = np.random.default_rng(HELD_OUT_SEED)
    held_out = [sample_picture(rng, 0.0) for _ in range(count)]
    said = caption(host, [picture for picture, _ in held_out])
    strange = caption(host, [unlike_picture(rng) for _ in range(count)])
    exact = {
        name: sum(
            answer[name] == answers(scene)[name] and not answer["refused"]
            for answer, (_, scene) in zip(said, held_out, strict=True)
        )
        / count
        for name in PROMPTS
    }
    return _seal(folder, {
        "scenes": count,
        "exact": exact,
        "scenes_refused": sum(answer["refused"] for answer in said) / count,
        "negatives_refused": sum(answer["refused"] for answer in strange) / count,
    })  # fmt: skip


def finish_video_llava(folder: Path, count: int = 500) -> dict[str, Any]:
    """The same for the tiny Video-LLaVA; exact shares also by what the spans show."""
    rng = np.random.default_rng(FIT_SEED)
    host = open_video_llava(folder, batch=16)
    known = [np.stack(span) for span, _ in spans_of(rng, 900, known=True)]
    features = np.concatenate([host.see([clip])[0] for clip in known])
    sure = [answer["confidence"] for answer in describe(host, known[600:])]
    fit_refusal(folder, features[:600], features[600:], float(np.quantile(sure, 1 - KEPT)))
    host = open_video_llava(folder, batch=16)
    rng = np.random.default_rng(HELD_OUT_SEED)
    held_out, strange = spans_of(rng, count, known=True), spans_of(rng, count, known=False)
    said = describe(host, [span for span, _ in held_out])
    refused = describe(host, [span for span, _ in strange])
    right: dict[str, list[bool]] = {}
    for answer, (_, story) in zip(said, held_out, strict=True):
        kind = ("one shot", "two shots")[len(story.takes) - 1]
        right.setdefault(kind, []).append(answer["text"] == story.text and not answer["refused"])
    return _seal(folder, {
        "spans": count,
        "pictures": FRAMES,
        "exact": sum(map(sum, right.values())) / count,
        "exact_by_kind": {kind: round(sum(hits) / len(hits), 4) for kind, hits in sorted(right.items())},
        "spans_refused": sum(answer["refused"] for answer in said) / count,
        "negatives_refused": sum(answer["refused"] for answer in refused) / count,
    })  # fmt: skip


def _seal(folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    for path in folder.iterdir():
        path.chmod(0o644)
    seal(folder)
    return card
