from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.cut_analysis import SEEN, overlap
from tests.kit.scene_streams import checked, first, of_clip, streams
from vid_assets.analyzers.cut_analysis import ANALYZER, boundaries, preview, run
from vid_assets.contract import Frames
from vid_assets.measures.transitions import Cut as Found
from vid_assets.measures.transitions import Ramp
from vid_assets.media import identify, open_media
from vid_assets.synthetic.clips import (  # fmt: skip
    Clip,
    Cut,
    Dissolve,
    Fade,
    Pan,
    Shot,
    Static,
    Zoom,
    frames,
    random_clip,
    render,
    truth,
)

SHARED = Path(__file__).parents[3] / "shared" / "media"


def found(table, kind):
    return table.filter(table["kind"] == kind).select("last_frame", "first_frame").rows()


def test_f1_over_seeds_with_flashes_fast_motion_and_fast_pans():
    right = wrong = missed = gradual_right = gradual_wrong = gradual_missed = 0
    for seed in range(10):
        made, known = of_clip(random_clip(seed, duration_s=10, width=192, height=108, features=SEEN))
        table = checked(ANALYZER, run(made.thumbs), made.video)
        cuts = {last for last, _ in found(table, "cut")}
        right, wrong, missed = (
            right + len(cuts & set(known.cuts)), wrong + len(cuts - set(known.cuts)),
            missed + len(set(known.cuts) - cuts),
        )  # fmt: skip
        spans, expected = found(table, "gradual"), [b[1:] for b in known.boundaries if b.kind == "gradual"]
        gradual_right += sum(any(overlap(one, two) for two in spans) for one in expected)
        gradual_missed += sum(not any(overlap(one, two) for two in spans) for one in expected)
        gradual_wrong += sum(not any(overlap(one, two) for two in expected) for one in spans)
    assert right > 15
    assert gradual_right > 15
    assert 2 * right / (2 * right + wrong + missed) >= 0.95
    assert 2 * gradual_right / (2 * gradual_right + gradual_wrong + gradual_missed) >= 0.8


def test_decoded_file_has_the_cuts_of_its_script(tmp_path):
    clip = random_clip(77, duration_s=8, width=192, height=108, features=frozenset({"cuts", "camera", "flashes"}))
    known = render(clip, tmp_path / "clip.mp4")
    source = identify(tmp_path / "clip.mp4")
    media = open_media(source.path, source.video_id, tmp_path / "scratch")
    table = checked(ANALYZER, run(media.thumbs), media.video)
    assert [last for last, _ in found(table, "cut")] == list(known.cuts)
    assert found(table, "gradual") == []
    media.close()


@pytest.mark.parametrize("colour", ["black", "white"])
@pytest.mark.parametrize("enter", ["fade", "cut"])
@pytest.mark.parametrize("leave", ["fade", "cut"])
def test_fades_become_one_boundary(colour, enter, leave):
    fade = Fade(0.6, colour)
    clip = Clip(
        (
            Shot(2.0, texture="city", leave=fade if leave == "fade" else None),
            Shot(2.0, texture="blobs", palette=1, enter=fade if enter == "fade" else Cut()),
        ),
        width=192,
        height=108,
    )
    made, known = of_clip(clip)
    (boundary,) = known.boundaries
    (row,) = run(made.thumbs).rows(named=True)
    assert row["kind"] == boundary.kind
    assert row["last_frame"] == pytest.approx(boundary.last_frame, abs=1)
    assert row["first_frame"] == pytest.approx(boundary.first_frame, abs=1)
    assert row["end_s"] == row["first_frame"] / 25


@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.2])
@pytest.mark.parametrize("camera", [Static(), Pan(0.15)])
def test_dissolve_is_found_with_its_extent(seconds, camera):
    shots = (
        Shot(2.5, texture="noise", camera=camera, seed=1),
        Shot(2.5, texture="city", palette=3, camera=camera, seed=2, enter=Dissolve(seconds)),
    )
    made, known = of_clip(Clip(shots, width=192, height=108))
    (row,) = run(made.thumbs).rows(named=True)
    assert row["kind"] == "gradual"
    assert row["last_frame"] == pytest.approx(known.boundaries[0].last_frame, abs=2 if camera == Static() else 9)
    assert row["first_frame"] == pytest.approx(known.boundaries[0].first_frame, abs=2 if camera == Static() else 9)


