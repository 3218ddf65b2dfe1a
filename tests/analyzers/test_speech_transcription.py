import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.catalog import rows as catalog
from resources.catalog import store as weights
from resources.errors import ModelUnavailable
from resources.hosting.host import Request
from resources.models.whisper import WhisperHost
from vid_assets.analyzers.speech_transcription import ANALYZER, fitted, levels, preview, repetition, run, spoken
from vid_assets.contract import Audio, NotApplicable, Video
from vid_assets.media import identify, open_media
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.clips import Sound
from vid_assets.synthetic.sound import synthesise

MODELS = Path(os.environ.get("VID_MODELS") or Path(__file__).parents[2] / "data" / "models").absolute()
MEDIA = Path(__file__).parents[3] / "shared" / "media"
RATE = 16000
SCHEMA = {
    "segment": pl.Int64, "word": pl.String, "start_s": pl.Float64, "end_s": pl.Float64,
    "confidence": pl.Float64, "no_speech": pl.Float64, "language": pl.String,
}  # fmt: skip
ASKED = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def words(*segments, confidence=0.9):
    """Segments as (number, text, no_speech), a word every 0.3 s."""
    rows, time = [], 0.0
    for number, text, no_speech in segments:
        for word in text.split():
            rows.append((number, word, time, time + 0.25, confidence, no_speech, "en"))
            time += 0.3
    return pl.DataFrame(rows, SCHEMA, orient="row")


class Says:
    def __init__(self, table):
        self.table = table

    def transcribe(self, audio):
        return self.table


def decoded(path, scratch):
    return open_media(path, identify(path).video_id, scratch).audio


def sound(seconds=20.0, level=0.1):
    return Audio(np.full(round(seconds * RATE), level, np.float32))


class RealModel:
    """The true model of the offline profile, in this process."""

    def __init__(self, folder):
        self.host = WhisperHost(catalog.find("speech", "offline"), folder, {})
        self.host.load()

    def transcribe(self, audio):
        return self.host.transcribe([Request("v", {"audio": audio.samples})])[0]


@pytest.fixture(scope="module")
def real_model():
    try:
        found = weights.locate(catalog.find("speech", "offline"), MODELS)
    except ModelUnavailable as error:
        pytest.skip(f"the weights are not here: {error}")
    return RealModel(found.folder)


def test_words_pass_through_in_order():
    heard = words((3, "And so, my", 0.1), (5, "fellow Americans.", 0.2))
    table = run(sound(), Says(heard.reverse()))
    assert table["word"].to_list() == ["And", "so,", "my", "fellow", "Americans."]
    assert table["segment"].to_list() == [0, 0, 0, 1, 1] or table["segment"].to_list() == [1, 1, 1, 0, 0]
    assert table.schema == pl.Schema(ANALYZER.schema)


def test_segments_that_are_no_speech_are_dropped():
    heard = words((0, "ask not what", 0.1), (1, "oh oh", 0.7), (2, "your country", 0.59))
    assert run(sound(), Says(heard))["word"].to_list() == ["ask", "not", "what", "your", "country"]
    assert run(sound(), Says(heard))["segment"].to_list() == [0, 0, 0, 1, 1]


def test_doubtful_segments_need_sure_words():
    assert isinstance(run(sound(), Says(words((0, "mm hmm", 0.45), confidence=0.5))), NotApplicable)
    assert run(sound(), Says(words((0, "mm hmm", 0.45), confidence=0.9))).height == 2
    assert run(sound(), Says(words((0, "mm hmm", 0.1), confidence=0.5))).height == 2


def test_loops_are_dropped():
    assert repetition("oh, " * 100) > 10
    assert repetition(ASKED) < 1.7
    answer = run(sound(), Says(words((0, "oh, " * 60, 0.2))))
    assert answer == NotApplicable("no speech in the sound; 60 made-up words were dropped")


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
    from evaluation.speech_transcription import bare, pairs, share

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
        ),
        max_size=12,
    )
)
def test_any_transcript_keeps_the_contract(rows):
    heard = pl.DataFrame(
        [(number, word, start, start + long, sure, silent, "en") for number, word, start, long, sure, silent in rows],
        SCHEMA,
        orient="row",
    )
    audio = sound(2.0)
    answer = run(audio, Says(heard))
    if isinstance(answer, NotApplicable):
        return
    assert all(each.passed for each in check_table(ANALYZER, answer, Video("v", 2.0, 0, 0, 0.0, 0, False, True)))
    assert set(answer["word"]) <= set(heard["word"].str.strip_chars()) - {""}
    assert spoken(heard).equals(spoken(heard))


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
