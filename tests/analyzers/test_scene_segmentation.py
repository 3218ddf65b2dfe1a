import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.scene_streams import checked, first, of_clip, streams
from vid_assets.analyzers.scene_segmentation import ANALYZER, histograms, preview, run, similarities, split
from vid_assets.synthetic.clips import Clip, Cut, Dissolve, Pan, Shot

# Looks of unlike colours, so that the truth is a truth about pictures and not only about the script.
LOOKS = (("noise", 0), ("city", 1), ("blobs", 2), ("noise", 4), ("city", 5), ("blobs", 7))


def alternating(counts, seed, enter=None):
    """Scenes of two cameras that take turns, and the number of the first shot of each scene."""
    rng = np.random.default_rng(seed)
    shots, starts = [], []
    for scene, count in enumerate(counts):
        starts.append(len(shots))
        for turn in range(count):
            texture, palette = LOOKS[2 * scene + turn % 2]
            shots.append(
                Shot(
                    float(rng.uniform(0.8, 1.4)), texture=texture, palette=palette, seed=seed + 10 * scene + turn % 2,
                    camera=Pan(float(rng.uniform(-0.1, 0.1))), enter=enter if enter and shots and turn == 0 else Cut(),
                )
            )  # fmt: skip
    return Clip(tuple(shots), width=96, height=54), starts


@pytest.mark.parametrize("seed", range(6))
def test_cameras_that_take_turns_are_one_scene(seed):
    clip, starts = alternating((4, 3, 5), seed)
    made, known = of_clip(clip)
    table = checked(ANALYZER, run(made.video, made.thumbs, made.cuts), made.video)
    assert table["first_shot"].to_list() == starts
    assert table["shots"].to_list() == [4, 3, 5]
    assert table["start_s"].to_list() == [known.shots[shot][0] / 25 for shot in starts]
    assert table["end_s"].to_list() == [*table["start_s"].to_list()[1:], made.video.duration_s]
    for row in table.rows(named=True):
        assert row["start_s"] <= row["key_time_s"] < row["end_s"]
        assert row["key_frame"] == round(row["key_time_s"] * 25)


def test_scenes_meet_in_the_middle_of_a_dissolve():
    clip, starts = alternating((3, 3), 1, Dissolve(0.4))
    made, known = of_clip(clip)
    table = run(made.video, made.thumbs, made.cuts)
    assert table["first_shot"].to_list() == starts
    assert table["start_s"][1] == pytest.approx(known.shots[3][0] / 25, abs=0.1)
    assert table["end_s"][0] == table["start_s"][1]


def test_one_shot_is_one_scene_without_coherence():
    made, _ = of_clip(Clip((Shot(1.0, texture="noise"),), width=96, height=54))
    (row,) = checked(ANALYZER, run(made.video, made.thumbs, made.cuts), made.video).rows(named=True)
    assert (row["start_s"], row["end_s"], row["shots"], row["coherence"]) == (0.0, 1.0, 1, None)


def test_like_shots_are_coherent():
    shots = [Shot(1.0, texture="city", palette=5, seed=1), Shot(1.0, texture="blobs", palette=2, seed=2)] * 2
    made, _ = of_clip(Clip(tuple(shots), width=96, height=54))
    (row,) = run(made.video, made.thumbs, made.cuts).rows(named=True)
    assert row["shots"] == 4
    assert 0.3 < row["coherence"] < 0.5  # two of six pairs are alike


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_frames(count):
    made = streams([np.full((54, 96, 3), 80, np.uint8)] * 3)
    table = checked(ANALYZER, run(made.video, first(made.thumbs, count), made.cuts), made.video)
    assert table.height == min(count, 1)
    assert table.schema == ANALYZER.empty().schema


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_blocks_of_like_shots_are_split_exactly(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.where(labels[:, None] == labels, 1.0, 0.01)
    assert split(weights) == [0, *np.cumsum(sizes)[:-1].tolist()]


def test_histograms_add_up_and_compare():
    rng = np.random.default_rng(0)
    shares = histograms(rng.integers(0, 256, (4, 27, 48, 3)).astype(np.uint8))
    assert shares.sum(axis=1) == pytest.approx([1.0] * 4)
    alike = similarities(shares[:, None])
    assert np.allclose(alike, alike.T)
    assert (np.diag(alike) > 0.99).all()


def test_preview_and_determinism():
    clip, _ = alternating((2, 2), 0)
    made, _ = of_clip(clip)
    table = run(made.video, made.thumbs, made.cuts)
    assert table.equals(run(made.video, made.thumbs, made.cuts))
    assert preview(table, made.video, made.thumbs, made.cuts).std() > 10
    assert preview(ANALYZER.empty(), made.video, made.thumbs, made.cuts) is None