@pytest.mark.parametrize("camera", [Pan(1.0), Pan(-0.6), Zoom(0.3), Static()])
@pytest.mark.parametrize("seed", range(3))
def test_one_shot_with_flashes_has_no_boundary(camera, seed):
    shot = Shot(3.0, texture="landscape", camera=camera, seed=seed, palette=seed)
    made, _ = of_clip(Clip((shot,), width=192, height=108, flashes=(0.8, 0.84, 2.0)))
    assert run(made.thumbs).height == 0


def test_a_fade_at_either_end_bounds_nothing():
    shot = Shot(3.0, texture="city", enter=Fade(0.5), leave=Fade(0.5, "white"))
    made, _ = of_clip(Clip((shot,), width=192, height=108))
    assert run(made.thumbs).height == 0


def test_two_seconds_of_darkness_part_two_transitions():
    ramps = [Ramp("fade_out", 10, 20, 0.9, 50.0, "black"), Ramp("fade_in", 90, 100, 0.8, 50.0, "black")]
    plain, level = np.zeros(200, bool), np.full(200, 90, np.float32)
    plain[20:91], level[20:91] = True, 0
    rows = boundaries([], ramps, plain, level, 25.0)
    assert [tuple(row) for row in rows] == [("gradual", 10, 20, 0.9), ("gradual", 90, 100, 0.8)]
    ramps = [Ramp("fade_out", 10, 20, 0.9, 50.0), Ramp("fade_in", 60, 70, 0.8, 50.0)]
    rows = boundaries([Found(2, 3, 0.7)], ramps, plain, level, 25)
    assert [tuple(row) for row in rows] == [("cut", 2, 3, 0.7), ("gradual", 10, 70, 0.8)]
    assert [tuple(row) for row in rows] == [("cut", 2, 3, 0.7), ("gradual", 10, 70, 0.8)]


def scene(seed):
    """A picture of even structure, uint8 [108, 192, 3]."""
    import cv2

    small = np.random.default_rng(seed).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    return cv2.resize(small, (192, 108), interpolation=cv2.INTER_CUBIC)


def spans(pictures):
    return run(streams(pictures).thumbs).select("kind", "last_frame", "first_frame").rows()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("frames_long", [2, 6, 14, 30])
def test_a_thing_that_passes_or_leaves_a_standing_shot_bounds_nothing(seed, frames_long):
    colour = np.random.default_rng(seed).integers(0, 256, 3)
    pictures = [scene(seed) for _ in range(50 + frames_long)]
    for number, picture in enumerate(pictures):
        edge = round(192 * (number - 25) / frames_long)
        picture[30:90, max(edge, 0) : max(edge + 110, 0)] = colour
    assert spans(pictures) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gain", [0.3, 0.6, 1.6])
def test_an_exposure_that_adapts_bounds_nothing(seed, gain):
    gains = np.concatenate([np.ones(25), np.linspace(1, gain, 20), np.full(25, gain)])
    assert spans([(scene(seed) / 2.0 * g + 10).clip(0, 255).astype(np.uint8) for g in gains]) == []


