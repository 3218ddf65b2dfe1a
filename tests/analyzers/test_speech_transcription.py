from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation._models import model
from resources.errors import ModelUnavailable
from resources.tasks.speech import SPEECH
from vid_assets.analyzers import speech_rate
from vid_assets.analyzers.speech_transcription import (
    ANALYZER,
    UNKNOWN,
    Settings,
    fitted,
    levels,
    preview,
    repetitive,
    run,
)
from vid_assets.contract import Audio, NotApplicable, Undefined, Video
from vid_assets.media import identify, open_media
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.clips import Sound
from vid_assets.synthetic.sound import synthesise

MEDIA = Path(__file__).parents[3] / "shared" / "media"
RATE = 16000
SCHEMA = SPEECH.schema
ASKED = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def words(*segments, confidence=0.9, speech=0.9, language="en"):
    """Segments as (number, text, no_speech), a word every 0.3 s; without text one row of 0.25 s."""
    rows, time = [], 0.0
    for number, text, no_speech in segments:
        for word in text.split() or [""]:
            rows.append((number, word, time, time + 0.25, confidence, no_speech, speech, language))
            time += 0.3
    return pl.DataFrame(rows, SCHEMA, orient="row")


class Says:
    def __init__(self, table):
        self.table, self.asked = table, {}

    def transcribe(self, audio, **asked):
        self.asked = asked
        return self.table


def decoded(path, scratch):
    return open_media(path, identify(path).video_id, scratch).audio


def sound(seconds=20.0, level=0.1):
    return Audio(np.full(round(seconds * RATE), level, np.float32))


@pytest.fixture(scope="module")
def real_model():
    """The true model of the offline profile, in this process."""
    handle = model(SPEECH)
    try:
        handle.transcribe(Audio(np.zeros(RATE, np.float32)))
    except ModelUnavailable as error:
        pytest.skip(f"the weights are not here: {error}")
    return handle


def test_words_pass_through_in_order():
    heard = words((3, "And so, my", 0.1), (5, "fellow Americans.", 0.2))
    table = run(sound(), Says(heard.reverse()))
    assert table["word"].to_list() == ["And", "so,", "my", "fellow", "Americans."]
    assert table["segment"].to_list() == [0, 0, 0, 1, 1] or table["segment"].to_list() == [1, 1, 1, 0, 0]
    assert table.schema == pl.Schema(ANALYZER.schema)


def test_what_may_be_no_speech_needs_sure_words():
    heard = words((0, "ask not what", 0.1), (1, "your country", 0.7))
    assert run(sound(), Says(heard))["segment"].to_list() == [0, 0, 0, 1, 1]
    unsure = words((0, "mm hmm", 0.7), confidence=0.5)
    assert run(sound(), Says(unsure)) == NotApplicable("no speech in the sound; 2 made-up words were dropped")
    assert run(sound(), Says(words((0, "mm hmm", 0.6), confidence=0.5))).height == 2


def test_the_least_confidence_can_be_set():
    heard = words((0, "ask not", 0.1), confidence=0.3)
    assert run(sound(), Says(heard)).height == 2
    assert run(sound(), Says(heard), Settings(min_confidence=0.31)) == Undefined(UNKNOWN)


def test_language_and_beam_size_reach_the_model():
    says = Says(words((0, "ask not", 0.1)))
    run(sound(), says, Settings(language="de", beam_size=2))
    assert says.asked == {"language": "de", "beam_size": 2}
    run(sound(), says)
    assert says.asked == {"language": "", "beam_size": 5}


def test_loops_are_dropped():
    assert repetitive(["oh,"] * 100)
    assert repetitive(["the", "rest", "of"] * 4)
    assert not repetitive(ASKED.split())
    assert not repetitive([])
    loop = (0, "oh, " * 60, 0.2)
    answer = run(sound(), Says(words(loop, speech=0.4)))
    assert answer == NotApplicable("no speech in the sound; 60 made-up words were dropped")
    assert run(sound(), Says(words(loop))) == Undefined(UNKNOWN)


def test_speech_without_words_alone_is_undefined():
    assert run(sound(), Says(words((0, "", 0.1)))) == Undefined("speech in a language this model does not know")
    assert run(sound(), Says(words((0, "", 0.7)))) == NotApplicable("no speech in the sound")
    assert run(sound(), Says(words((0, "", 0.1), speech=0.49))) == NotApplicable("no speech in the sound")


def test_speech_without_words_beside_words_is_a_marked_row():
    heard = pl.concat([
        words((0, "ask not", 0.1)),
        words((1, "", 0.1), (2, "", 0.2), language="").with_columns(pl.col("start_s", "end_s") + 1),
        words((3, "", 0.1), language="de").with_columns(pl.col("start_s", "end_s") + 8),
        words((4, "your country", 0.1)).with_columns(pl.col("start_s", "end_s") + 12),
    ])  # fmt: skip
    table = run(sound(), Says(heard))
    assert table.select("segment", "word", "start_s", "end_s", "language", "understood").rows() == [
        (0, "ask", 0.0, 0.25, "en", True),
        (0, "not", pytest.approx(0.3), pytest.approx(0.55), "en", True),
        (1, "", 1.0, pytest.approx(1.55), None, False),
        (2, "", 8.0, 8.25, "de", False),
        (3, "your", 12.0, 12.25, "en", True),
        (3, "country", pytest.approx(12.3), pytest.approx(12.55), "en", True),
    ]
    assert table["confidence"].to_list() == [0.9, 0.9, 0, 0, 0.9, 0.9]
    assert preview(table, sound()).shape[2] == 3
    rates = speech_rate.run(sound(), table)
    assert rates.filter(pl.col("kind") == "pause").is_empty()
    assert rates["words_a_minute"][0] == pytest.approx(60 * 4 / (12.55 - 0.55 - 0.25))


