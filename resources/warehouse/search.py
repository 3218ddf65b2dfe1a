"""The search index: for each word of the texts, the texts that have it.

A segment has two files more: ``@words-<digest>.parquet`` with its distinct words, and ``@postings-<digest>.parquet``
with a copy of each text for each of its distinct words, sorted by word. So a search reads the few row groups of its
words. The digest names the definition: which columns of which tables are texts, and how they are split into words. A
segment without files of the present digest is searched row by row until the next compaction, and so are the commits
after the segments.

Index and search split texts by the same SQL expression, `FOLDED`. It makes lower case, takes accents off Latin, Greek
and Cyrillic letters, and puts one space around and between words. A word is a run of letters, marks and digits; in
scripts without spaces it is one character.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from resources import fs
from resources.warehouse.files import sync_file, write_parquet
from resources.warehouse.schema import TableSpec, quoted, sql_type

if TYPE_CHECKING:
    from resources.warehouse.generations import Segment

DEFINITION = "@search.json"
EMPTY_POSTINGS, EMPTY_WORDS = "@postings.parquet", "@words.parquet"
MEMORY = "1GB"
FILES = "{files}"
_FRESH = "@fresh.parquet"
_POSTINGS = {
    "word": pl.String, "before": pl.String, "analyzer": pl.String, "video_id": pl.String, "start_s": pl.Float64,
    "end_s": pl.Float64, "text": pl.String,
}  # fmt: skip

_ALONE = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
_LETTERS = ((0xC0, 0x250), (0x370, 0x530), (0x1E00, 0x2000))
_BARE = {
    letter: parts[0]
    for start, end in _LETTERS
    for letter in map(chr, range(start, end))
    if letter == letter.lower() and len(parts := unicodedata.normalize("NFD", letter)) > 1
} | {"ς": "σ"}  # lower case of the last letter of a word, which upper case does not tell
# Different ways to the same words, the fast ones for texts that allow them. DuckDB's strip_accents would take marks off
# all scripts, also where they make another letter, as in Japanese and Hindi.
_ACCENTED = r"[\x{00C0}-\x{024F}\x{0370}-\x{052F}\x{1E00}-\x{1FFF}]"
_SPLIT = f"""CASE WHEN strlen(t) = length(t) THEN regexp_replace(lower(t), '[^a-z0-9]+', ' ', 'g')
    ELSE regexp_replace(regexp_replace(regexp_replace(
        CASE WHEN regexp_matches(nfc_normalize(lower(t)), '{_ACCENTED}')
            THEN translate(nfc_normalize(lower(t)), '{"".join(_BARE)}', '{"".join(_BARE.values())}')
            ELSE nfc_normalize(lower(t)) END,
        '[\\x{{0300}}-\\x{{036F}}]+', '', 'g'), '{_ALONE}', ' \\1 ', 'g'), '[^\\p{{L}}\\p{{M}}\\p{{N}}]+', ' ', 'g')
    END"""
FOLDED = f"CREATE MACRO folded(t) AS ' ' || trim({_SPLIT}) || ' '"

# The words with a given beginning are neighbours in the sorted words of a text. Only the first of them counts, the one
# whose neighbour before does not have it, so that no text is found twice.
_POSTED = """
WITH split AS (
    SELECT *, list_sort(list_distinct(string_split(trim(folded(text)), ' '))) AS words FROM ({texts})
    SEMI JOIN read_parquet({fresh}) USING (analyzer, video_id) WHERE text IS NOT NULL
), posted AS (
    SELECT unnest(words) AS word, unnest(list_prepend(NULL, words[:-2])) AS before, analyzer, video_id, start_s, end_s,
        text
    FROM split
)
SELECT * FROM posted WHERE word <> ''"""
_KEPT = """
UNION ALL
SELECT kept.* FROM read_parquet([{files}]) AS kept ANTI JOIN read_parquet({fresh}) USING (analyzer, video_id)"""

# Most texts without one of the two longest words are told by a cheap look.
_IS_FOUND = """CASE WHEN strlen(text) = length(text)
            AND NOT (contains(lower(text), longest) AND contains(lower(text), second)) THEN false
        ELSE list_bool_and(list_transform(parts, lambda part: contains(folded(text), part))) END"""
_MACRO = """CREATE MACRO search_text(words) AS TABLE
WITH split AS (
    SELECT part, folded(part) AS bare FROM (SELECT unnest(regexp_extract_all(words, '"[^"]*"|[^"\\s]+')) AS part)
    WHERE trim(folded(part)) <> ''
), asked AS MATERIALIZED (
    SELECT parts, each[1] AS longest, coalesce(each[2], '') AS second FROM (SELECT
        (SELECT list(CASE WHEN starts_with(part, '"') THEN bare ELSE rtrim(bare) END) FROM split) AS parts,
        (SELECT list(DISTINCT word ORDER BY length(word) DESC, word)
            FROM (SELECT unnest(string_split(trim(bare), ' ')) AS word FROM split)) AS each)
), matching AS MATERIALIZED (
    SELECT DISTINCT word FROM read_parquet([{{words DIGEST}}]), asked
    WHERE word >= longest AND word < longest || chr(1114111)
), later AS MATERIALIZED (LATER
), older AS (
    SELECT analyzer, video_id, start_s, end_s, text FROM read_parquet([{{postings DIGEST}}])
    JOIN matching USING (word), asked
    WHERE (before IS NULL OR NOT starts_with(before, longest)) AND (parts = [' ' || longest] OR IS_FOUND)
    UNION ALL
    SELECT found.* FROM (UNINDEXED) AS found, asked
    WHERE IS_FOUND
)
SELECT video_id, start_s, end_s, analyzer, text FROM older
ANTI JOIN (SELECT DISTINCT analyzer, video_id FROM later) AS newer USING (analyzer, video_id)
UNION ALL
SELECT video_id, start_s, end_s, analyzer, text FROM later, asked
WHERE IS_FOUND
ORDER BY video_id, start_s"""


@dataclass(frozen=True, slots=True)
class TextSpec:
    """The texts of one table, keyed by video.

    Attributes:
        table: The table.
        text: Its column with the texts.
        start: Its column with the time at which a text begins, in seconds.
        end: Its column with the time at which it ends; None for a moment.
    """

    table: TableSpec
    text: str
    start: str
    end: str | None

    @property
    def columns(self) -> dict[str, str]:
        """Return the DuckDB types of the columns that a search reads."""
        used = {self.table.key, self.text, self.start, self.end}
        return {
            column.name: sql_type(column.dtype, f"{self.table.name}.{column.name}")
            for column in self.table.columns
            if column.name in used
        }

    def select(self, source: str) -> str:
        """Return the query of its texts in rows of `source`."""
        end = "NULL::DOUBLE" if self.end is None else quoted(self.end)
        return (
            f"SELECT '{self.table.name}' AS analyzer, {quoted(self.table.key)} AS video_id, "  # noqa: S608  # checked identifiers
            f"{quoted(self.start)} AS start_s, {end} AS end_s, {quoted(self.text)} AS text FROM {source}"
        )


@dataclass(frozen=True, slots=True)
class Index:
    """What the search index of a warehouse contains.

    Attributes:
        digest: Of everything that decides its content.
        texts: By table, the query of its texts, with `FILES` for the files to read.
    """

    digest: str
    texts: Mapping[str, str]

    def postings(self, folder: Path) -> Path:
        """Return the file of the texts by word, in the folder of a segment."""
        return folder / f"@postings-{self.digest}.parquet"

    def words(self, folder: Path) -> Path:
        """Return the file of the distinct words, in the folder of a segment."""
        return folder / f"@words-{self.digest}.parquet"

    def has(self, root: Path, segment: "Segment") -> bool:
        """Whether a segment has this index."""
        return self.words(segment.folder(root)).exists()


def index_of(texts: Sequence[TextSpec], fields: Mapping[str, str]) -> Index:
    """Return the index over these texts. `fields` are the columns of each table as a literal for ``read_parquet``."""
    queries = {
        spec.table.name: spec.select(
            f"read_parquet({FILES}, hive_partitioning = false, schema = MAP {{{fields[spec.table.name]}}})"
        )
        for spec in texts
    }
    return Index(hashlib.sha256(json.dumps([FOLDED, _POSTED, queries]).encode()).hexdigest()[:12], queries)


def declare(root: Path, index: Index) -> None:
    """Store what compactions shall index."""
    folder = root / "tables"
    for name, columns in ((EMPTY_POSTINGS, list(_POSTINGS)), (EMPTY_WORDS, ["word"])):
        if not (folder / name).exists():
            write_parquet(folder / name, pl.DataFrame(schema={column: _POSTINGS[column] for column in columns}))
    content = json.dumps(asdict(index))
    if not (folder / DEFINITION).exists() or (folder / DEFINITION).read_text() != content:
        fs.write_atomically(folder / DEFINITION, content, durable=True)


def declared(root: Path) -> Index | None:
    """Return what to index; None if nothing was declared."""
    try:
        return Index(**json.loads((root / "tables" / DEFINITION).read_text()))
    except FileNotFoundError:
        return None


def macros(index: Index, later: Iterable[str]) -> list[str]:
    """Return the statements that create the macros. The files are places in them: see `views.rendered`.

    Args:
        index: The index to search.
        later: For each table the query of its texts in the commits after the segments, with their markers.
    """
    unindexed = "\nUNION ALL\n".join(
        query.replace(FILES, f"[{{{{unindexed {index.digest} {table}}}}}]") for table, query in index.texts.items()
    )
    search = _MACRO.replace("IS_FOUND", _IS_FOUND).replace("DIGEST", index.digest).replace("UNINDEXED", unindexed)
    return [FOLDED, search.replace("LATER", "\n" + "\nUNION ALL\n".join(later))]


def scan(texts: Iterable[str]) -> list[str]:
    """Return the statements that create the macros without an index.

    Args:
        texts: For each table the query of its texts.
    """
    asked, _, _ = _MACRO.partition(", matching AS")
    found = "\nUNION ALL\n".join(texts)
    query = (
        f"SELECT video_id, start_s, end_s, analyzer, text FROM ({found}) AS found, asked\n"  # noqa: S608
        f"WHERE {_IS_FOUND}\nORDER BY video_id, start_s"
    )
    return [FOLDED, f"{asked}\n{query}"]


def write_index(
    index: Index, folder: Path, tables: Iterable[str], fresh: Mapping[str, pl.Series], kept: Sequence[Path]
) -> None:
    """Write the index of a new segment.

    Args:
        index: What to index.
        folder: The folder of the segment, with the files of its tables.
        tables: The tables that it has files of.
        fresh: By table, the videos whose texts are not in `kept`, or have changed.
        kept: Indexed folders that contain the texts of all other videos.
    """
    import duckdb

    with_texts = [table for table in tables if table in index.texts]
    changed = [frame.to_frame("video_id").with_columns(analyzer=pl.lit(name)) for name, frame in fresh.items()]
    schema = {"video_id": pl.String, "analyzer": pl.String}
    write_parquet(folder / _FRESH, pl.concat([pl.DataFrame(schema=schema), *changed]))
    texts = [index.texts[table].replace(FILES, _literal(folder / f"{table}.parquet")) for table in with_texts]
    nothing = f"SELECT * EXCLUDE (word, before) FROM read_parquet({_literal(_empty(folder))})"  # noqa: S608
    query = _POSTED.format(texts="\nUNION ALL\n".join(texts or [nothing]), fresh=_literal(folder / _FRESH))
    if files := [index.postings(other) for other in kept]:
        query += _KEPT.format(files=", ".join(map(_literal, files)), fresh=_literal(folder / _FRESH))
    options = "(FORMAT parquet, COMPRESSION zstd)"
    postings, words = index.postings(folder), index.words(folder)
    with duckdb.connect() as connection:
        connection.execute(f"SET enable_progress_bar = false; SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET temp_directory = {_literal(folder / '@spill')}")
        connection.execute(FOLDED)
        connection.execute(f"COPY ({query} ORDER BY word, video_id, start_s) TO {_literal(postings)} {options}")
        distinct = f"SELECT DISTINCT word FROM read_parquet({_literal(postings)}) ORDER BY word"  # noqa: S608
        connection.execute(f"COPY ({distinct}) TO {_literal(words)} {options}")
    (folder / _FRESH).unlink()
    for file in (postings, words):
        sync_file(file)


def _empty(folder: Path) -> Path:
    # the folder of a segment is made in ``<root>/.tmp``
    return folder.parents[1] / "tables" / EMPTY_POSTINGS


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
