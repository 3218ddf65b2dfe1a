"""Texts of hostile files stay values: in macros, in views, in keys."""

import polars as pl
import pytest

from harness.hostile import MARK
from harness.texts import hostile_texts
from resources.warehouse.records import CUES
from resources.warehouse.resource import Warehouse
from tests.kit.words import is_found
from vid_assets.errors import MediaError
from vid_assets.export.subject import find
from vid_assets.media.source import VIDEO_ID, video_id
from vid_assets.sql.publish import publish

VIDEO = "film-0123456789ab"
TEXTS = [text.replace("\0", "") for text in hostile_texts(MARK)]
ASKED = [
    *TEXTS, "'", "''", '"', "\\", "%", "_", "$1", "$what", "?", "{}", "--", "/*", ";", "\0", "", " ",
    "') UNION SELECT path FROM sources; --", "x'); DROP VIEW events; --", "' OR true --",
    "'; COPY (SELECT 1) TO '/tmp/xQz7'; --", "read_text('/etc/passwd')", "getenv('HOME')",
]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> Warehouse:
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("injection") / 'it\'s "a" warehouse'))
    publish(warehouse)
    rows = [
        {"video_id": VIDEO, "kind": "subtitle", "start_s": float(index), "end_s": index + 0.5, "text": text,
         "language": "'\"<b>", "track": 1}
        for index, text in enumerate(TEXTS)
    ]  # fmt: skip
    warehouse.replace_partition(CUES.name, VIDEO, CUES.frame(rows))
    return warehouse


@pytest.fixture(scope="module")
def connection(warehouse):
    with warehouse.connect() as connection:
        yield connection


@pytest.mark.parametrize("asked", ASKED, ids=range(len(ASKED)))
def test_words_are_values_in_macros(connection, asked):
    expected = [index for index, text in enumerate(TEXTS) if is_found(asked, text)]
    found = connection.execute("SELECT start_s FROM search_text(?) ORDER BY start_s", [asked]).fetchall()
    assert [start_s for (start_s,) in found] == expected
    hits = connection.execute("SELECT sum(events) FROM clips(?)", [asked]).fetchone()
    in_kind = asked.lower() in "subtitle"
    assert hits == (sum(in_kind or asked.lower() in text.lower() for text in TEXTS) or None,)
    assert connection.execute("SELECT count(*) FROM timeline(?)", [asked]).fetchone() == (0,)
    assert connection.execute("SELECT list(text ORDER BY start_s) FROM cues").fetchone() == (TEXTS,)


def test_the_user_s_session_may_quote_them_too(connection):
    for index, text in enumerate(TEXTS):
        quoted = text.replace("'", "''")
        found = connection.execute(f"SELECT start_s FROM search_text('{quoted}')").fetchall()
        assert ((float(index),) in found) == is_found(text, text)


@pytest.mark.parametrize("asked", [*ASKED, "../../etc/passwd", "~", "*"], ids=range(len(ASKED) + 3))
def test_no_text_finds_a_video_that_is_not_meant(warehouse, asked):
    with pytest.raises(MediaError):
        find(asked, warehouse)


@pytest.mark.parametrize("stem", [*ASKED, "../x", "a/b", "é" * 300, "\udcff"], ids=range(len(ASKED) + 4))
def test_a_key_holds_nothing_but_plain_letters(stem):
    assert VIDEO_ID.fullmatch(video_id(stem, "0123456789abcdef" * 4))


def test_hostile_texts_survive_as_they_are(warehouse):
    stored = warehouse.read_partition(CUES.name, VIDEO)
    assert isinstance(stored, pl.DataFrame)
    assert stored.sort("start_s")["text"].to_list() == TEXTS
