"""The macro ``search_text``: what it finds, and that the index finds the same as reading every text."""

from pathlib import Path

import duckdb  # noqa: TID253 - the sessions of users are under test
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.warehouse.generations import current
from resources.warehouse.resource import ColumnSpec, TableSpec, TextSpec, Warehouse
from resources.warehouse.search import declared
from tests.kit.words import is_found

SPEECH = TableSpec(
    "speech",
    "One row per phrase",
    (
        ColumnSpec("video_id", pl.String, "text", "Partition key"),
        ColumnSpec("start_s", pl.Float64, "s", "Start"),
        ColumnSpec("end_s", pl.Float64, "s", "End"),
        ColumnSpec("text", pl.String, "text", "Words"),
    ),
)
SIGNS = TableSpec(
    "signs",
    "One row per text in a picture",
    (
        ColumnSpec("video_id", pl.String, "text", "Partition key"),
        ColumnSpec("time_s", pl.Float64, "s", "Time"),
        ColumnSpec("shown", pl.String, "text", "Text"),
    ),
)
TEXTS = [TextSpec(SPEECH, "text", "start_s", "end_s"), TextSpec(SIGNS, "shown", "time_s", None)]


def rows(spec: TableSpec, video_id: str, *texts: str | None) -> pl.DataFrame:
    start, text = ("time_s", "shown") if spec is SIGNS else ("start_s", "text")
    return spec.frame({"video_id": video_id, start: float(place), text: words} for place, words in enumerate(texts))


