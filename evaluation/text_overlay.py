"""Lines of drawn text of known words, places and times over still and moving pictures, through the real reader.

The clips of `_overlays` show what broadcasts and lectures show; plain RapidOCR, asked for one picture per second, is
measured on them too.
"""

import numpy as np

from evaluation._models import model
from evaluation._overlays import KINDS, clip_of
from evaluation._reading import Counting, Tally, plain, tally
from evaluation._real_text import of_footage
from evaluation._words import edits
from evaluation.figure import Calibration, Figure
from resources.tasks.text import TEXT
from tests.kit.scene_streams import Streams, of_clip
from vid_assets.analyzers.text_overlay import run
from vid_assets.synthetic.clips import PALETTES, TEXTURES, Clip, Pan, SceneError, Shot, Static, Text
from vid_assets.synthetic.truth import TextTruth
from vid_assets.synthetic.typeset import typeset

CLIPS, LINES, FPS, SECONDS = 20, 3, 8, 7.5
CLIPS_OF_A_KIND = 2
STEP_S = 0.5
WORDS = (  # noqa: SIM905
    "News Harbour Camera Episode Chapter Weather Report River Street Market Morning Evening Written Directed Produced "
    "LIVE SALE OPEN CLOSED EXIT Welcome Thank You Meet Team Final Score Minutes Price Euro Summer Winter Station "
    "Platform Flight Gate Museum Library Garden Bridge Island Window Yellow Quiet Journey Zebra Jazz Kitchen"
).split()
COLOURS = ((255, 255, 255), (255, 230, 60), (20, 20, 20), (230, 60, 50), (90, 220, 255))


def line(rng: np.random.Generator, start_s: float, end_s: float) -> Text:
    """One to three words or a number, 5 to 12 % of the picture's height high, where there is room for them."""
    while True:
        parts = rng.choice(WORDS, int(rng.integers(1, 4))).tolist()
        if rng.random() < 0.3:
            parts[-1] = f"{rng.integers(0, 24)}:{rng.integers(10, 60)}"
        text = Text(
            " ".join(parts), start_s, end_s, x=float(rng.uniform(0.3, 0.7)), y=float(rng.uniform(0.1, 0.9)),
            height=float(rng.uniform(0.05, 0.12)), colour=COLOURS[int(rng.integers(len(COLOURS)))],
        )  # fmt: skip
        try:
            typeset(text, 640, 360)
        except SceneError:
            continue
        return text


def clip(rng: np.random.Generator) -> Clip:
    """One line after the other, half a second and more between them."""
    texts, start = [], 0.5
    for _ in range(LINES):
        end = start + float(rng.choice([1.0, 1.5, 2.0]))
        texts.append(line(rng, start, end))
        start = end + 0.5
    camera = Pan(float(rng.uniform(-0.15, 0.15))) if rng.random() < 0.5 else Static()
    shot = Shot(
        SECONDS, texture=str(rng.choice(TEXTURES)), palette=int(rng.integers(len(PALETTES))),
        seed=int(rng.integers(2**31)), camera=camera,
    )  # fmt: skip
    return Clip(shots=(shot,), fps=FPS, texts=tuple(texts))


def shows(row: dict[str, float], text: TextTruth) -> bool:
    """Whether a row of the table is in the text's place and, half of its time, there when it is."""
    together = (
        min(row["x1"], text.box[2]) - max(row["x0"], text.box[0]),
        min(row["y1"], text.box[3]) - max(row["y0"], text.box[1]),
    )
    common = min(row["end_s"], text.end_s) - max(row["start_s"], text.start_s)
    return min(together) > 0 and common >= 0.5 * (row["end_s"] - row["start_s"])


def in_sampled_time(text: TextTruth, source: Streams) -> tuple[float, float]:
    """When the first sample that shows it is, and the first after it."""
    times = source.frames.times_s
    inside = times[(times >= text.start_s - 1e-6) & (times < text.end_s - 1e-6)]
    after = times[times >= text.end_s - 1e-6]
    return float(inside[0]), float(after[0]) if len(after) else source.video.duration_s


def compared(rng: np.random.Generator) -> tuple[dict[str, Tally], Tally]:
    """What the analyzer finds in clips of each kind, and what plain RapidOCR finds in all of them."""
    ours, theirs = {kind: Tally() for kind in KINDS}, Tally()
    for kind in KINDS:
        for _ in range(CLIPS_OF_A_KIND):
            clip, reader, other = clip_of(kind, rng), Counting(), Counting()
            video, frames = clip.source.video, clip.source.frames
            ours[kind] += tally(run(video, frames, reader).rows(named=True), clip.lines).of(reader, video)
            theirs += tally(plain(video, frames, other), clip.lines).of(other, video)
    return ours, theirs


