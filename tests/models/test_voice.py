"""Where speech is, and how it is cut: exact, on probabilities and sounds made here."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.models import voice
from resources.models.voice import MARGIN_S, SAMPLE_RATE, STEP_S, WINDOW_S, Passage, Span, Window


def chances(*spans: tuple[float, float], seconds: float, sure: float = 0.9) -> np.ndarray:
    """Probabilities of speech: `sure` within the spans, 0.02 elsewhere."""
    found = np.full(round(seconds / STEP_S), 0.02, np.float32)
    for start, end in spans:
        found[round(start / STEP_S) : round(end / STEP_S)] = sure
    return found


def passage(*spans: tuple[float, float]) -> Passage:
    return Passage(tuple(Span(*span) for span in spans))


def test_speech_is_found_and_short_pauses_are_part_of_it() -> None:
    found = voice.spans(chances((1.0, 2.0), (2.1, 3.0), (4.0, 4.5), seconds=6.0), 6.0)
    assert [(span.start, span.end) for span in found] == [
        (pytest.approx(1.0, abs=0.05), pytest.approx(3.0, abs=0.05)),
        (pytest.approx(4.0, abs=0.05), pytest.approx(4.5, abs=0.05)),
    ]
    assert voice.spans(chances((1.0, 1.04), seconds=2.0), 2.0) == []
    assert voice.spans(chances((1.0, 2.0), seconds=3.0, sure=0.34), 3.0) == []


def test_speech_up_to_the_last_sample_ends_there() -> None:
    (found,) = voice.spans(chances((0.0, 2.0), seconds=2.0), 1.99)
    assert (found.start, found.end) == (0.0, pytest.approx(1.99))


def test_passages_end_at_long_pauses_and_when_they_grow_too_long() -> None:
    spoken = [Span(0, 2), Span(2.5, 4.5), Span(5, 7), Span(9.5, 10)]
    found = voice.passages(spoken, chances(seconds=12))
    assert [(each.span.start, each.span.end) for each in found] == [(0, 4.5), (5, 7), (9.5, 10)]
    assert [each.spoken_s for each in found] == [4, 2, 0.5]


def test_speech_without_a_pause_is_cut_where_the_detector_is_least_sure() -> None:
    probability = chances((0.0, 70.0), seconds=70.0)
    probability[round(25 / STEP_S)] = 0.4
    found = voice.passages([Span(0, 70)], probability)
    assert found[0].span.end == pytest.approx(25, abs=0.05)
    assert all(one.span.end == two.span.start for one, two in pairwise(found))
    assert all(each.span.seconds <= WINDOW_S - 2 * MARGIN_S for each in found)


def test_a_window_puts_pieces_together_and_finds_its_way_back() -> None:
    found = [passage((1, 2)), passage((10, 12))]
    (window,) = voice.windows(found, ["en", "en"], 20.0)
    assert window.pieces == (Span(0.7, 2.3), Span(9.7, 12.3))
    assert len(window.sound(np.zeros(20 * SAMPLE_RATE, np.float32))) == pytest.approx(4.2 * SAMPLE_RATE, abs=2)
    back = window.place(Span(0.3, 1.3))
    assert (back.start, back.end) == (pytest.approx(1), pytest.approx(2))
    back = window.place(Span(1.9, 3.9))
    assert (back.start, back.end) == (pytest.approx(10), pytest.approx(12))


def test_languages_are_never_in_one_window() -> None:
    found = [passage((0, 2)), passage((2.5, 4)), passage((4.2, 6))]
    made = voice.windows(found, ["en", "de", "de"], 6.0)
    assert [(each.language, len(each.passages)) for each in made] == [("en", 1), ("de", 2)]
    # The pause between them belongs half to each: no word is heard twice.
    assert made[0].pieces[-1].end == made[1].pieces[0].start == 2.25


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 40), st.floats(0.2, 6)), max_size=12), st.data())
def test_windows_hold_every_passage_once_and_are_short_enough(
    parts: list[tuple[float, float]], data: st.DataObject
) -> None:
    spoken, at = [], 0.0
    for seconds, pause in parts:
        spoken.append(Span(at, at + seconds))
        at += seconds + pause
    found = voice.passages(spoken, np.full(round(at / STEP_S) + 2, 0.9, np.float32))
    tongues = data.draw(st.lists(st.sampled_from(["en", "de"]), min_size=len(found), max_size=len(found)))
    made = voice.windows(found, tongues, at)
    assert [each for window in made for each in window.passages] == found
    assert all(sum(piece.seconds for piece in window.pieces) <= WINDOW_S + 1e-6 for window in made)
    pieces = [piece for window in made for piece in window.pieces]
    assert all(one.end <= two.start + 1e-6 for one, two in pairwise(pieces))


@pytest.mark.parametrize("dbfs", [-80.0, -60.0, -30.0])
def test_faint_sound_is_lifted_and_loud_sound_is_left_alone(dbfs: float) -> None:
    tone = np.sin(np.arange(4 * SAMPLE_RATE) * 0.1).astype(np.float32)
    rms = float(np.sqrt(np.mean(voice.levelled(tone * np.float32(10 ** (dbfs / 20))) ** 2)))
    assert 20 * np.log10(rms) == pytest.approx(-20.0 if dbfs > -77 else dbfs - 3 + 60, abs=0.5)
    assert np.array_equal(voice.levelled(tone), tone)


def test_a_faint_speaker_after_a_loud_one_is_lifted_alone() -> None:
    sound = np.concatenate([np.full(8 * SAMPLE_RATE, 0.3), np.full(8 * SAMPLE_RATE, 0.001)]).astype(np.float32)
    lifted = voice.levelled(sound)
    assert lifted[: 8 * SAMPLE_RATE] == pytest.approx(0.3)
    assert lifted[9 * SAMPLE_RATE :] == pytest.approx(0.1, rel=0.02)
    assert np.abs(lifted).max() <= 1


def test_silence_and_nothing_stay_so() -> None:
    for count in (0, 1, 5000):
        assert not voice.levelled(np.zeros(count, np.float32)).any()
        assert voice.spans(voice.probabilities(np.zeros(count, np.float32)), count / SAMPLE_RATE) == []
    assert voice.passages([], np.empty(0, np.float32)) == []
    assert voice.windows([], [], 0.0) == []
    assert voice.languages([], 20.0) == []


def test_one_odd_passage_does_not_change_the_language_but_two_sure_ones_do() -> None:
    english, odd, german = {"en": 0.9, "de": 0.1}, {"en": 0.3, "de": 0.7}, {"en": 0.02, "de": 0.98}
    assert voice.languages([english, odd, english], 20.0) == ["en"] * 3
    assert voice.languages([english, english, german, german], 20.0) == ["en", "en", "de", "de"]


def test_a_window_knows_no_other_language() -> None:
    one, two = Window("en", (passage((0, 1)),), (Span(0, 1),)), Window("en", (passage((2, 3)),), (Span(2, 3),))
    assert one.followed_by(two) == Window("en", (passage((0, 1)), passage((2, 3))), (Span(0, 3),))
    assert one.followed_by(Window("de", two.passages, two.pieces)) is None
