import numpy as np
import pytest

from tests.kit.scene_streams import answered, checked, first, of_clip, streams
from vid_assets.analyzers.temporal_flow import ANALYZER, preview, run, shot_rate
from vid_assets.synthetic.clips import Clip, Pan, Shot, Static

SIZE = {"width": 192, "height": 108}


def test_energy_of_a_known_change():
    # Alternate frames that differ by 10 levels in every pixel: 25 changes of 10 / 255 a second.
    pictures = [np.full((54, 96, 3), 100 + 10 * (frame % 2), np.uint8) for frame in range(51)]
    table = answered(ANALYZER, streams(pictures))
    assert table["motion_energy"].to_list() == pytest.approx([25 * 10 / 255] * 3, rel=1e-6)
    assert table["start_s"].to_list() == [0.0, 1.0, 2.0]
    assert table["end_s"].to_list() == pytest.approx([1.0, 2.0, 2.04])


def test_energy_does_not_depend_on_the_frame_rate():
    energies = []
    for fps in (25, 50):
        ramp = [np.full((54, 96, 3), round(40 * frame / fps), np.uint8) for frame in range(4 * fps)]
        energies.append(answered(ANALYZER, streams(ramp, fps))["motion_energy"][1])
    assert energies[0] == pytest.approx(energies[1], rel=0.03)
    assert energies[0] == pytest.approx(40 / 255, rel=0.03)


def test_cuts_count_as_boundaries_and_not_as_motion():
    shots = tuple(Shot(1.2, texture="city", palette=number % 8, seed=number) for number in range(6))
    made, known = of_clip(Clip(shots, **SIZE))
    table = answered(ANALYZER, made)
    assert table["boundaries"].sum() == len(known.cuts) == 5
    assert table["motion_energy"].max() == 0.0
    seconds = [int((cut + 0.5) / 25) for cut in known.cuts]
    assert table["boundaries"].to_list() == np.bincount(seconds, minlength=8).tolist()


def test_faster_is_more_tempo():
    slow = Shot(4.0, texture="city", camera=Static(), seed=1)
    fast = [Shot(0.8, texture="noise", palette=n % 8, seed=n, camera=Pan(0.5)) for n in range(1, 9)]
    table = answered(ANALYZER, of_clip(Clip((slow, *fast), **SIZE))[0])
    assert table["tempo"][:3].max() < table["tempo"][6:9].min()
    assert table["shot_rate"][0] < table["shot_rate"][9]
    assert table["motion_energy"][0] == 0.0


def test_rate_of_even_cutting_holds_to_the_ends():
    rate = shot_rate(np.arange(0.5, 60, 1.0), np.array([0.5, 30.0, 59.5]), 60.0)
    assert rate == pytest.approx([1.0, 1.0, 1.0], rel=0.02)
    assert shot_rate(np.empty(0), np.array([1.0]), 2.0) == pytest.approx([0.0])


@pytest.mark.parametrize(("lengths", "expected"), [([1.0] * 6, 0.0), ([0.8, 1.6] * 3, 1 / 3)])
def test_rhythm_is_the_variation_of_shot_lengths(lengths, expected):
    shots = tuple(Shot(s, texture="city", palette=n % 8, seed=n) for n, s in enumerate(lengths))
    table = answered(ANALYZER, of_clip(Clip(shots, **SIZE))[0])
    assert table["rhythm"].to_list() == pytest.approx([expected] * table.height, abs=1e-3)


def test_two_shots_have_no_rhythm():
    shots = (Shot(1.0, texture="city"), Shot(1.0, texture="noise", palette=2))
    assert answered(ANALYZER, of_clip(Clip(shots, **SIZE))[0])["rhythm"].to_list() == [None, None]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_frames(count):
    made = streams([np.full((54, 96, 3), 80, np.uint8)] * 2)
    table = checked(ANALYZER, run(made.video, first(made.thumbs, count), made.cuts), made.video)
    assert table.height == (count == 2)
    assert table.schema == ANALYZER.empty().schema


def test_a_second_without_frames_has_no_energy():
    pictures = [np.full((54, 96, 3), 80, np.uint8)] * 4
    made = streams(pictures, times_s=np.array([0.0, 0.04, 2.5, 2.54]))
    table = answered(ANALYZER, made)
    assert table["motion_energy"].to_list() == [0.0, None, 0.0]
    assert table["tempo"][1] is None


def test_preview_and_determinism():
    made, _ = of_clip(Clip((Shot(3.0, texture="city", camera=Pan(0.2)),), **SIZE))
    table = answered(ANALYZER, made)
    assert table.equals(answered(ANALYZER, made))
    assert preview(table, made.video, made.thumbs, made.cuts).ndim == 3
    assert preview(ANALYZER.empty(), made.video, made.thumbs, made.cuts) is None
