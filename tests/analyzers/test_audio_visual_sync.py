"""How late the sound is."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evaluation.audio_visual_sync import measure
from tests.kit.scene_streams import checked, of_clip
from vid_assets.analyzers.audio_visual_sync import ANALYZER, BY_CHANCE, find_offset, peaks, preview, run
from vid_assets.contract import Audio, NotApplicable, Undefined
from vid_assets.media import identify, open_media
from vid_assets.synthetic.clips import Clip, Shot, random_clip, render, sync_clip


@pytest.mark.parametrize("seed", [3, 4])
def test_offsets_of_generated_clips(seed):
    figures = {figure.what: figure for figure in measure(seed)}
    assert all(figure.met for figure in figures.values()), figures


@pytest.mark.parametrize("offset_s", [-0.5, -0.12, 0.0, 0.31, 0.5])
def test_offset_of_an_encoded_file(tmp_path, offset_s):
    clip = replace(sync_clip(offset_s, seed=9), width=192, height=108)
    render(clip, tmp_path / "clip.mp4")
    media = open_media(tmp_path / "clip.mp4", identify(tmp_path / "clip.mp4").video_id, tmp_path / "scratch")
    from vid_assets.analyzers import cut_analysis

    inputs = (media.video, media.thumbs, media.audio, cut_analysis.run(media.thumbs))
    table = checked(ANALYZER, run(*inputs), media.video)
    assert table["offset_ms"].item() == pytest.approx(1000 * offset_s, abs=40)
    assert table["events"].item() == 6
    assert preview(table, *inputs).std() > 10
    media.close()


def test_silence_shortness_and_stillness():
    made, _ = of_clip(random_clip(1, duration_s=5, width=192, height=108))
    silent, noise = Audio(np.zeros(80_000, np.float32)), Audio(np.full(80_000, 0.1, np.float32))
    assert run(made.video, made.thumbs, silent, made.cuts) == NotApplicable("the sound is silent")
    assert run(replace(made.video, duration_s=3.0), made.thumbs, noise, made.cuts) == Undefined("shorter than 4 s")
    still, _ = of_clip(Clip((Shot(5.0, texture="noise"),), width=192, height=108))
    answer = run(still.video, still.thumbs, noise, still.cuts)
    assert isinstance(answer, Undefined)
    assert answer.reason.startswith("too little happens suddenly: 0 events are seen")


def test_chance_agrees_as_seldom_as_said():
    rng = np.random.default_rng(0)
    tries = [
        find_offset(*(np.sort(rng.uniform(0, 30, rng.integers(3, 40))) for _ in range(2)), 0.02) for _ in range(600)
    ]
    assert sum(found is not None and found[1] <= BY_CHANCE for found in tries) <= 6


def test_true_events_are_found_among_others():
    rng = np.random.default_rng(1)
    for _ in range(20):
        seen, lag = np.sort(rng.uniform(1, 60, 12)), rng.uniform(-0.9, 0.9)
        heard = np.sort(np.concatenate([seen + lag, rng.uniform(0, 60, 10)]))
        offset, chance, events = find_offset(seen, heard, 0.02)
        assert offset == pytest.approx(lag, abs=0.01)
        assert chance < BY_CHANCE
        assert events >= 12


def test_a_beat_in_both_has_no_single_offset():
    beat = np.arange(0, 20, 0.5)
    assert find_offset(beat, beat, 0.02) is None


def test_peaks_keep_the_highest_of_those_close_by():
    assert peaks(np.array([0, 3, 0, 5, 0, 0, 0, 4, 0.0]), 1.0, 3).tolist() == [3, 7]
    assert peaks(np.zeros(9), 1.0, 3).tolist() == []


def test_schema_of_the_empty_table():
    assert ANALYZER.empty().schema == pl.Schema({"offset_ms": pl.Float64, "confidence": pl.Float64, "events": pl.Int64})
