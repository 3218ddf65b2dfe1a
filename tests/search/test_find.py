"""A question with facets, by words and by meaning, from the command line."""

import json
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from resources.catalog.spec import ModelSpec
from resources.errors import ModelUnavailable
from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from tests.cli.conftest import SILENT, SPEECH, archive, places, record
from tests.export.conftest import rows_of
from tests.search.test_indexes import shots_of
from vid_assets.cli import main
from vid_assets.search import meaning
from vid_assets.search.facets import Facets
from vid_assets.search.similar import similar_shots, similar_videos

__all__ = ["archive", "places"]


def videos(archive, **limits):
    with archive.connect() as connection:
        return Facets(**limits).videos(connection)


@pytest.fixture
def two(archive):
    """Both videos with everything that facets ask for."""
    for video_id, length, day, brisque, language, label in (
        (SPEECH, 20.0, 1, 10.0, "en", "dog"),
        (SILENT, 90.0, 2, 60.0, "fr", "cat"),
    ):
        source = {
            "video_id": video_id,
            "path": f"/films/{video_id}.mp4",
            "modified_at": datetime(2026, 5, day, 23, 59, tzinfo=UTC),
        }
        archive.replace_partition(SOURCES.name, video_id, SOURCES.frame([source]))
        archive.replace_partition(VIDEOS.name, video_id, VIDEOS.frame([{"video_id": video_id, "duration_s": length}]))
        quality = [{"time_s": float(place), "brisque": brisque + place - 1} for place in range(3)]
        archive.replace_partition("content_quality", video_id, rows_of("content_quality", quality, video_id))
        spoken = [{"segment": 0, "word": "country", "start_s": 1.0, "end_s": 2.0, "language": language}]
        archive.replace_partition("speech_transcription", video_id, rows_of("speech_transcription", spoken, video_id))
        seen = [{"time_s": 3.0, "label": label}, {"time_s": 4.0, "label": "Person"}]
        archive.replace_partition("object_detection", video_id, rows_of("object_detection", seen, video_id))
    return archive


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({}, None),
        ({"analyzers": ("object_detection",)}, None),
        ({"longer_s": 20.0}, {SPEECH, SILENT}),
        ({"longer_s": 20.1}, {SILENT}),
        ({"shorter_s": 20.0}, {SPEECH}),
        ({"since": date(2026, 5, 2)}, {SILENT}),
        ({"until": date(2026, 5, 1)}, {SPEECH}),
        ({"since": date(2026, 5, 1), "until": date(2026, 5, 2)}, {SPEECH, SILENT}),
        ({"best_brisque": 10.0}, {SPEECH}),
        ({"best_brisque": 9.9}, set()),
        ({"languages": ("fr",)}, {SILENT}),
        ({"languages": ("fr", "EN")}, {SPEECH, SILENT}),
        ({"labels": ("DOG",)}, {SPEECH}),
        ({"labels": ("dog", "person", "dog")}, {SPEECH}),
        ({"labels": ("dog", "cat")}, set()),
        ({"labels": ("country",)}, set()),
        ({"labels": ("person",), "longer_s": 30.0, "languages": ("fr",)}, {SILENT}),
    ],
)
def test_facets_limit_the_videos(two, limits, found):
    assert videos(two, **limits) == found


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_options_narrow_a_search(two, capsys):
    for options, expected in (
        ([], [SILENT, SPEECH]),
        (["--language", "fr"], [SILENT]),
        (["--label", "dog"], [SPEECH]),
        (["--longer", "30"], [SILENT]),
        (["--shorter", "30"], [SPEECH]),
        (["--since", "2026-05-02"], [SILENT]),
        (["--until", "2026-05-01"], [SPEECH]),
        (["--best-brisque", "20"], [SPEECH]),
        (["--analyzer", "speech_transcription"], [SILENT, SPEECH]),
        (["--analyzer", "object_detection"], []),
    ):
        assert main(["search", "country", "--json", *options]) == int(not expected)
        assert [moment["video_id"] for moment in lines(capsys)] == expected, options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--by", "magic"], "by magic: no such kind of search; use words, meaning, looks"),
        (["--analyzer", "nobody"], "analyzers nobody: no such analyzer; use some of age_estimation, "),
        (["--since", "tomorrow"], "tomorrow"),
    ],
)
def test_bad_options_are_one_line(archive, capsys, options, told):
    assert main(["search", "x", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error


class Asker:
    """A handle whose model knows two directions: east and north."""

    def __init__(self, task, revision="1"):
        self.task, self.revision, self.asked = task, revision, []
        self.hosts = self

    def weights(self):
        return None

    def spec(self):
        return ModelSpec(
            name="compass", task=self.task.name, profiles=(), host="x:Y", source="hub", repo="compass",
            precision="fp32", revision=self.revision, licence="MIT", memory_mb=1,
        )  # fmt: skip

    def ask(self, texts, **arguments):
        self.asked.append((texts, arguments))
        vectors = [[1.0, 0.0] if "east" in text else [0.0, 1.0] for text in texts]
        return pl.DataFrame({"text": range(len(texts)), "embedding": vectors})


@pytest.fixture
def compass(archive, monkeypatch):
    """An archive whose passages and shots have vectors of this model."""
    made = {}
    monkeypatch.setattr(meaning, "live_handle", lambda task: made.setdefault(task.key, Asker(task)))
    monkeypatch.setattr(meaning, "locate", lambda spec, _: spec)
    rows = {"source": ["speech_transcription", "text_overlay"], "start_s": [1.0, 5.0], "end_s": [4.0, 6.0]}
    rows |= {"text": ["ask not", "EXIT"], "embedding": [[127, 13], [0, 127]], "video_id": [SPEECH] * 2}
    archive.replace_partition("passages", SPEECH, pl.DataFrame(rows, archive.schema_of("passages")))
    shots = [
        {"shot": n, "start_s": 2.0 * n, "end_s": 2.0 * n + 2, "time_s": 2.0 * n + 1, "embedding": v}
        for n, v in enumerate([[1, 127], [127, 1]])
    ]
    archive.replace_partition("shots", SPEECH, shots_of(shots, SPEECH).with_columns(picture=pl.lit(b"")))
    told = [
        record(SPEECH, name, "value") | {"model": "compass", "revision": "1", "rows": 2}
        for name in ("passages", "shots")
    ]
    archive.replace_partition(ANALYZER_RUNS.name, SPEECH, ANALYZER_RUNS.frame(told))
    return made


def test_the_nearest_in_meaning_come_first_and_what_is_not_indexed_is_told(compass, capsys):
    assert main(["search", "go", "east", "--by", "meaning", "--json"]) == 0
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [(moment["text"], moment["start_s"]) for moment in found] == [("ask not", 1.0), ("EXIT", 5.0)]
    assert found[0]["score"] == pytest.approx(127 / np.hypot(127, 13), abs=1e-3)
    assert err == "1 of 2 videos cannot be compared: passages has no vectors for them; vid-assets backfill mends it\n"
    assert compass["sentences"].asked == [(["go east"], {"asks": True})]
    assert main(["search", "north", "--by", "meaning", "--analyzer", "speech_transcription", "--json"]) == 0
    assert [moment["text"] for moment in lines(capsys)] == ["ask not"]
    assert main(["search", "north", "--by", "meaning", "--shorter", "1"]) == 1


def test_looks_are_compared_with_pictures(compass, capsys):
    assert main(["search", "east", "--by", "looks", "--json"]) == 0
    assert [(moment["start_s"], moment["analyzer"], moment["text"]) for moment in lines(capsys)] == [
        (2.0, "shots", ""),
        (0.0, "shots", ""),
    ]
    assert compass["picture_words"].asked == [(["east"], {})]


def test_vectors_of_another_model_are_told_not_compared(compass, archive, capsys):
    other = record(SPEECH, "passages", "value") | {"model": "compass", "revision": "0"}
    archive.replace_partition(ANALYZER_RUNS.name, SPEECH, ANALYZER_RUNS.frame([other]))
    assert main(["search", "east", "--by", "meaning"]) == 1
    assert "2 of 2 videos cannot be compared: 1 of them have vectors of another model" in capsys.readouterr().err
    assert compass["sentences"].asked == []


def test_shots_without_vectors_are_told(compass, archive, capsys):
    """They were analysed in a profile without a model for pictures."""
    shots = [{"shot": 0, "start_s": 0.0, "end_s": 2.0, "time_s": 1.0, "picture": b""}]
    archive.replace_partition("shots", SPEECH, shots_of(shots, SPEECH))
    told = record(SPEECH, "shots", "value") | {"rows": 1}
    archive.replace_partition(ANALYZER_RUNS.name, SPEECH, ANALYZER_RUNS.frame([told]))
    assert main(["search", "east", "--by", "looks"]) == 1
    out, err = capsys.readouterr()
    assert out == "nothing found for 'east'\n"
    assert err == "2 of 2 videos cannot be compared: shots has no vectors for them; vid-assets backfill mends it\n"


def test_halves_of_different_checkpoints_are_refused(compass, capsys):
    meaning.live_handle(meaning.PICTURES).revision = "2"
    assert main(["search", "east", "--by", "looks"]) == 2
    assert (
        "they are of different checkpoints; set both [models.pictures] and [models.picture_words]"
        in capsys.readouterr().err
    )


def test_a_profile_without_a_model_says_so(archive, monkeypatch, capsys):
    monkeypatch.setenv("VID_PROFILE", "offline")
    assert main(["search", "east", "--by", "looks"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("vid-assets: pictures: the profile 'offline' has no model for it; ")
    assert error.count("\n") == 1
    assert meaning.unavailable("looks").startswith("pictures: the profile 'offline' has no model")
    monkeypatch.setenv("VID_MODELS", "nowhere")
    with pytest.raises(
        ModelUnavailable, match=r"minilm-l6-v2: .* is missing; vid-assets models pull --profile offline"
    ):
        meaning.by_meaning("meaning", "east", archive, 5)


HASHES = {SPEECH: [0b0000, 0b1111_1111_1111, None], SILENT: [0b0011, -1, 0b1111_1111_1111 << 30]}


@pytest.fixture
def hashed(archive):
    for video_id, hashes in HASHES.items():
        rows = [
            {
                "shot": n,
                "start_s": 4.0 * n * n,
                "end_s": 4.0 * n * n + n + 1,
                "time_s": 4.0 * n * n,
                "phash": value,
                "picture": b"",
            }
            for n, value in enumerate(hashes)
        ]
        archive.replace_partition("shots", video_id, shots_of(rows, video_id))
    return archive


def test_similar_videos_share_the_time_of_shots_with_near_hashes(hashed, capsys):
    assert similar_videos("talk", hashed).rows() == [(SILENT, pytest.approx(1 / 3), 1)]
    assert similar_videos("talk", hashed, bits=1).is_empty()
    assert similar_videos(SILENT, hashed).rows() == [(SPEECH, pytest.approx(1 / 6), 1)]
    assert main(["similar", "talk.mp4"]) == 0
    assert capsys.readouterr().out.splitlines() == ["video\tshare\tshots", f"{SILENT}\t33%\t1"]
    assert main(["similar", "talk", "--bits", "1"]) == 1
    assert capsys.readouterr().out == "nothing similar\n"


def test_similar_shots_leave_the_shot_itself_out(hashed, capsys):
    assert similar_shots("talk", 0.5, hashed).select("video_id", "start_s", "differing_bits").rows() == [
        (SILENT, 0.0, 2)
    ]
    assert similar_shots("talk", 0.5, hashed, bits=12).select("video_id", "start_s", "differing_bits").rows() == [
        (SILENT, 0.0, 2),
        (SILENT, 16.0, 12),
        (SPEECH, 4.0, 12),
    ]
    assert main(["similar", "talk", "--at", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differing_bits"] == 2


def test_what_has_no_shots_is_told(archive, capsys):
    assert main(["similar", "talk"]) == 1
    assert (
        capsys.readouterr().err
        == f"vid-assets: {SPEECH}: its shots are not known; analyse it: vid-assets analyze PATH\n"
    )
    rows = [{"shot": 0, "start_s": 0.0, "end_s": 1.0, "time_s": 0.5, "picture": b""}]
    archive.replace_partition("shots", SPEECH, shots_of(rows, SPEECH))
    assert main(["similar", "talk"]) == 1
    assert "none of its shots has a picture with structure" in capsys.readouterr().err
