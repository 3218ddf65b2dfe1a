"""What is made of the answers for searching: passages of text, and shots with their hashes."""

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from resources.warehouse.records import CUES
from tests.export.conftest import rows_of
from tests.search.makers import painted
from vid_assets.contract import Frames, Undefined, Video
from vid_assets.indexes import passages, shots
from vid_assets.measures.vectors import perceptual_hash
from vid_assets.pipeline.checks import check_table
from vid_assets.registry import computed, discover, indexes

VIDEO = Video("v-0123456789ab", 100.0, 640, 360, 25.0, 2500, has_picture=True, has_audio=True)


class Model:
    """Vectors that tell texts, and pictures, apart; it notes what it was asked."""

    def __init__(self):
        self.asked = []

    def embed(self, *given):
        items = given[-1]
        self.asked.append(list(items))
        vectors = [[1.0, float(place), 0.5] for place, _ in enumerate(items)]
        name = "text" if len(given) == 1 else "row"
        return pl.DataFrame({name: list(range(len(items))), "embedding": vectors})


def table(name, rows):
    return rows_of(name, rows, VIDEO.video_id).drop("video_id")


def words(*spoken):
    """Words of (text, start, language), each 0.3 s long."""
    rows = [
        {"segment": 0, "word": word, "start_s": start, "end_s": start + 0.3, "language": language, "understood": True}
        for word, start, language in spoken
    ]
    return table("speech_transcription", rows)


def index(cues=(), **tables):
    model = Model()
    given = dict.fromkeys(passages.SOURCES) | tables
    answer = passages.run(VIDEO, CUES.frame(cues).drop("video_id"), *given.values(), model)
    if isinstance(answer, pl.DataFrame):
        assert all(check.passed for check in check_table(passages.ANALYZER, answer, VIDEO))
    return answer, model


def test_speech_is_cut_at_pauses_languages_and_length():
    said = [("Ask", 1.0, "en"), ("not.", 1.4, "en"), ("Later", 3.8, "en"), ("plus", 4.2, "fr"), ("tard.", 4.6, "fr")]
    answer, _ = index(speech_transcription=words(*said))
    assert answer.select("source", "start_s", "end_s", "text").rows() == [
        ("speech_transcription", 1.0, 1.7, "Ask not."),
        ("speech_transcription", 3.8, pytest.approx(4.1), "Later"),
        ("speech_transcription", 4.2, pytest.approx(4.9), "plus tard."),
    ]
    many = [(f"w{place}", place * 0.4, "en") for place in range(2 * passages.MOST_WORDS + 1)]
    answer, _ = index(speech_transcription=words(*many))
    assert [len(text.split()) for text in answer["text"]] == [passages.MOST_WORDS, passages.MOST_WORDS, 1]
    assert " ".join(answer["text"]) == " ".join(word for word, _, _ in many)


def test_speech_without_words_is_no_passage():
    answer, model = index(speech_transcription=words(("", 1.0, None)))
    assert answer.is_empty()
    assert answer.schema == passages.ANALYZER.schema
    assert model.asked == []


def test_lines_that_are_shown_together_are_one_passage_from_top_to_bottom():
    lines = [
        ("exit 7", 2.0, 4.0, 0.6),
        ("Main Street", 2.0, 4.0, 0.2),
        ("12:30", 2.0, 4.0, 0.9),
        ("Exit", 5.0, 120.0, 0.1),
    ]
    rows = [{"text": text, "start_s": start, "end_s": end, "y0": y0, "x0": 0.1} for text, start, end, y0 in lines]
    answer, _ = index(text_overlay=table("text_overlay", rows))
    assert answer.select("start_s", "end_s", "text").rows() == [(2.0, 4.0, "Main Street exit 7"), (5.0, 100.0, "Exit")]


def test_captions_of_shots_count_and_each_text_is_asked_once():
    rows = [
        {"level": level, "start_s": start, "end_s": start + 1, "text": text, "prompt": "scene"}
        for level, start, text in (
            ("frame", 0.0, "a cat"),
            ("shot", 0.0, "a dog"),
            ("shot", 2.0, None),
            ("shot", 4.0, "a dog"),
        )
    ]
    answer, model = index(blip2=table("blip2", rows))
    assert answer.select("start_s", "text").rows() == [(0.0, "a dog"), (4.0, "a dog")]
    assert model.asked == [["a dog"]]
    assert answer["embedding"].to_list() == [[127, 0, 64], [127, 0, 64]]


def cue(kind, start_s, end_s, text, language=None, track=None):
    return {"kind": kind, "start_s": start_s, "end_s": end_s, "text": text, "language": language, "track": track}


