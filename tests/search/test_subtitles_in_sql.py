"""Subtitles made by SQL macros, read by the parsers that others use."""

import io

import pytest
import srt
import webvtt

from resources.warehouse.records import VIDEOS
from resources.warehouse.resource import Warehouse
from tests.cli.conftest import SILENT, SPEECH
from tests.export.conftest import rows_of
from vid_assets.sql.publish import publish

PHRASES = [(0.0, 1.5, "Ask not & <i>what</i>"), (3661.0005, 3662.25, "--> your 'country'")]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A video with these phrases, and one without."""
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("spoken") / "warehouse"))
    publish(warehouse)
    rows = [
        {
            "segment": number,
            "word": f" {word}",
            "start_s": start + place * 0.1,
            "end_s": end if place == 2 else start + 0.2,
        }
        for number, (start, end, text) in enumerate(PHRASES)
        for place, word in enumerate(text.split())
    ]
    rows.append({"segment": 2, "word": "", "start_s": 4000.0, "end_s": 4001.0})
    warehouse.replace_partition("speech_transcription", SPEECH, rows_of("speech_transcription", rows, SPEECH))
    for video_id in (SPEECH, SILENT):
        warehouse.replace_partition(VIDEOS.name, video_id, VIDEOS.frame([{"video_id": video_id}]))
    return warehouse


def asked(archive, query):
    with archive.connect() as connection:
        return connection.execute(query).fetchall()


def test_phrases_are_the_words_of_a_segment(spoken):
    rows = asked(spoken, f"SELECT number, text FROM phrases('{SPEECH}')")
    assert rows == [(number, text) for number, (_, _, text) in enumerate(PHRASES, 1)]


def test_both_formats_are_read_back(spoken):
    ((as_srt, as_vtt),) = asked(spoken, f"SELECT srt('{SPEECH}'), vtt('{SPEECH}')")
    read = [
        (item.index, item.start.total_seconds(), item.end.total_seconds(), item.content) for item in srt.parse(as_srt)
    ]
    assert read == [
        (1, 0.0, pytest.approx(1.5), "Ask not & <\u2060i>what<\u2060/i>"),
        (2, pytest.approx(3661.001, abs=1e-3), pytest.approx(3662.25), "-> your 'country'"),
    ]
    shown = webvtt.from_buffer(io.StringIO(as_vtt)).captions
    assert [item.raw_text for item in shown] == ["Ask not &amp; &lt;i&gt;what&lt;/i&gt;", "--&gt; your 'country'"]
    assert [(item.start, item.end) for item in shown][1] == ("01:01:01.001", "01:01:02.250")


def test_without_words_there_is_nothing(spoken):
    assert asked(spoken, f"SELECT srt('{SILENT}'), vtt('{SILENT}')") == [(None, None)]
    assert asked(spoken, "SELECT video_id FROM videos WHERE srt(video_id) IS NOT NULL") == [(SPEECH,)]