def of_broadcasts(seed: int) -> list[Figure]:
    """Lines found and invented, their times, and what it took, beside plain RapidOCR."""
    kinds, theirs = compared(np.random.default_rng([seed, 97]))
    ours = sum(kinds.values(), Tally())
    bare = kinds["no text"]
    named = {"analyzer": "text_overlay", "unit": "1"}
    by_kind = [
        Figure(what=f"{kind}: lines found", value=one.recall, cases=one.lines, at_least=0.8, **named)
        for kind, one in kinds.items()
        if one.lines
    ]
    return [
        *by_kind,
        Figure(what="lines of these kinds found", value=ours.recall, cases=ours.lines, at_least=0.95, **named),
        Figure(what="rows that are one of these lines, of all rows (precision)", value=ours.precision,
               cases=ours.found + ours.false, at_least=0.95, **named),
        Figure(what="their starts and ends right to half a second", value=ours.in_half_a_second,
               cases=len(ours.errors_s), at_least=0.95, **named),
        Figure(what="lines found more than by RapidOCR on one picture per second", value=ours.recall - theirs.recall,
               cases=ours.lines, at_least=0.0, **named),
        Figure(what="precision above that of RapidOCR on one picture per second",
               value=ours.precision - theirs.precision, cases=ours.found + ours.false, at_least=0.0, **named),
        Figure(what="mean error of starts and ends, of that of RapidOCR on one picture per second",
               value=ours.span_error_s / theirs.span_error_s, cases=len(ours.errors_s), at_most=0.8, **named),
        Figure(what="pictures read, parts by their area, of one per second", value=ours.area / theirs.area,
               cases=theirs.pictures, at_most=0.5, **named),
        Figure(what="lines invented in clips without text, per minute", value=60 * bare.false / bare.seconds,
               cases=round(bare.seconds), at_most=1.0, **named),
    ]  # fmt: skip


def measure(seed: int) -> list[Figure | Calibration]:
    """The figures of single lines, of broadcasts, and of footage."""
    return [*of_lines(seed), *of_broadcasts(seed), *of_footage()]


def of_lines(seed: int) -> list[Figure]:
    """Character error rate, lines found and invented, their times and places."""
    rng = np.random.default_rng([seed, 89])
    wrong = letters = found = lines = invented = timely = 0
    places: list[float] = []
    for _ in range(CLIPS):
        source, known = of_clip(clip(rng))
        rows = run(source.video, source.frames, model(TEXT)).rows(named=True)
        invented += sum(not any(shows(row, text) for text in known.texts) for row in rows)
        for text in known.texts:
            lines += 1
            letters += len(text.text)
            here = sorted((row for row in rows if shows(row, text)), key=lambda row: row["x0"])
            wrong += edits(" ".join(row["text"] for row in here), text.text)
            if not here:
                continue
            found += 1
            first, last = in_sampled_time(text, source)
            timely += (
                abs(min(row["start_s"] for row in here) - first) <= STEP_S + 1e-6
                and abs(max(row["end_s"] for row in here) - last) <= STEP_S + 1e-6
            )
            sides = [min(row["x0"] for row in here), min(row["y0"] for row in here)]
            sides += [max(row["x1"] for row in here), max(row["y1"] for row in here)]
            places += np.abs(np.array(sides) - text.box).tolist()
    named = {"analyzer": "text_overlay", "unit": "1"}
    return [
        Figure(
            what="character error rate of lines of 5 to 12 % of the height, missed lines included",
            value=wrong / letters, cases=letters, at_most=0.05, **named,
        ),
        Figure(what="lines found", value=found / lines, cases=lines, at_least=0.95, **named),
        Figure(what="lines invented, of the true ones", value=invented / lines, cases=lines, at_most=0.1, **named),
        Figure(
            what="lines found from and until when they show, to one sample", value=timely / found, cases=found,
            at_least=0.9, **named,
        ),
        Figure(
            what="mean error of the edges of a line, of the picture's size", value=float(np.mean(places)),
            cases=len(places), at_most=0.02, **named,
        ),
    ]  # fmt: skip
