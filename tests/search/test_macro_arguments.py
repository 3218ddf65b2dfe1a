"""An argument of a macro may be a column of the query around it, whatever that column is called."""

import re

import pytest

from tests.cli.conftest import SILENT, SPEECH

# A call with columns that the macro's own tables have too, and what the columns are.
CALLS = {
    "timeline(video_id)": ("video_id", [(SPEECH,), (SILENT,)]),
    "phrases(video_id)": ("video_id", [(SPEECH,), (SILENT,)]),
    "similar_videos(video_id)": ("video_id", [(SPEECH,), (SILENT,)]),
    "similar_videos(video_id, bits := shot)": ("video_id, shot", [(SPEECH, 1), (SPEECH, 12)]),
    "similar_shots(video_id, start_s)": ("video_id, start_s", [(SPEECH, 0.5), (SILENT, 0.5), (SILENT, 17.0)]),
    "clips(kind)": ("kind", [("dog",), ("cat",), ("country",)]),
    "clips(text, source := analyzer, gap_s := start_s)": (
        "text, analyzer, start_s",
        [("dog", "object_detection", 1.0), ("dog", "object_detection", 9.0), ("dog", "shots", 1.0)],
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_column_is_the_same_as_its_value(archive, call):
    columns, rows = CALLS[call]
    different = set()
    with archive.connect() as connection:
        for row in rows:
            alone = call
            for name, value in zip(columns.split(", "), row, strict=True):
                alone = re.sub(rf"\b{name}\b(?! :=)(?=.*\))", repr(value), alone)
            expected = connection.execute(f"FROM {alone} ORDER BY ALL").fetchall()
            given = f"(VALUES ({', '.join(map(repr, row))})) AS given({columns})"
            asked = f"SELECT found.* FROM {given}, LATERAL (FROM {call}) AS found ORDER BY ALL"
            assert connection.execute(asked).fetchall() == expected
            different.add(str(expected))
    assert len(different) > 1, "the answers depend on the argument"


def test_two_versions_are_compared_by_columns(archive):
    with archive.connect() as connection:
        given = "(VALUES ('blip2', '1-aa')) AS given(analyzer, code_version)"
        asked = f"SELECT found.* FROM {given}, LATERAL (FROM compare(analyzer, code_version, code_version)) AS found"
        assert connection.execute(asked).fetchall() == []
