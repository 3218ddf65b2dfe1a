"""The truth of a generated clip is what can be measured in it, drawn and decoded."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vid_assets.synthetic.clips import (
    FEATURES,
    TEXTURES,
    Blur,
    Clip,
    Cut,
    Dissolve,
    Fade,
    Freeze,
    Grain,
    Letterbox,
    Mover,
    Pan,
    SceneError,
    Shape,
    Shot,
    Sound,
    Speed,
    Static,
    Text,
    Tilt,
    Zoom,
    caption,
    frames,
    random_clip,
    render,
    render_speech_clip,
    samples,
    sync_clip,
    truth,
)

SMALL = {"width": 320, "height": 180}


def shoot(**shot):
    return Clip(shots=(Shot(**shot),), **SMALL)


def pictures(clip):
    return np.stack(list(frames(clip)))


def grey(picture):
    return picture.astype(np.float64) @ (0.299, 0.587, 0.114)


def steps(shown):
    """Mean absolute change from each frame to the next."""
    return np.abs(np.diff(shown.astype(np.int16), axis=0)).mean((1, 2, 3))


def shift(a, b):
    """How far the picture moved from `a` to `b`, in px to the right and down."""
    import cv2

    window = cv2.createHanningWindow(a.shape[1::-1], cv2.CV_64F)
    return cv2.phaseCorrelate(grey(a), grey(b), window)[0]


def decode(path):
    import av

    with av.open(str(path)) as container:
        decoded = [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]
    return np.array([time for time, _ in decoded]), np.stack([picture for _, picture in decoded])


def listen(path):
    """Samples on the time axis of the file, and their rate."""
    import av

    with av.open(str(path)) as container:
        parts = list(container.decode(audio=0))
    assert parts[0].pts == 0
    sound = np.concatenate([part.to_ndarray().reshape(-1) for part in parts]).astype(np.float64)
    return sound / (32767 if parts[0].format.name.startswith("s16") else 1), parts[0].sample_rate


# --- one clip, many truths -------------------------------------------------------------------------------------------


def test_same_seed_same_clip():
    assert random_clip(7) == random_clip(7) != random_clip(8)
    a, b = (pictures(random_clip(7, duration_s=3, **SMALL)) for _ in range(2))
    assert np.array_equal(a, b)
    assert np.array_equal(samples(random_clip(7)), samples(random_clip(7)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([2.0, 7.3, 12.0, 40.0]), st.sets(st.sampled_from(sorted(FEATURES))))
def test_random_clips_keep_their_promises(seed, duration_s, features):
    clip = random_clip(seed, duration_s=duration_s, features=frozenset(features))
    known = truth(clip)
    assert known.frame_count == round(duration_s * 25)
    assert known.shots[0][0] == 0
    assert known.shots[-1][1] == known.frame_count - 1
    assert all(a[1] + 1 == b[0] for a, b in pairwise(known.shots))
    if len(known.shots) > 1:
        assert min(last - first + 1 for first, last in known.shots) >= 0.8 * 25
    assert len(known.boundaries) == len(known.shots) - 1
    assert known.camera[0].start_s == 0
    assert known.camera[-1].end_s == pytest.approx(known.duration_s)
    assert all(a.end_s == b.start_s for a, b in pairwise(known.camera))
    for shot, rows in zip(clip.shots, known.shapes, strict=True):
        assert len(rows) == len(shot.shapes)
        for row in rows:
            assert np.all(row.boxes[:, :2] <= row.boxes[:, 2:])
    for sound in known.sounds:
        assert 0 <= sound.start_s < sound.end_s <= known.duration_s


@pytest.mark.parametrize(("width", "height"), [(320, 180), (180, 320), (240, 180), (420, 180)])
def test_random_clips_fit_any_picture(width, height):
    for seed in range(20):
        clip = random_clip(seed, width=width, height=height)
        for text in truth(clip).texts:
            assert 0 <= text.box[0] < text.box[2] <= 1
        for shot in clip.shots:
            spans = sorted((s.x - s.radius * height / width, s.x + s.radius * height / width)
                           for s in (mover.at(0) for mover in shot.shapes if mover.dx <= 1))  # fmt: skip
            assert all(a[1] <= b[0] for a, b in pairwise([(0, 0), *spans, (1, 1)]))


def test_unknown_feature_is_named():
    with pytest.raises(SceneError, match="fireworks"):
        random_clip(0, features=frozenset({"fireworks"}))


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_hard_cuts_show_and_lie_where_they_should(seed):
    clip = random_clip(seed, duration_s=8, features=frozenset({"cuts", "camera", "shapes"}), **SMALL)
    known, change = truth(clip), steps(pictures(clip))
    assert len(known.cuts) == len(known.shots) - 1 > 0
    assert min(change[cut] for cut in known.cuts) > 15
    still = [i for i in range(len(change)) if i not in known.cuts and not any(
        move.rate and move.start_s - 0.05 <= i / 25 <= move.end_s + 0.05 for move in known.camera)]  # fmt: skip
    assert max(change[still], default=0.0) < 8


def test_random_freezes_stop_something_that_moves():
    features = frozenset({"cuts", "camera", "shapes", "freezes"})
    clips = [random_clip(seed, duration_s=10, features=features, **SMALL) for seed in range(201, 206)]
    assert any(clip.freezes for clip in clips)
    for clip in clips:
        for first, last, _ in truth(clip).freezes:
            change = steps(pictures(clip))
            assert change[first - 1] > 0 < change[last]
            assert not change[first:last].any()


# --- transitions -----------------------------------------------------------------------------------------------------


def test_dissolve_mixes_exactly_its_frames():
    a, b = Shot(1.0, texture="noise", palette=0), Shot(1.0, texture="city", palette=3, enter=Dissolve(0.4))
    mixed = pictures(Clip(shots=(a, b), **SMALL)).astype(float)
    cut = pictures(Clip(shots=(a, Shot(1.0, texture="city", palette=3, enter=Cut())), **SMALL)).astype(float)
    known = truth(Clip(shots=(a, b), **SMALL))
    assert known.transitions == (("dissolve", 20, 29),)
    assert known.boundaries == (("gradual", 19, 30),)
    assert known.cuts == ()
    assert np.array_equal(mixed[:20], cut[:20])
    assert np.array_equal(mixed[30:], cut[30:])
    share = [
        float(((mixed[i] - cut[0]) * (cut[-1] - cut[0])).sum() / ((cut[-1] - cut[0]) ** 2).sum()) for i in range(20, 30)
    ]
    assert share == pytest.approx([(i + 1) / 11 for i in range(10)], abs=0.01)


@pytest.mark.parametrize(("colour", "level"), [("black", 0), ("white", 255)])
def test_fades_reach_their_colour(colour, level):
    shots = (
        Shot(1.0, texture="noise", leave=Fade(0.2, colour)),
        Shot(1.0, texture="blobs", palette=3, enter=Fade(0.2, colour), leave=Fade(0.2, colour)),
    )
    clip = Clip(shots=shots, **SMALL)
    known, shown = truth(clip), pictures(clip)
    assert known.transitions == (
        (f"fade_to_{colour}", 20, 24),
        (f"fade_from_{colour}", 25, 29),
        (f"fade_to_{colour}", 45, 49),
    )
    assert known.boundaries == (("gradual", 19, 30),)
    plain = [int(i) for i in np.flatnonzero((shown == level).all((1, 2, 3)))]
    assert plain == [24, 25, 49]
    assert np.array_equal(shown[30], shown[40])
    assert not np.array_equal(shown[29], shown[30])


def test_fade_out_then_cut_is_one_gradual_boundary():
    clip = Clip(shots=(Shot(1.0, leave=Fade(0.2)), Shot(1.0, background="brown")), **SMALL)
    assert truth(clip).boundaries == (("gradual", 19, 25),)


# --- camera ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize(("move", "axis"), [(Pan(0.2), 0), (Pan(-0.35), 0), (Tilt(0.15), 1), (Tilt(-0.3), 1)])
def test_pan_and_tilt_move_the_picture_against_the_camera(texture, move, axis):
    clip = shoot(seconds=0.4, texture=texture, camera=move, seed=5)
    shown = pictures(clip)
    moved = np.array([shift(a, b) for a, b in pairwise(shown)]).mean(0)
    size = (clip.width, clip.height)[axis]
    assert -moved[axis] * 25 / size == pytest.approx(move.rate, rel=0.1, abs=0.02)
    assert abs(moved[1 - axis]) < 0.1
    assert truth(clip).camera == ((type(move).__name__.lower(), 0.0, 0.4, move.rate),)


@pytest.mark.parametrize("rate", [0.3, -0.3])
def test_zoom_scales_about_the_centre(rate):
    import cv2

    clip = shoot(seconds=1.0, texture="blobs", camera=Zoom(rate))
    shown = pictures(clip)
    scale = math.exp(rate * 24 / 25)
    centre = (clip.width - 1) / 2, (clip.height - 1) / 2
    matrix = cv2.getRotationMatrix2D(centre, 0, scale)
    again = cv2.warpAffine(shown[0], matrix, (clip.width, clip.height))
    part = np.s_[50:130, 90:230]
    right = np.abs(grey(again)[part] - grey(shown[-1])[part]).mean()
    wrong = np.abs(grey(shown[0])[part] - grey(shown[-1])[part]).mean()
    assert right < 0.35 * wrong
    assert truth(clip).camera == (("zoom", 0.0, 1.0, rate),)


def test_moves_follow_one_another():
    clip = shoot(seconds=3.0, texture="noise", camera=(Static(0.48), Pan(0.2, 1.0), Tilt(-0.1)))
    assert truth(clip).camera == (("static", 0.0, 0.48, 0.0), ("pan", 0.48, 1.48, 0.2), ("tilt", 1.48, 3.0, -0.1))
    shown = pictures(clip)
    assert np.array_equal(shown[0], shown[12])
    assert not np.array_equal(shown[12], shown[13])
    assert shift(shown[20], shown[25])[0] == pytest.approx(-0.2 * 320 / 5, abs=0.2)
    assert shift(shown[50], shown[55])[1] == pytest.approx(0.1 * 180 / 5, abs=0.2)


def test_camera_move_on_a_plain_background_is_refused():
    with pytest.raises(SceneError, match="cannot be seen"):
        Shot(1.0, camera=Pan(0.1))


# --- freezes, speed, flashes -----------------------------------------------------------------------------------------


def test_freeze_stops_picture_and_grain():
    shot = Shot(2.0, texture="city", camera=Pan(0.2))
    clip = Clip(shots=(shot,), freezes=(Freeze(0.8, 1.2),), grain=(Grain(5.0),), **SMALL)
    known, shown = truth(clip), pictures(clip)
    assert known.freezes == ((20, 29, 0.0),)
    same = [int(i) for i in np.flatnonzero(steps(shown) == 0)]
    assert same == list(range(20, 29))
    assert [(move.kind, move.start_s, move.end_s) for move in known.camera] == [
        ("pan", 0.0, 0.8), ("static", 0.8, 29 / 25), ("pan", 29 / 25, 2.0),
    ]  # fmt: skip
    clear = pictures(Clip(shots=(shot,), freezes=(Freeze(0.8, 1.2),), **SMALL))
    assert shift(clear[29], clear[30])[0] == pytest.approx(-0.2 * 320 / 25, abs=0.2)


def test_what_changes_inside_a_freeze_is_refused():
    freeze, shot = (Freeze(0.8, 1.2),), Shot(2.0, texture="city")
    with pytest.raises(SceneError, match="inside a freeze"):
        Clip(shots=(shot,), freezes=freeze, flashes=(0.9,))
    with pytest.raises(SceneError, match="inside a freeze"):
        Clip(shots=(shot,), freezes=freeze, texts=(Text("late", 1.0, 1.8),))
    with pytest.raises(SceneError, match="inside a freeze"):
        Clip(shots=(Shot(1.0), Shot(1.0)), freezes=freeze)
    Clip(shots=(shot,), freezes=freeze, texts=(Text("on time", 0.8, 1.2),))


def test_speed_scales_every_motion():
    clip = Clip(
        shots=(
            Shot(2.0, texture="noise", camera=Pan(0.1), shapes=(Mover(Shape("circle", "red", 0.2, 0.5, 0.1), 0.1),)),
        ),
        speeds=(Speed(2.0, 1.0),),
    )
    known = truth(clip)
    assert known.speed == ((25, 49, 2.0),)
    assert [move.rate for move in known.camera] == pytest.approx([0.1, 0.2])
    assert known.camera[0].end_s == 24 / 25  # the step into frame 25 is the first fast one
    centres = known.shapes[0][0].boxes[:, [0, 2]].mean(1)
    assert np.diff(centres)[:24] == pytest.approx(0.1 / 25)
    assert np.diff(centres)[24:] == pytest.approx(0.2 / 25)


def test_flash_is_one_frame():
    clip = Clip(shots=(Shot(1.0, texture="noise"),), flashes=(0.4,), **SMALL)
    assert truth(clip).flashes == (10,)
    assert [int(i) for i in np.flatnonzero(steps(pictures(clip)) > 5)] == [9, 10]


# --- degradations ----------------------------------------------------------------------------------------------------


def test_bars_blur_and_noise_are_as_strong_as_they_say():
    import cv2

    clear = shoot(seconds=1.0, texture="noise")
    base = pictures(clear)[0]
    clip = Clip(
        shots=clear.shots,
        letterbox=(Letterbox(0.1, 0.0, 0.2), Letterbox(0.2, 0.2, 0.4, pillars=True)),
        blur=(Blur(2.0, 0.4, 0.6),),
        grain=(Grain(8.0, 0.6),),
        **SMALL,
    )
    known, shown = truth(clip), pictures(clip)
    assert known.letterbox == ((0, 4, 0.1),)
    assert known.pillarbox == ((5, 9, 0.2),)
    assert known.blur == ((10, 14, 2.0),)
    assert known.noise == ((15, 24, 8.0),)
    assert [int(i) for i in np.flatnonzero((shown[2] == 0).all((1, 2)))] == [*range(18), *range(162, 180)]
    assert [int(i) for i in np.flatnonzero((shown[7] == 0).all((0, 2)))] == [*range(64), *range(256, 320)]
    assert np.array_equal(shown[12], cv2.GaussianBlur(base, (0, 0), 2.0))
    noise = shown[15:].astype(float) - base
    assert noise.std() == pytest.approx(8.0, rel=0.03)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


# --- shapes and words ------------------------------------------------------------------------------------------------


def test_boxes_enclose_shapes_tightly():
    mover = Mover(Shape("triangle", "red", 0.3, 0.5, 0.2, depth=0.25), dx=0.2, dy=0.1, start_s=0.2, end_s=0.6)
    clip = shoot(seconds=1.0, background="black", shapes=(mover,))
    known, shown = truth(clip).shapes[0][0], pictures(clip)
    assert (known.name, known.depth, known.boxes.shape) == ("red triangle", 0.25, (25, 4))
    for picture, box in zip(shown, known.boxes, strict=True):
        red = picture[..., 0] > 110
        ys, xs = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
        measured = xs[0] / 320, ys[0] / 180, (xs[-1] + 1) / 320, (ys[-1] + 1) / 180
        assert measured == pytest.approx(box, abs=0.012)
    assert np.array_equal(known.boxes[0], known.boxes[5])
    assert np.array_equal(known.boxes[15], known.boxes[-1])


def test_captions_name_shapes_from_left_to_right():
    def at(x, name):
        colour, kind = name.split()
        return Mover(Shape(kind, colour, x, 0.5, 0.1), dx=0.4 if colour == "red" else 0.0)

    shot = Shot(1.0, background="grey", shapes=(at(0.8, "blue square"), at(0.5, "red circle")))
    assert caption(shot) == "a red circle and a blue square on a grey background"
    assert caption(shot, 1.0) == "a blue square and a red circle on a grey background"
    three = Shot(1.0, shapes=(*shot.shapes, at(0.1, "white cross")))
    assert caption(three) == "a white cross, a red circle and a blue square on a grey background"
    assert caption(Shot(1.0, background="brown")) == "a brown background"
    with pytest.raises(SceneError, match="no words"):
        caption(Shot(1.0, texture="noise"))


@pytest.mark.parametrize(("text", "height"), [("Hamburg pqg", 0.05), ("SALE 50%", 0.12), ("minimum", 0.2)])
def test_text_boxes_enclose_the_ink(text, height):
    clip = Clip(shots=(Shot(1.0, background="black"),), texts=(Text(text, 0.2, 0.6, 0.5, 0.4, height),))
    known, shown = truth(clip).texts[0], pictures(clip)
    assert (known.text, known.start_s, known.end_s, known.height) == (text, 0.2, 0.6, height)
    bright = [int(i) for i in np.flatnonzero((shown > 200).any((1, 2, 3)))]
    assert bright == list(range(5, 15))
    ink = (shown[7] > 140).all(-1)
    ys, xs = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    measured = xs[0] / 640, ys[0] / 360, (xs[-1] + 1) / 640, (ys[-1] + 1) / 360
    assert measured == pytest.approx(known.box, abs=0.003)
    if text == "Hamburg pqg":
        assert (known.box[3] - known.box[1]) * 360 == pytest.approx(height * 360, abs=2)


def test_text_that_does_not_fit_is_refused():
    with pytest.raises(SceneError, match="do not fit"):
        truth(Clip(shots=(Shot(1.0),), texts=(Text("far too long a line for this", height=0.2),)))


# --- sound -----------------------------------------------------------------------------------------------------------


def test_tone_has_its_pitch_level_and_place():
    clip = Clip(shots=(Shot(3.0),), sounds=(Sound("tone", 1.0, 2.0, -23.0, 997.0),))
    heard = samples(clip)
    assert len(heard) == 144000
    loud = np.flatnonzero(heard)
    assert abs(loud[0] - 48000) <= 2
    assert abs(loud[-1] - 95999) <= 2
    middle = heard[52800:91200].astype(float)
    assert 20 * np.log10(np.abs(middle).max()) == pytest.approx(-23.0, abs=0.01)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * 48000 / len(middle) == pytest.approx(997.0, abs=1.0)
    assert [(s.kind, s.start_s, s.end_s) for s in truth(clip).sounds] == [
        ("silence", 0.0, 1.0), ("tone", 1.0, 2.0), ("silence", 2.0, 3.0),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["noise", "speech_like"])
def test_rms_levels(kind):
    heard = samples(Clip(shots=(Shot(4.0),), sounds=(Sound(kind, dbfs=-26.0, frequency=120.0),))).astype(float)
    assert 10 * np.log10(np.mean(heard**2)) == pytest.approx(-26.0, abs=0.01)


def test_pink_noise_falls_three_decibels_an_octave():
    heard = samples(Clip(shots=(Shot(8.0),), sounds=(Sound("noise", colour="pink"),))).astype(float)
    power, hertz = np.abs(np.fft.rfft(heard)) ** 2, np.fft.rfftfreq(len(heard), 1 / 48000)
    bands = [power[(hertz >= low) & (hertz < 2 * low)].mean() for low in (100, 200, 400, 800, 1600, 3200, 6400)]
    assert np.diff(10 * np.log10(bands)) == pytest.approx(-3.0, abs=0.5)


def test_click_tracks_keep_time():
    heard = samples(Clip(shots=(Shot(6.0),), sounds=(Sound("click", 0.5, 5.5, bpm=150.0, dbfs=-6.0),)))
    onsets = np.flatnonzero(heard > 0.45)
    onsets = onsets[np.diff(onsets, prepend=-(10**6)) > 4800]
    assert np.array_equal(onsets, 24000 + 19200 * np.arange(13))
    assert np.abs(heard).max() == pytest.approx(10 ** (-6 / 20), abs=1e-6)


def test_speech_like_sound_swells_at_four_hertz():
    heard = samples(Clip(shots=(Shot(8.0),), sounds=(Sound("speech_like", frequency=120.0),)))
    envelope = np.abs(heard.reshape(-1, 480)).mean(1)
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
    assert np.argmax(spectrum) / 8.0 == pytest.approx(4.0, abs=0.3)


def test_offset_shifts_and_cuts_sounds():
    sounds = (Sound("tone", 0.0, 1.0), Sound("click", 1.9))
    early, late = (Clip(shots=(Shot(2.0),), sounds=sounds, av_offset_s=offset) for offset in (-0.25, 0.25))
    assert [(s.kind, s.start_s, s.end_s) for s in truth(early).sounds if s.kind != "silence"] == [
        ("tone", 0.0, 0.75), ("click", pytest.approx(1.65), pytest.approx(1.655)),
    ]  # fmt: skip
    assert [(s.kind, s.start_s, s.end_s) for s in truth(late).sounds if s.kind != "silence"] == [("tone", 0.25, 1.25)]
    assert np.flatnonzero(samples(late))[0] == pytest.approx(12000, abs=2)
    assert len(samples(early)) == len(samples(late)) == 96000


def test_silence_alone_gives_a_silent_track(tmp_path):
    render(Clip(shots=(Shot(1.0),), sounds=(Sound("silence"),), **SMALL), tmp_path / "silent.mov")
    heard, rate = listen(tmp_path / "silent.mov")
    assert (len(heard), rate) == (48000, 48000)
    assert not heard.any()


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_decoded_file_agrees_with_the_truth(tmp_path, name):
    shots = (
        Shot(1.0, texture="city", palette=1, camera=Pan(0.2)),
        Shot(1.2, background="grey", shapes=(Mover(Shape("square", "red", 0.5, 0.5, 0.3)),)),
        Shot(1.0, texture="noise", palette=2),
    )
    clip = Clip(shots=shots, sounds=(Sound("click", 1.0, dbfs=-3.0),), **SMALL)
    known = render(clip, tmp_path / name)
    times, shown = decode(tmp_path / name)
    assert len(shown) == known.frame_count == 80
    assert times == pytest.approx(np.arange(80) / 25, abs=0.001)
    assert [int(i) for i in np.flatnonzero(steps(shown) > 20)] == list(known.cuts) == [24, 54]
    assert shift(shown[5], shown[10])[0] == pytest.approx(-0.2 * 320 / 5, rel=0.05)
    assert shown[40, 90, 160] == pytest.approx([220, 40, 40], abs=4)
    heard, rate = listen(tmp_path / name)
    assert np.argmax(np.abs(heard)) / rate == pytest.approx(1.0, abs=0.0005)


def test_no_sound_no_track(tmp_path):
    import av

    render(shoot(seconds=0.4, texture="noise"), tmp_path / "mute.mp4")
    render(Clip(shots=(Shot(0.4),), sounds=(Sound("tone"),), **SMALL), tmp_path / "off.mp4", audio=False)
    for name in ("mute.mp4", "off.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert [stream.type for stream in container.streams] == ["video"]


def test_fractional_rate(tmp_path):
    clip = Clip(shots=(Shot(1.0, texture="noise"),), fps=Fraction(30000, 1001), **SMALL)
    known = render(clip, tmp_path / "ntsc.mp4")
    times, shown = decode(tmp_path / "ntsc.mp4")
    assert known.frame_count == len(shown) == 30
    assert times == pytest.approx(np.arange(30) * 1001 / 30000, abs=1e-4)


@pytest.mark.parametrize("offset_s", [-0.2, 0.0, 0.36])
def test_clapperboard_has_its_offset(tmp_path, offset_s):
    clip = sync_clip(offset_s, seed=3, events=3)
    known = render(clip, tmp_path / "sync.mov")
    _, shown = decode(tmp_path / "sync.mov")
    heard, rate = listen(tmp_path / "sync.mov")
    bright = shown.mean((1, 2, 3))
    flashes = np.flatnonzero(bright > np.median(bright) + 40)
    clicks = np.flatnonzero(np.abs(heard) > 0.45)
    clicks = clicks[np.diff(clicks, prepend=-(10**6)) > rate // 4]
    assert tuple(flashes) == known.flashes
    assert clicks / rate - flashes / 25 == pytest.approx(offset_s, abs=0.0001)
    assert known.av_offset_s == offset_s


def test_speech_file_is_laid_under_a_generated_picture(tmp_path):
    speech = Clip(shots=(Shot(2.0),), sounds=(Sound("tone", 0.5, 1.5, -10.0),), **SMALL)
    render(speech, tmp_path / "voice.mov")
    known = render_speech_clip(tmp_path / "voice.mov", tmp_path / "out.mkv", 4, offset_s=0.1)
    assert [tuple(sound) for sound in known.sounds] == [("speech", 0.1, 2.0, {"file": "voice.mov"})]
    heard, rate = listen(tmp_path / "out.mkv")
    assert np.flatnonzero(np.abs(heard) > 0.01)[0] / rate == pytest.approx(0.6, abs=0.002)
    assert len(heard) == 2 * rate


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Clip(shots=()), "no shot"),
        (lambda: Clip(shots=(Shot(1.0),), width=641), "odd"),
        (lambda: Clip(shots=(Shot(1.0, enter=Dissolve()),)), "dissolves from nothing"),
        (lambda: Clip(shots=(Shot(1.0), Shot(0.4, enter=Dissolve(1.0)))), "no room"),
        (lambda: Clip(shots=(Shot(1.0),), flashes=(1.0,)), "not one frame"),
        (lambda: Shot(1.0, texture="plush"), "plush"),
        (lambda: Shot(1.0, background="pink"), "pink"),
        (lambda: Sound("bang"), "bang"),
        (lambda: Sound("music"), "no tempo"),
        (lambda: Sound("tone", dbfs=3.0), "louder"),
        (lambda: list(frames(Clip(shots=(Shot(600.0, texture="noise", camera=Pan(5.0)),)))), "crosses"),
    ],
)
def test_contradictions_are_refused(make, problem):
    with pytest.raises(SceneError, match=problem):
        make()