def test_no_words_is_not_applicable():
    assert run(sound(), Says(pl.DataFrame(schema=SCHEMA))) == NotApplicable("no speech in the sound")


def test_silent_and_empty_sound_is_not_sent_to_the_model():
    for samples in (np.zeros(0, np.float32), np.zeros(RATE, np.float32)):
        assert run(Audio(samples), None) == NotApplicable("the sound is silent")


def test_times_are_cut_to_the_sound():
    heard = words((0, "ask not", 0.1)).with_columns(pl.col("end_s") + pl.Series([0.0, 9.0]))
    assert run(sound(0.4), Says(heard))["end_s"].to_list() == pytest.approx([0.25, 0.4])


def bursts(*spans, seconds=8.0, floor=0.001):
    """Faint noise with loud noise in these spans."""
    rng = np.random.default_rng(3)
    level = np.full(round(seconds * RATE), floor)
    for start, end in spans:
        level[round(start * RATE) : round(end * RATE)] = 0.1
    return Audio((level * rng.standard_normal(len(level))).astype(np.float32))


@pytest.mark.parametrize(
    ("heard", "places"),
    [
        ([(1.9, 3.1)], [(2.0, 3.0)]),  # a little too long
        ([(2.2, 2.7)], [(2.0, 3.0)]),  # cut off on both sides
        ([(1.8, 2.5), (2.5, 3.2)], [(2.0, 2.5), (2.5, 3.0)]),  # where two words meet, nothing moves
        ([(2.5, 2.5)], [(2.5, 2.5)]),  # too far from any edge
        ([(2.9, 4.1), (5.1, 5.2)], [(2.9, 4.1), (5.0, 5.5)]),  # ends that are far from speech stay
        ([(2.0, 3.0), (4.9, 5.6)], [(2.0, 3.0), (5.0, 5.5)]),
    ],
)
def test_edges_beside_pauses_are_moved_to_the_speech(heard, places):
    level = levels(bursts((2.0, 3.0), (5.0, 5.5)))
    assert fitted(heard, level) == [pytest.approx(place, abs=0.03) for place in places]


def test_clicks_are_no_speech():
    audio = bursts((2.0, 3.0))
    audio.samples[round(3.1 * RATE) : round(3.1 * RATE) + 80] = 0.5
    assert fitted([(2.0, 3.2)], levels(audio)) == [pytest.approx((2.0, 3.0), abs=0.03)]


def test_steady_sound_moves_nothing():
    assert fitted([(2.0, 3.0)], levels(bursts((0.0, 8.0)))) == [(2.0, 3.0)]
    assert fitted([], levels(sound(1.0))) == []


def test_true_model_places_words_at_speech_whatever_is_around(real_model):
    from evaluation._speech import Spoken, rearranged
    from evaluation._words import bare
    from evaluation.speech_transcription import pairs, share

    errors = []
    for seed in range(3):
        audio, said = rearranged(np.random.default_rng([900, seed]))
        table = run(audio, real_model)
        found = [Spoken(bare(word), *times) for word, *times in table.select("word", "start_s", "end_s").rows()]
        for one, two in pairs(found, [word for phrase in said for word in phrase]):
            errors += [abs(one.start_s - two.start_s), abs(one.end_s - two.end_s)]
    assert len(errors) >= 100
    assert share(errors) >= 0.95


def test_preview():
    heard = words(*((number, "ask not what", 0.1) for number in range(9)))
    table = run(sound(), Says(heard))
    assert preview(table, sound()).shape[2] == 3
    assert preview(ANALYZER.empty(), sound()) is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.text(max_size=6),
            st.floats(0, 3),
            st.floats(0, 2),
            st.floats(0, 1),
            st.floats(0, 1),
            st.floats(0, 1),
        ),
        max_size=12,
    )
)
def test_any_transcript_keeps_the_contract(rows):
    heard = pl.DataFrame(
        [
            (number, word, start, start + long, sure, silent, voice, "en")
            for number, word, start, long, sure, silent, voice in rows
        ],
        SCHEMA,
        orient="row",
    )
    audio = sound(2.0)
    answer = run(audio, Says(heard))
    if isinstance(answer, NotApplicable | Undefined):
        return
    assert all(each.passed for each in check_table(ANALYZER, answer, Video("v", 2.0, 0, 0, 0.0, 0, False, True)))
    assert set(answer["word"]) <= set(heard["word"].str.strip_chars()) | {""}
    assert (answer["word"] != "").equals(answer["understood"])


@pytest.mark.parametrize("kind", ["tone", "noise", "click", "music"])
def test_true_model_makes_no_words_of_other_sounds(real_model, kind):
    for seed, colour in ((0, "white"), (1, "pink")):
        samples = synthesise(Sound(kind, bpm=104.0, colour=colour, seed=seed), 8 * RATE, RATE)
        assert isinstance(run(Audio(samples), real_model), NotApplicable)


@pytest.mark.skipif(not MEDIA.is_dir(), reason="needs the shared media")
def test_true_model_hears_real_speech_and_no_words_in_music(real_model, tmp_path):
    speech = decoded(MEDIA / "jfk.flac", tmp_path)
    table = run(speech, real_model)
    assert [word.strip(".,").lower() for word in table["word"]] == ASKED.split()
    assert set(table["language"]) == {"en"}
    assert table["start_s"].is_sorted()
    pauses = table["start_s"][1:] - table["end_s"][:-1]
    assert pauses.arg_sort(descending=True).head(3).sort().to_list() == [4, 6, 13]
    assert isinstance(run(decoded(MEDIA / "bigbuckbunny.mp4", tmp_path), real_model), NotApplicable)
