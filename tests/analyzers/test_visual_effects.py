import numpy as np
import pytest

from tests.kit.scene_streams import Streams, checked, first, of_clip, streams
from vid_assets.analyzers import camera_analysis
from vid_assets.analyzers.visual_effects import ANALYZER, preview, run
from vid_assets.media import identify, open_media
from vid_assets.synthetic.clips import (
    Clip,
    Dissolve,
    Fade,
    Freeze,
    Grain,
    Letterbox,
    Mover,
    Pan,
    Shape,
    Shot,
    Speed,
    Text,
    Zoom,
    render,
)

SIZE = {"width": 320, "height": 180}
FRAME = 1 / 25


def effects(made):
    cuts = made.cuts
    camera = camera_analysis.run(made.video, made.thumbs, cuts)
    return checked(ANALYZER, run(made.video, made.thumbs, made.frames, cuts, camera), made.video)


def only(made):
    (row,) = effects(made).rows(named=True)
    return row


@pytest.mark.parametrize("colour", ["black", "white"])
@pytest.mark.parametrize("seconds", [0.2, 0.8, 1.6])
@pytest.mark.parametrize("text", [(), (Text("Chapter one", y=0.7),)])
def test_fades_to_the_frame(colour, seconds, text):
    shot = Shot(4.0, texture="city", enter=Fade(seconds, colour), leave=Fade(seconds, colour))
    after = Shot(1.0, texture="noise", palette=2)
    made, known = of_clip(Clip((after, shot, after), texts=text, **SIZE))
    rows = effects(made).filter(effects(made)["kind"].str.starts_with("fade")).rows(named=True)
    assert [(row["kind"], row["colour"]) for row in rows] == [("fade_in", colour), ("fade_out", colour)]
    for row, fade in zip(rows, known.transitions, strict=True):
        assert row["start_s"] == pytest.approx(fade.first * FRAME, abs=FRAME + 1e-6)
        assert row["end_s"] == pytest.approx((fade.last + 1) * FRAME, abs=FRAME + 1e-6)
        assert row["strength"] > 0.1


def test_dissolve():
    shots = (Shot(2.0, texture="city"), Shot(2.0, texture="noise", palette=3, enter=Dissolve(0.6)))
    made, known = of_clip(Clip(shots, **SIZE))
    row = only(made)
    assert (row["kind"], row["colour"]) == ("dissolve", None)
    assert row["start_s"] == pytest.approx(known.transitions[0].first * FRAME, abs=2 * FRAME + 1e-6)
    assert row["end_s"] == pytest.approx((known.transitions[0].last + 1) * FRAME, abs=2 * FRAME + 1e-6)


@pytest.mark.parametrize("camera", [Pan(0.0), Pan(0.3), Zoom(0.2)])
def test_flashes_are_exact(camera):
    moments = (0.6, 1.2, 1.24, 2.4)
    made, known = of_clip(Clip((Shot(3.0, texture="blobs", camera=camera),), flashes=moments, **SIZE))
    rows = effects(made).rows(named=True)
    assert {row["kind"] for row in rows} == {"flash"}
    lit = [frame for row in rows for frame in range(round(row["start_s"] * 25), round(row["end_s"] * 25))]
    assert lit == list(known.flashes)
    assert all(row["strength"] > 0.2 for row in rows)


@pytest.mark.parametrize("seed", range(3))
def test_freeze_is_exact(seed):
    shot = Shot(3.0, texture="noise", camera=Pan(0.15), seed=seed, palette=seed)
    made, known = of_clip(Clip((shot,), freezes=(Freeze(1.0, 1.8),), **SIZE))
    row = only(made)
    assert row["kind"] == "freeze"
    assert row["start_s"] == pytest.approx(known.freezes[0].first * FRAME)
    assert row["end_s"] == pytest.approx((known.freezes[0].last + 1) * FRAME)


