"""Words to cues, SubRip and WebVTT."""

import itertools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vid_assets.export.subtitles import LINE, LINES, LONGEST_S, Cue, Word, cues, srt, vtt


def spoken(*texts, step=0.5, phrase=0, start=0.0, language="en"):
    return [
        Word(text, start + step * place, start + step * place + 0.4, phrase, language)
        for place, text in enumerate(texts)
    ]


def test_a_phrase_is_a_cue():
    assert cues(spoken("Ask", "not.")) == [Cue(0, 900, ["Ask not."])]
    assert cues([]) == []


def test_a_phrase_a_pause_and_a_full_cue_begin_the_next():
    assert [cue.lines for cue in cues(spoken("One.") + spoken("Two.", phrase=1, start=1.0))] == [["One."], ["Two."]]
    assert [cue.lines for cue in cues(spoken("One") + spoken("two", start=1.9))] == [["One two"]]
    assert [cue.lines for cue in cues(spoken("One") + spoken("two", start=1.91))] == [["One"], ["two"]]
    assert [len(cue.lines) for cue in cues(spoken(*["word" * 5] * 5, step=0.1))] == [2, 1]
    assert [cue.start_ms for cue in cues(spoken(*["a"] * 16))] == [0, 7000]


def test_cues_do_not_overlap():
    words = [Word("a", 0.0, 5.0, 0), Word("b", 2.0, 3.0, 1), Word("c", 2.0, 2.0, 2)]
    assert [(cue.start_ms, cue.end_ms) for cue in cues(words)] == [(0, 2000), (2000, 2001), (2000, 2001)]


def test_languages_without_spaces():
    assert cues(spoken("你好", "世界", language="zh"))[0].lines == ["你好世界"]
    assert all(
        len(line) <= LINE for cue in cues(spoken(*["漢字" * 6] * 9, step=0.1, language="ja")) for line in cue.lines
    )


def test_subrip():
    text = srt([Cue(1_500, 3_600_001, ["a --> b", "<i>"]), Cue(3_600_001, 3_700_000, ["c"])])
    assert text == "1\n00:00:01,500 --> 01:00:00,001\na -> b\n<\u2060i>\n\n2\n01:00:00,001 --> 01:01:40,000\nc\n\n"


def test_webvtt():
    assert (
        vtt([Cue(0, 10, ["a < b & c --> d"])])
        == "WEBVTT\n\n00:00:00.000 --> 00:00:00.010\na &lt; b &amp; c --&gt; d\n\n"
    )
    assert vtt([]) == "WEBVTT\n\n"


@pytest.mark.parametrize("write", [srt, vtt])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(
    st.lists(
        st.tuples(st.text(max_size=60), st.floats(0, 3), st.floats(0, 3), st.integers(0, 2)),
        max_size=40,
    )
)
def test_any_words_become_cues_that_players_read(write, drawn):
    start, words = 0.0, []
    for text, wait, length, phrase in drawn:
        start += wait
        words.append(Word(text, start, start + length, phrase))
    made = cues(words)
    assert "".join("".join(cue.lines) for cue in made).replace(" ", "") == "".join(
        "".join(word.text.split()) for word in words
    )
    for cue in made:
        assert cue.start_ms < cue.end_ms
        assert len(cue.lines) <= LINES or " " not in " ".join(cue.lines)
        assert all(line.strip() for line in cue.lines)
    assert all(before.start_ms <= after.start_ms for before, after in itertools.pairwise(made))
    assert len(re.findall(r"^\d\d:\d\d:\d\d[.,]\d{3} --> \d\d:\d\d:\d\d[.,]\d{3}$", write(made), re.MULTILINE)) == len(
        made
    )
    assert all(cue.end_ms - cue.start_ms <= (LONGEST_S + 3) * 1000 for cue in made)