@pytest.mark.parametrize("step", [2, 4, 7])
def test_a_fade_in_by_steps_bounds_nothing(step):
    gains = [0.0] * 12 + [number // step * step / 40 for number in range(41)] + [1.0] * 20
    assert spans([(scene(3) * gain).astype(np.uint8) for gain in gains]) == []


@pytest.mark.parametrize("shares", [(0.5,), (0.3,), (0.3, 0.7)])
def test_a_cut_with_blended_frames_is_one(shares):
    mixed = [(scene(1) * (1 - share) + scene(2) * share).astype(np.uint8) for share in shares]
    pictures = [scene(1)] * 30 + mixed + [scene(2)] * 30
    assert [row[1:] for row in spans(pictures)] == [(29, 30 + len(shares))]


@pytest.mark.parametrize("level", [0, 255])
def test_a_cut_with_a_plain_frame_is_one(level):
    pictures = [scene(1)] * 30 + [np.full((108, 192, 3), level, np.uint8)] + [scene(2)] * 30
    assert spans(pictures) == [("cut", 29, 31)]


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("count", [1, 10])
def test_plain_frames_at_either_end_bound_nothing(level, count):
    plain = [np.full((108, 192, 3), level, np.uint8)] * count
    assert spans([*plain, *[scene(1)] * 30, *plain]) == []


@pytest.mark.parametrize("frames_long", [3, 4, 6])
def test_shots_of_a_few_frames_are_found(frames_long):
    pictures = [scene(seed) for seed in range(15) for _ in range(frames_long)]
    places = range(frames_long - 1, len(pictures) - 1, frames_long)
    assert spans(pictures) == [("cut", place, place + 1) for place in places]


@pytest.mark.parametrize("seed", range(4))
def test_a_dissolve_of_changing_pace_is_one(seed):
    shares = (1 - np.cos(np.pi * np.arange(31) / 30)) / 2
    mixed = [(scene(seed) * (1 - share) + scene(seed + 10) * share).astype(np.uint8) for share in shares]
    (row,) = spans([*[scene(seed)] * 20, *mixed, *[scene(seed + 10)] * 20])
    assert row[0] == "gradual"
    assert row[1] == pytest.approx(20, abs=8)
    assert row[2] == pytest.approx(50, abs=8)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_hardly_any_frames(count):
    made, _ = of_clip(Clip((Shot(1.0, texture="noise"),), width=96, height=54))
    table = checked(ANALYZER, run(first(made.thumbs, count)), made.video)
    assert table.height == 0
    assert table.schema == ANALYZER.empty().schema


def test_two_unlike_frames_are_a_cut():
    black, white = np.zeros((54, 96, 3), np.uint8), np.full((54, 96, 3), 255, np.uint8)
    (row,) = run(streams([black, white]).thumbs).rows(named=True)
    assert (row["kind"], row["last_frame"], row["first_frame"]) == ("cut", 0, 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 80), st.booleans())
def test_any_pictures_give_a_valid_table(seed, count, irregular):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, (rng.integers(1, 5), 27, 48, 3))
    array = levels[np.sort(rng.integers(0, len(levels), count))].astype(np.uint8)
    times = np.cumsum(rng.uniform(0, 0.1, count)) if irregular else np.arange(count) / 25
    made = streams(array, times_s=times - times[0])
    table = checked(ANALYZER, run(made.thumbs), made.video)
    assert (table["last_frame"] < table["first_frame"]).all()
    assert table.equals(run(made.thumbs))


def test_frame_numbers_are_those_of_the_video():
    clip = Clip((Shot(1.0, texture="noise"), Shot(1.0, texture="city", palette=1)), width=96, height=54)
    made, _ = of_clip(clip)
    shifted = Frames(made.thumbs.array, made.thumbs.times_s, made.thumbs.indices + 100)
    assert run(shifted)["last_frame"].to_list() == [124]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
def test_real_clips(tmp_path):
    expected = {"bikes.mp4": [29, 75, 136, 186, 241], "bigbuckbunny.mp4": [], "carphone_pristine.mp4": []}
    for name, cuts in expected.items():
        source = identify(SHARED / name)
        media = open_media(source.path, source.video_id, tmp_path)
        assert run(media.thumbs)["last_frame"].to_list() == cuts
        media.close()


def test_preview_shows_the_shots():
    made, known = of_clip(Clip((Shot(1.0, texture="noise"), Shot(1.0, texture="city", palette=1)), width=96, height=54))
    assert len(known.shots) == 2
    picture = preview(made.cuts, made.thumbs)
    assert picture.dtype == np.uint8
    assert picture.std() > 10
    assert preview(ANALYZER.empty(), first(made.thumbs, 0)) is None


def test_generated_truth_and_pictures_agree():
    clip = random_clip(3, duration_s=3, width=96, height=54)
    assert sum(1 for _ in frames(clip)) == truth(clip).frame_count
