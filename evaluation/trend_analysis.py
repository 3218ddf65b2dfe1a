"""What videos of known words, objects, colours and sounds add to trends, and rising items of a planted archive."""

import tempfile
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import polars as pl

from evaluation.figure import Figure
from resources.warehouse.records import SOURCES
from resources.warehouse.resource import Warehouse
from vid_assets.analyzers import audio_environment, color_analysis, object_detection, temporal_flow, text_overlay
from vid_assets.analyzers.trend_analysis import ANALYZER, run
from vid_assets.contract import Video
from vid_assets.registry import computed, discover
from vid_assets.sql.publish import table_spec
from vid_assets.sql.questions import MACROS, views

VIDEOS, ARCHIVES, MONTHS, A_MONTH = 30, 2, 12, 4
WORDS = ("harbour", "election", "storm", "festival", "bridge", "museum", "railway", "garden")
FILLERS = ("the", "and", "was", "with")
MOST_RISEN = """
SELECT month(period), item FROM trends WHERE rise IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY period ORDER BY rise DESC) = 1
"""
OBJECTS, COLOURS, SOUNDS = ("car", "dog", "person"), ("red", "blue", "grey"), ("speech", "music", "noise")


def amounts_right(rng: np.random.Generator) -> tuple[int, int]:
    """Of one video's amounts, how many come out exactly, and how many there are; those invented count as wrong."""
    said = [str(word) for word in rng.choice(WORDS + FILLERS, 60)]
    shown = [str(word) for word in rng.choice(WORDS, 5)]
    tracks = [(str(rng.choice(OBJECTS)), track) for track in range(int(rng.integers(1, 8)))]
    colours = [str(name) for name in rng.choice(COLOURS, 20)]
    sounds = [(str(kind), float(long)) for kind, long in zip(rng.choice(SOUNDS, 6), rng.uniform(1, 5, 6), strict=True)]
    boundaries = rng.integers(0, 4, 10).tolist()
    seconds = float(rng.uniform(20, 90))
    ends = np.cumsum([long for _, long in sounds]).tolist()

    def table(module, *rows: dict[str, object]) -> pl.DataFrame:  # noqa: ANN001
        return pl.DataFrame(rows, schema=module.ANALYZER.schema)

    spelled = [word.title() + str(rng.choice([",", ".", ""])) for word in said]
    answer = run(
        Video("clip", seconds, 640, 360, 25.0, round(25 * seconds), True, True),
        pl.DataFrame({"word": spelled}),
        table(text_overlay, *({"text": word.upper()} for word in shown)),
        table(object_detection, *({"label": label, "track": track} for label, track in tracks for _ in range(3))),
        table(color_analysis, *({"colour_name": name} for name in colours)),
        table(temporal_flow, *({"boundaries": count, "motion_energy": 0.5} for count in boundaries)),
        table(audio_environment, *({"kind": kind, "start_s": end - long, "end_s": end}
                                   for (kind, long), end in zip(sounds, ends, strict=True))),
    )  # fmt: skip
    assert isinstance(answer, pl.DataFrame)
    true: dict[tuple[str, str], float] = {
        ("word", word): count for word, count in Counter([*said, *shown]).items() if word in WORDS
    }
    true |= {("object", label): count for label, count in Counter(label for label, _ in tracks).items()}
    true |= {("colour", name): count / len(colours) for name, count in Counter(colours).items()}
    for kind, long in sounds:
        true["sound", kind] = true.get(("sound", kind), 0.0) + long / ends[-1]
    true |= {("pace", "shot boundaries a minute"): 60 * sum(boundaries) / seconds, ("pace", "motion energy"): 0.5}
    found = {(kind, item): amount for kind, item, amount in answer.rows()}
    right = sum(abs(found.get(key, np.inf) - amount) < 1e-6 for key, amount in true.items())
    return right, len(true | found)


def months_right(rng: np.random.Generator) -> tuple[int, int]:
    """Months whose most risen word is the one that was made to rise, and months, of one archive."""
    planted = [str(word) for word in rng.permutation(np.resize(WORDS, MONTHS))]
    for at in range(1, MONTHS):  # a word cannot rise to the same height twice in a row
        if planted[at] == planted[at - 1]:
            planted[at] = WORDS[(WORDS.index(planted[at]) + 1) % len(WORDS)]
    with tempfile.TemporaryDirectory() as folder:
        made = Warehouse(path=folder)
        made.publish([table_spec(item) for item in computed()], (), views(discover()), MACROS)
        for month in range(MONTHS):
            for number in range(A_MONTH):
                video = f"v{month}-{number}"
                day = datetime(2025, month + 1, int(rng.integers(1, 28)), tzinfo=UTC)
                source = {"video_id": video, "modified_at": day, "path": f"/{video}.mp4"}
                made.replace_partition("sources", video, SOURCES.frame([source]))
                counts = {word: float(rng.poisson(3)) for word in WORDS}
                counts[planted[month]] += 12
                rows = [("word", word, count) for word, count in counts.items() if count]
                frame = pl.DataFrame(rows, ANALYZER.schema, orient="row")
                made.replace_partition("trend_analysis", video, frame.select(pl.lit(video).alias("video_id"), pl.all()))
        connection = made.connect()
        try:
            tops = dict(connection.execute(MOST_RISEN).fetchall())
        finally:
            connection.close()
    return sum(tops.get(month + 1) == planted[month] for month in range(1, MONTHS)), MONTHS - 1


def measure(seed: int) -> list[Figure]:
    """Amounts that are exact, and risen words found."""
    rng = np.random.default_rng([seed, 113])
    amounts = np.sum([amounts_right(rng) for _ in range(VIDEOS)], axis=0).tolist()
    months = np.sum([months_right(rng) for _ in range(ARCHIVES)], axis=0).tolist()
    named = {"analyzer": "trend_analysis", "unit": "1"}
    return [
        Figure(
            what="amounts of words, objects, colours, pace and sounds that are exact", value=amounts[0] / amounts[1],
            cases=amounts[1], at_least=1.0, **named,
        ),
        Figure(
            what="months whose most risen word in the view trends is the planted one", value=months[0] / months[1],
            cases=months[1], at_least=0.9, **named,
        ),
    ]  # fmt: skip
