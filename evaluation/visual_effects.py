"""Effects of random clips, kind by kind; black bars of random size; pans and tilts at changing pace.

A true effect is found if an answer of its kind shares at least half of what the two cover together. Changes of speed
count where the camera moves: elsewhere the analyzer does not look for them.
"""

from collections import defaultdict

import numpy as np
import polars as pl

from evaluation.cut_analysis import SEEN, Count
from evaluation.figure import Figure
from tests.kit.scene_streams import Streams, of_clip
from vid_assets.analyzers import camera_analysis
from vid_assets.analyzers.visual_effects import run
from vid_assets.synthetic.clips import TEXTURES, Clip, Letterbox, Pan, Shot, Speed, Text, Tilt, random_clip
from vid_assets.synthetic.truth import Truth

CLIPS, BARS, SPEEDS = 40, 20, 20
FPS = 25
BOUNDS = {"fade_in": 0.9, "fade_out": 0.9, "dissolve": 0.8, "flash": 0.95, "freeze": 0.8, "letterbox": 0.95}
SIZE = {"width": 320, "height": 180}

Spans = dict[str, list[tuple[int, int]]]


def effects(made: Streams) -> pl.DataFrame:
    """The analyzer's answer."""
    cuts = made.cuts
    camera = camera_analysis.run(made.video, made.thumbs, cuts)
    return run(made.video, made.thumbs, made.frames, cuts, camera)


def found_spans(table: pl.DataFrame) -> Spans:
    """First frame and frame after of each effect, by kind."""
    spans: Spans = defaultdict(list)
    for kind, start_s, end_s in table.select("kind", "start_s", "end_s").rows():
        spans[kind].append((round(start_s * FPS), round(end_s * FPS)))
    return spans


def true_spans(known: Truth) -> Spans:
    """The same, of what the script says."""
    spans: Spans = defaultdict(list)
    for kind, first, last in known.transitions:
        name = "dissolve" if kind == "dissolve" else "fade_in" if "_from_" in kind else "fade_out"
        spans[name].append((first, last + 1))
    spans["flash"] += [(frame, frame + 1) for frame in known.flashes]
    spans["freeze"] += [(span.first, span.last + 1) for span in known.freezes]
    spans["letterbox"] += [(span.first, span.last + 1) for span in known.letterbox]
    return spans


def alike(one: tuple[int, int], two: tuple[int, int]) -> bool:
    """Whether two spans share at least half of what they cover together."""
    return 2 * (min(one[1], two[1]) - max(one[0], two[0])) >= max(one[1], two[1]) - min(one[0], two[0])


def of_random_clips(seed: int) -> list[Figure]:
    """F1 of each kind."""
    counts = {kind: Count() for kind in BOUNDS}
    for number in range(CLIPS):
        made, known = of_clip(random_clip(1000 * seed + number + 500_000, duration_s=10, features=SEEN, **SIZE))
        found, true = found_spans(effects(made)), true_spans(known)
        for kind, count in counts.items():
            count.add(found[kind], true[kind], alike)
    return [
        Figure(
            analyzer="visual_effects", what=f"F1 of {kind}, spans that overlap by half", value=count.f1, unit="1",
            cases=count.cases, at_least=BOUNDS[kind],
        )
        for kind, count in counts.items()
    ]  # fmt: skip


def of_bars(seed: int) -> list[Figure]:
    """Bars above and below or left and right, with a title on them, over a whole clip or the middle of it."""
    right, errors = 0, []
    for number in range(BARS):
        rng = np.random.default_rng([seed, number, 53])
        share, pillars = float(rng.uniform(0.04, 0.2)), bool(rng.random() < 0.5)
        span = (0.0, 4.0) if rng.random() < 0.5 else (float(rng.uniform(0.4, 1)), float(rng.uniform(3, 3.6)))
        shots = tuple(
            Shot(2.0, texture=str(rng.choice(TEXTURES)), palette=palette, seed=seed + number, camera=Pan(0.1))
            for palette in rng.choice(8, 2, replace=False).tolist()
        )
        texts = (Text("On the bar", y=0.95, height=0.05),)
        clip = Clip(shots, letterbox=(Letterbox(share, *span, pillars=pillars),), texts=texts, **SIZE)
        made, known = of_clip(clip)
        table = effects(made).filter(pl.col("kind").is_in(["letterbox", "pillarbox"]))
        (true,) = known.pillarbox if pillars else known.letterbox
        if table["kind"].to_list() == ["pillarbox" if pillars else "letterbox"]:
            spans = found_spans(table)[table["kind"].item()]
            right += alike(spans[0], (true.first, true.last + 1))
            errors.append(abs(table["strength"].item() - share))
    named = {"analyzer": "visual_effects", "unit": "1"}
    return [
        Figure(what="black bars told as what they are, share of clips", value=right / BARS, cases=BARS, at_least=0.9,
               **named),
        Figure(what="error of the share of a bar, largest", value=max(errors), cases=len(errors), at_most=0.01,
               **named),
    ]  # fmt: skip


def of_speeds(seed: int) -> list[Figure]:
    """A camera that works at half or double pace, or faster, for a while."""
    count, errors = Count(), []
    for number in range(SPEEDS):
        rng = np.random.default_rng([seed, number, 59])
        factor = float(rng.choice([0.4, 0.5, 2.0, 2.5]))
        rate = float(rng.uniform(0.1, 0.25) * rng.choice([-1, 1]))
        camera = Pan(rate) if rng.random() < 0.5 else Tilt(rate)
        start_s, length_s = float(rng.uniform(1, 1.6)), float(rng.uniform(0.8, 1.4))
        shot = Shot(4.5, texture=str(rng.choice(TEXTURES)), palette=number, seed=seed + number, camera=camera)
        made, known = of_clip(Clip((shot,), speeds=(Speed(factor, start_s, start_s + length_s),), **SIZE))
        table = effects(made).filter(pl.col("kind") == "speed_change")
        true = [(span.first, span.last + 1) for span in known.speed]
        count.add(found_spans(table)["speed_change"], true, alike)
        if table.height == 1:
            errors.append(abs(table["strength"].item() / factor - 1))
    named = {"analyzer": "visual_effects", "unit": "1"}
    return [
        Figure(
            what="F1 of speed_change while the camera moves", value=count.f1, cases=count.cases, at_least=0.85, **named
        ),
        Figure(
            what="error of the speed factor, median, of the factor", value=float(np.median(errors)), cases=len(errors),
            at_most=0.05, **named,
        ),
    ]  # fmt: skip


def measure(seed: int) -> list[Figure]:
    """F1 by kind, and errors of what is told of bars and speeds."""
    return [*of_random_clips(seed), *of_bars(seed), *of_speeds(seed)]
