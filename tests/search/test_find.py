"""A question with facets, by words and by meaning, from the command line."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest

import vid_assets
from resources.catalog.spec import ModelSpec
from resources.errors import ModelUnavailable
from resources.warehouse.records import SOURCES
from resources.warehouse.resource import Warehouse
from tests.cli.conftest import SILENT, SPEECH
from tests.search.conftest import SAID
from tests.search.makers import shots_of
from vid_assets.cli import main
from vid_assets.search import meaning
from vid_assets.search.facets import Facets
from vid_assets.search.similar import similar_shots, similar_videos
from vid_assets.sql.publish import publish


def videos(archive, **limits):
    with archive.connect() as connection:
        return Facets(**limits).videos(connection)


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
def test_facets_limit_the_videos(archive, limits, found):
    assert videos(archive, **limits) == found


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_options_narrow_a_search(archive, capsys):
    limits = ["--longer", "30", "--shorter", "90", "--since", "2026-05-02", "--until", "2026-05-02"]
    others = ["--language", "fr", "--label", "cat", "--best-brisque", "60", "--analyzer", "speech_transcription"]
    for options, expected in (([], [SILENT, SPEECH]), ([*limits, *others], [SILENT]), (["--language", "en"], [SPEECH])):
        assert main(["search", "country", "--json", *options]) == 0
        assert [moment["video_id"] for moment in lines(capsys)] == expected, options
    assert main(["search", "country", "--analyzer", "object_detection"]) == 1


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
    """The archive whose passages and shots have vectors of this model."""
    made = {}
    monkeypatch.setattr(meaning, "live_handle", lambda task: made.setdefault(task.key, Asker(task)))
    monkeypatch.setattr(meaning, "locate", lambda spec, _: spec)
    return made


def test_the_nearest_in_meaning_come_first_and_what_is_not_indexed_is_told(compass, capsys):
    assert main(["search", "go", "east", "--by", "meaning", "--json"]) == 0
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [(moment["text"], moment["start_s"]) for moment in found] == [(SAID, 1.0), ("EXIT", 5.0)]
    assert found[0]["score"] == pytest.approx(127 / np.hypot(127, 13), abs=1e-3)
    assert err == "1 of 2 videos cannot be compared: passages has no vectors for them; vid-assets backfill mends it\n"
    assert compass["sentences"].asked == [(["go east"], {"asks": True})]
    assert main(["search", "north", "--by", "meaning", "--analyzer", "speech_transcription", "--json"]) == 0
    assert [moment["text"] for moment in lines(capsys)] == [SAID]
    assert main(["search", "north", "--by", "meaning", "--shorter", "1"]) == 1


def test_in_python_what_cannot_be_compared_is_a_warning(compass):
    with vid_assets.open() as opened, pytest.warns(UserWarning, match="1 of 2 videos cannot be compared"):
        found = opened.search("east", by="meaning", facets=Facets(analyzers=("text_overlay",)), limit=1)
    assert found.select("text", "score").rows() == [("EXIT", 0.0)]


def test_looks_are_compared_with_pictures_and_shots_without_vectors_are_told(compass, capsys):
    assert main(["search", "east", "--by", "looks", "--json"]) == 0
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [(moment["start_s"], moment["analyzer"], moment["text"]) for moment in found] == [
        (4.0, "shots", ""),
        (0.0, "shots", ""),
    ]
    assert err == "1 of 2 videos cannot be compared: shots has no vectors for them; vid-assets backfill mends it\n"
    assert compass["picture_words"].asked == [(["east"], {})]


def test_vectors_of_another_model_are_told_not_compared(compass, capsys):
    meaning.live_handle(meaning.SENTENCES).revision = "2"
    assert main(["search", "east", "--by", "meaning"]) == 1
    assert "2 of 2 videos cannot be compared: 1 of them have vectors of another model" in capsys.readouterr().err
    assert compass["sentences"].asked == []


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


def test_similar_videos_share_the_time_of_shots_with_near_hashes(archive, capsys):
    assert similar_videos("talk", archive).rows() == [(SILENT, pytest.approx(1 / 3), 1)]
    assert similar_videos("talk", archive, bits=1).is_empty()
    assert similar_videos(SILENT, archive).rows() == [(SPEECH, pytest.approx(1 / 6), 1)]
    assert main(["similar", "talk.mp4"]) == 0
    assert capsys.readouterr().out.splitlines() == ["video\tshare\tshots", f"{SILENT}\t33%\t1"]
    assert main(["similar", "talk", "--bits", "1"]) == 1
    assert capsys.readouterr().out == "nothing similar\n"


def test_similar_shots_leave_the_shot_itself_out(archive, capsys):
    assert similar_shots("talk", 0.5, archive).select("video_id", "start_s", "differing_bits").rows() == [
        (SILENT, 0.0, 2)
    ]
    assert similar_shots("talk", 0.5, archive, bits=12).select("video_id", "start_s", "differing_bits").rows() == [
        (SILENT, 0.0, 2),
        (SILENT, 16.0, 12),
        (SPEECH, 4.0, 12),
    ]
    assert main(["similar", "talk", "--at", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differing_bits"] == 2


def test_what_has_no_shots_is_told(places, capsys):
    warehouse = Warehouse(path=str(places / "warehouse"))
    publish(warehouse)
    warehouse.replace_partition(SOURCES.name, SPEECH, SOURCES.frame([{"video_id": SPEECH, "path": "/films/talk.mp4"}]))
    assert main(["similar", "talk"]) == 1
    expected = f"vid-assets: {SPEECH}: its shots are not known; analyse it: vid-assets analyze PATH\n"
    assert capsys.readouterr().err == expected
    rows = [{"shot": 0, "start_s": 0.0, "end_s": 1.0, "time_s": 0.5, "picture": b""}]
    warehouse.replace_partition("shots", SPEECH, shots_of(rows, SPEECH))
    assert main(["similar", "talk"]) == 1
    assert "none of its shots has a picture with structure" in capsys.readouterr().err
