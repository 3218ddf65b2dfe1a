"""How fast is spoken."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.makers import make_video
from vid_assets.analyzers.speech_rate import ANALYZER, PAUSE_S, phrases, preview, run, syllables
from vid_assets.contract import Audio, Undefined
from vid_assets.pipeline.checks import check_table

AUDIO = Audio(np.zeros(160_000, np.float32))


def spoken(*words):
    """What was said; an empty word is speech that was not understood."""
    rows = [(text, float(start), float(end), text != "") for text, start, end in words]
    schema = {"word": pl.String, "start_s": pl.Float64, "end_s": pl.Float64, "understood": pl.Boolean}
    return pl.DataFrame(rows, schema, orient="row")


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("And", 1), ("fellow", 2), ("Americans,", 4), ("country", 2), ("make", 1), ("table", 2), ("walked", 1),
        ("wanted", 2), ("horses", 2), ("articles", 3), ("really", 2), ("video", 3), ("player", 2), ("antique", 2),
        ("don't", 1), ("well-known", 2), ("1961", 1), ("...", 0), ("", 0),
    ],
)  # fmt: skip
def test_syllables(word, count):
    assert syllables(word) == count


def test_rates_pauses_and_fillers_are_exact():
    table = run(AUDIO, spoken(("Hello", 1.0, 1.4), ("world.", 1.4, 2.0), ("um,", 2.5, 2.75), ("again", 2.75, 3.0)))
    assert [check.problems for check in check_table(ANALYZER, table, make_video())] == [(), (), ()]
    assert table.select("kind", "start_s", "end_s", "text", "words", "syllables").rows() == [
        ("whole", 1.0, 3.0, None, 4, 6),
        ("phrase", 1.0, 2.0, "Hello world.", 2, 3),
        ("pause", 2.0, 2.5, None, None, None),
        ("filler", 2.5, 2.75, "um,", None, None),
        ("phrase", 2.5, 3.0, "um, again", 2, 3),
    ]
    whole = table.row(0, named=True)
    assert (whole["words_a_minute"], whole["syllables_a_minute"], whole["articulation_rate"]) == (120, 180, 6 / 1.5)


def test_speech_that_was_not_understood_is_no_pause_and_no_time_of_the_whole():
    table = run(AUDIO, spoken(("Hello", 1.0, 1.5), ("", 2.0, 4.0), ("again", 4.5, 5.0), ("world", 6.0, 6.5)))
    assert table.filter(pl.col("kind") == "pause").select("start_s", "end_s").rows() == [(5.0, 6.0)]
    assert table.row(0, named=True)["words_a_minute"] == pytest.approx(60 * 3 / 3.5)
    assert run(AUDIO, spoken(("", 2.0, 4.0))) == Undefined("no words to count")


def test_words_without_length_have_no_rate():
    row = run(AUDIO, spoken(("word", 1.0, 1.0))).row(0, named=True)
    assert (row["words"], row["words_a_minute"], row["articulation_rate"]) == (1, None, None)


def test_nothing_said():
    assert run(AUDIO, spoken()) == Undefined("no words to count")
    assert run(AUDIO, spoken(("--", 0, 1))) == Undefined("no words to count")


def test_preview_shows_the_lanes():
    table = run(AUDIO, spoken(("Hello", 1.0, 1.4), ("um", 2.5, 2.75)))
    assert preview(table, AUDIO, spoken()).std() > 10
    assert preview(ANALYZER.empty(), AUDIO, spoken()) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_phrases_keep_all_words_and_part_at_pauses_only(gaps):
    words, time = [], 0.0
    for gap, length in gaps:
        words.append(("word", time + gap, time + gap + length))
        time += gap + length
    runs = phrases(words)
    assert [word for run in runs for word in run] == words
    for one in runs:
        assert all(after[1] - word[2] < PAUSE_S for word, after in pairwise(one))
    assert all(two[0][1] - one[-1][2] >= PAUSE_S for one, two in pairwise(runs))