def test_the_files_own_subtitles_are_passages_track_by_track_and_chapters_by_themselves():
    cues = [
        cue("chapter", 0.0, 50.0, "Beginning"),
        cue("subtitle", 1.0, 2.0, "Good\nmorning", "eng", 2),
        cue("subtitle", 1.0, 2.0, "Guten Morgen", "deu", 3),
        cue("subtitle", 2.5, 4.0, "to all.", "eng", 2),
        cue("subtitle", 9.0, 10.0, "Later", "eng", 2),
        cue("subtitle", 9.5, 10.0, None, "eng", 2),
        cue("timecode", 0.0, 100.0, "10:00:00:00"),
        cue("chapter", 50.0, 100.0, "End"),
        cue("subtitle", 99.0, 130.0, "Bye", "eng", 2),
        cue("subtitle", 101.0, 102.0, "after the end", "eng", 2),
    ]
    answer, _ = index(cues)
    assert answer.select("source", "start_s", "end_s", "text").rows() == [
        ("cues", 1.0, 4.0, "Good morning to all."),
        ("cues", 9.0, 10.0, "Later"),
        ("cues", 99.0, 100.0, "Bye"),
        ("cues", 1.0, 2.0, "Guten Morgen"),
        ("cues", 0.0, 50.0, "Beginning"),
        ("cues", 50.0, 100.0, "End"),
    ]


def test_without_any_source_it_is_undefined():
    assert isinstance(index()[0], Undefined)


def frames(pictures, step_s=0.5):
    array = np.stack(pictures)
    return Frames(array, np.arange(len(array)) * step_s, np.arange(len(array)), video_id=VIDEO.video_id)


def thumbs(pictures, step_s=0.5):
    import cv2

    return frames([cv2.resize(picture, (48, 27), interpolation=cv2.INTER_AREA) for picture in pictures], step_s)


def cut(at_s):
    return {"kind": "cut", "start_s": at_s - 0.04, "end_s": at_s, "last_frame": 0, "first_frame": 1, "confidence": 1.0}


def test_a_shot_is_its_middle_picture():
    pictures = [painted(1)] * 4 + [np.zeros((90, 160, 3), np.uint8)] * 4
    video = Video(VIDEO.video_id, 4.0, 160, 90, 25.0, 100, has_picture=True, has_audio=False)
    model = Model()
    cuts = table("cut_analysis", [cut(2.0)])
    answer = shots.run(video, thumbs(pictures), frames(pictures), cuts, model)
    assert all(check.passed for check in check_table(shots.ANALYZER, answer, video))
    assert answer.select("shot", "start_s", "end_s", "time_s").rows() == [(0, 0.0, 2.0, 1.0), (1, 2.0, 4.0, 3.0)]
    assert model.asked == [[2, 6]]
    assert answer["phash"].to_list() == [perceptual_hash(thumbs(pictures).array[2]), None]
    shown = np.asarray(Image.open(io.BytesIO(answer["picture"][0])).convert("RGB")).astype(int)
    assert np.abs(shown - painted(1)).mean() < 12
    without = shots.run(video, thumbs(pictures), frames(pictures), cuts, None)
    assert without["embedding"].to_list() == [None, None]
    assert without.drop("embedding").equals(answer.drop("embedding"))


def test_a_copy_that_is_sampled_at_other_times_has_the_same_hash():
    """A pan: frames half a second apart differ, but the frame in the middle does not depend on the sampling."""
    wide = painted(3, 90, 1280)
    moving = [wide[:, 8 * place : 8 * place + 160] for place in range(100)]
    video = Video(VIDEO.video_id, 4.0, 160, 90, 25.0, 100, has_picture=True, has_audio=False)
    hashes = []
    for first in (0, 6, 12):
        sampled = frames(moving[first::12])
        late = Frames(sampled.array, 0.04 * np.arange(first, 100, 12), sampled.indices, video_id=VIDEO.video_id)
        answer = shots.run(video, thumbs(moving, 0.04), late, table("cut_analysis", []), None)
        hashes += answer["phash"].to_list()
    assert len(set(hashes)) == 1
    assert differing(perceptual_hash(moving[44]), perceptual_hash(moving[56])) > 8


def changed(picture, kind):
    import cv2

    if kind == "smaller":
        return cv2.resize(picture, (96, 54), interpolation=cv2.INTER_AREA)
    if kind == "brighter":
        return np.clip(picture.astype(int) + 25, 0, 255).astype(np.uint8)
    if kind == "jpeg":
        return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    noise = np.random.default_rng(0).normal(0, 8, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def differing(one, other):
    return ((one ^ other) & (2**64 - 1)).bit_count()


@pytest.mark.parametrize("kind", ["smaller", "brighter", "jpeg", "noisy"])
def test_a_hash_survives_what_happens_to_copies_and_tells_pictures_apart(kind):
    pictures = [painted(seed, 180, 320) for seed in range(12)]
    hashes = [perceptual_hash(picture) for picture in pictures]
    for place, picture in enumerate(pictures):
        others = [differing(hashes[place], other) for at, other in enumerate(hashes) if at != place]
        assert differing(hashes[place], perceptual_hash(changed(picture, kind))) <= 8 < min(others)


def test_a_hash_fits_into_a_signed_number_and_flat_pictures_have_none():
    for seed in range(30):
        assert -(2**63) <= perceptual_hash(painted(seed)) < 2**63
    for level in (0, 128, 255):
        assert perceptual_hash(np.full((90, 160, 3), level, np.uint8)) is None


def test_indexes_are_computed_and_are_no_analyzers():
    names = [item.name for item in indexes()]
    assert names == ["passages", "shots"]
    assert not set(names) & {item.name for item in discover()}
    assert [item.name for item in computed()][-2:] == names