def search(warehouse: Warehouse, query: str) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute("FROM search_text(?)", [query]).fetchall()


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Some of the texts are in a segment with an index, some are not merged yet."""
    made = Warehouse(path=str(tmp_path_factory.mktemp("texts") / "it's [w]"))
    made.publish([SPEECH, SIGNS], texts=TEXTS)
    made.commit(
        {
            "speech": {
                "a": rows(SPEECH, "a", "Ask not what your country can do", None, "", "the café's countries"),
                "b": rows(SPEECH, "b", "私は東京に行きます", "Ёлка стоит", "हिन्दी में"),
            },
            "signs": {"a": rows(SIGNS, "a", "E-MAIL 3.5 km", "かき")},
        }
    )
    made.compact(keep_s=0)
    made.commit({"speech": {"c": rows(SPEECH, "c", "no country for old men", "がき cafe")}})
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("COUNTRY", [("a", 0.0), ("c", 0.0)]),
        ("countr", [("a", 0.0), ("a", 3.0), ("c", 0.0)]),
        ("ountry", []),
        ("country your", [("a", 0.0)]),
        ('"your country"', [("a", 0.0)]),
        ('"country your"', []),
        ('"countr"', []),
        ('old "no country"', [("c", 0.0)]),
        ("Cafés", []),
        ("CAFÉ", [("a", 3.0), ("c", 1.0)]),
        ("cafe\u0301", [("a", 3.0), ("c", 1.0)]),
        ("東京", [("b", 0.0)]),
        ("京東", []),
        ("елка", [("b", 1.0)]),
        ("हिन्दी", [("b", 2.0)]),
        ("हिन्दा", []),
        ("がき", [("c", 1.0)]),
        ("かき", [("a", 1.0)]),
        ("e-mail", [("a", 0.0)]),
        ("mail 3.5", [("a", 0.0)]),
        ("", []),
        (" -- ", []),
        ("'; DROP VIEW speech; --", []),
        ('"your country', [("a", 0.0)]),
    ],
)
def test_words_cases_accents_beginnings_and_phrases(texts: Warehouse, query: str, found: list[tuple]) -> None:
    assert [row[:2] for row in search(texts, query)] == found


def test_a_text_is_found_with_its_times_and_table(texts: Warehouse) -> None:
    assert search(texts, "mail") == [("a", 0.0, None, "signs", "E-MAIL 3.5 km")]
    assert search(texts, "stoi") == []
    assert search(texts, "Стоит")[0][2:] == (None, "speech", "Ёлка стоит")


def test_any_client_searches_in_an_attached_database(texts: Warehouse) -> None:
    with duckdb.connect() as session:
        session.execute(f"ATTACH '{str(texts.root).replace(chr(39), chr(39) * 2)}/results.duckdb' AS vid (READ_ONLY)")
        session.execute("USE vid")
        assert session.execute("SELECT count(*) FROM search_text('country')").fetchall() == [(2,)]


LETTERS = st.sampled_from(
    ["a", "b", "ab", "Á", "e\u0301", "ß", "İ", "東", "か", "が", "ไท", "हि", "й", "ΟΣ", "ος", " ", "-", "'", "1"]
)
WORDS = st.lists(LETTERS, max_size=8).map("".join)
CHANGES = st.dictionaries(
    st.sampled_from(["speech", "signs"]),
    st.dictionaries(st.sampled_from("vwxyz"), st.lists(st.none() | WORDS, max_size=3), min_size=1),
    min_size=1,
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["commit", "commit", "compact", "everything", "other"]), CHANGES), min_size=1, max_size=6
)
QUERIES = st.lists(WORDS.filter(bool) | WORDS.map('"{}"'.format), min_size=1, max_size=2).map(" ".join)


@pytest.mark.parametrize("examples", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_the_index_finds_what_reading_every_text_finds(tmp_path_factory, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @given(steps=STEPS, queries=st.lists(QUERIES, min_size=4, max_size=8))
    def check(steps: list, queries: list[str]) -> None:
        _index_equals_reading(tmp_path_factory, steps, queries)

    check()


def _index_equals_reading(tmp_path_factory, steps: list, queries: list[str]) -> None:
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("w")))
    warehouse.publish([SPEECH, SIGNS], texts=TEXTS)
    expected: dict[tuple[str, str], list[str | None]] = {}
    for what, change in steps:
        if what == "commit":
            specs = {"speech": SPEECH, "signs": SIGNS}
            warehouse.commit(
                {
                    table: {key: rows(specs[table], key, *texts) for key, texts in keys.items()}
                    for table, keys in change.items()
                }
            )
            expected.update({(key, table): texts for table, keys in change.items() for key, texts in keys.items()})
        elif what == "other":
            # another definition makes all indexes useless, until they are made again
            warehouse.publish([SPEECH, SIGNS], texts=TEXTS[:1])
            warehouse.compact(keep_s=0)
            warehouse.publish([SPEECH, SIGNS], texts=TEXTS)
        else:
            warehouse.compact(everything=what == "everything", keep_s=0)
    for query in queries:
        wanted = [
            (key, float(place), table, text)
            for (key, table), texts in expected.items()
            for place, text in enumerate(texts)
            if is_found(query, text)
        ]
        got = [(key, start, table, text) for key, start, _, table, text in search(warehouse, query)]
        assert sorted(got) == sorted(wanted), query


def test_a_warehouse_without_an_index_is_searched_and_then_indexed(tmp_path: Path) -> None:
    warehouse = Warehouse(path=str(tmp_path))
    warehouse.publish([SPEECH, SIGNS])
    warehouse.commit({"speech": {key: rows(SPEECH, key, "one word", "more") for key in "abc"}})
    warehouse.compact(keep_s=0)
    warehouse.commit({"speech": {"d": rows(SPEECH, "d", "word")}})
    warehouse.publish([SPEECH, SIGNS], texts=TEXTS)
    before = search(warehouse, "word")
    assert [row[0] for row in before] == ["a", "b", "c", "d"]
    made = warehouse.compact(keep_s=0).generation
    index = declared(tmp_path)
    assert index is not None
    assert [index.has(tmp_path, segment) for segment in made.segments] == [True] * len(made.segments)
    assert search(warehouse, "word") == before
    warehouse.publish([SPEECH, SIGNS], texts=TEXTS[:1])
    assert search(warehouse, "word") == before
    assert warehouse.compact(keep_s=0).generation.number == made.number + 1
    assert warehouse.compact(keep_s=0).generation == current(tmp_path)
    assert search(warehouse, "word") == before