@pytest.mark.parametrize("share", [0.05, 0.12, 0.2])
@pytest.mark.parametrize("pillars", [False, True])
def test_bars_over_the_whole_clip(share, pillars):
    shots = (Shot(2.0, texture="landscape", camera=Pan(0.1)), Shot(2.0, texture="city", palette=4))
    texts = (Text("On the bar", y=0.95, height=0.06),)
    made, _ = of_clip(Clip(shots, letterbox=(Letterbox(share, pillars=pillars),), texts=texts, **SIZE))
    row = only(made)
    assert row["kind"] == ("pillarbox" if pillars else "letterbox")
    assert (row["start_s"], row["end_s"]) == (0.0, made.video.duration_s)
    assert row["strength"] == pytest.approx(share, abs=0.01)


def test_bars_over_a_part():
    made, known = of_clip(Clip((Shot(5.0, texture="city"),), letterbox=(Letterbox(0.12, 1.2, 3.64),), **SIZE))
    row = only(made)
    assert row["start_s"] == pytest.approx(known.letterbox[0].first * FRAME)
    assert row["end_s"] == pytest.approx((known.letterbox[0].last + 1) * FRAME)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_speed_change_in_a_pan(factor):
    made, _ = of_clip(
        Clip((Shot(4.0, texture="city", camera=Pan(0.2), seed=3),), speeds=(Speed(factor, 1.2, 2.6),), **SIZE)
    )
    row = only(made)
    assert row["kind"] == "speed_change"
    assert row["strength"] == pytest.approx(factor, rel=0.15)
    assert row["start_s"] == pytest.approx(1.2, abs=0.15)
    assert row["end_s"] == pytest.approx(2.6, abs=0.15)


@pytest.mark.parametrize("look", ["noise", "checker", "landscape", "city", "blobs"])
def test_nothing_happens_in_an_ordinary_clip(look):
    mover = Mover(Shape("circle", "yellow", 0.2, 0.5, 0.15), dx=0.3)
    shots = (Shot(2.0, texture=look, camera=Pan(0.6), shapes=(mover,)), Shot(2.0, background="black", shapes=(mover,)))
    made, _ = of_clip(Clip(shots, **SIZE))
    assert effects(made).height == 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_frames(count):
    made = streams([np.full((54, 96, 3), 80, np.uint8)] * 3)
    camera = camera_analysis.ANALYZER.empty()
    small, large = first(made.thumbs, count), first(made.frames, count)
    table = checked(ANALYZER, run(made.video, small, large, made.cuts, camera), made.video)
    assert table.height == 0
    assert table.schema == ANALYZER.empty().schema


def test_darkness_has_no_bars():
    made = streams([np.zeros((90, 160, 3), np.uint8)] * 60)
    assert effects(made).height == 0


def test_encoded_file(tmp_path):
    shot = Shot(4.0, texture="city", camera=Pan(0.2), enter=Fade(0.4))
    clip = Clip(
        (shot,),
        freezes=(Freeze(2.0, 2.6),),
        flashes=(1.2,),
        letterbox=(Letterbox(0.1),),
        grain=(Grain(5, 3, 4),),
        **SIZE,
    )
    render(clip, tmp_path / "clip.mp4")
    source = identify(tmp_path / "clip.mp4")
    media = open_media(source.path, source.video_id, tmp_path / "scratch")
    table = effects(Streams(media.video, media.thumbs, media.frames))
    assert sorted(table["kind"].to_list()) == ["fade_in", "flash", "freeze", "letterbox"]
    media.close()


def test_preview_and_determinism():
    made, _ = of_clip(Clip((Shot(2.0, texture="city", camera=Pan(0.2)),), flashes=(1.0,), **SIZE))
    table = effects(made)
    assert table.equals(effects(made))
    camera = camera_analysis.ANALYZER.empty()
    assert preview(table, made.video, made.thumbs, made.frames, made.cuts, camera).ndim == 3
    assert preview(ANALYZER.empty(), made.video, made.thumbs, made.frames, made.cuts, camera) is None
