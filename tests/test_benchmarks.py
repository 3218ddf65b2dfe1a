"""The benchmarks decode as the project does, and compare rightly."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.baseline_worker import decode
from benchmarks.clips import repeated
from benchmarks.targets import met, slower
from vid_assets.media import identify, open_media
from vid_assets.synthetic.clips import Clip, Shot, Sound, render

FACTS = ("duration_s", "width", "height", "fps", "frame_count", "has_picture", "has_audio")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    shots = (Shot(1.0, texture="noise", seed=1), Shot(1.0, background="grey"))
    render(Clip(shots=shots, sounds=(Sound("tone", 0.5, 1.0),), width=160, height=90), path)
    return path


def test_the_replaced_architecture_decodes_alike(clip, tmp_path):
    media = open_media(clip, identify(clip).video_id, tmp_path / "scratch")
    found = decode(clip, ("video", "thumbs", "frames", "audio"), tmp_path)
    assert [getattr(found["video"], name) for name in FACTS] == [getattr(media.video, name) for name in FACTS]
    for name in ("thumbs", "frames"):
        ours, theirs = getattr(media, name), found[name]
        for part in ("array", "times_s", "indices", "lost"):
            np.testing.assert_array_equal(getattr(theirs, part), getattr(ours, part))
    assert media.audio is not None
    np.testing.assert_array_equal(found["audio"].samples, media.audio.samples)


def test_the_replaced_architecture_decodes_what_is_asked_for(clip, tmp_path):
    assert {"frames", "audio"} & set(decode(clip, ("frames",), tmp_path)) == {"frames"}
    (tmp_path / "sound").mkdir()
    assert "frames" not in decode(clip, ("audio",), tmp_path / "sound")
    (tmp_path / "nothing").mkdir()
    assert decode(clip, (), tmp_path / "nothing") == {}


def test_what_got_slower_is_named_with_both_figures():
    before = {"peers": {"loop": 2.0, "ray": 3.0}, "blocking_ratio": 1.0, "reuse_wait_s": [0.1], "loads": 1}
    now = {"peers": {"loop": 1.5, "ray": 2.9}, "blocking_ratio": 1.3, "reuse_wait_s": [9.0]}
    assert slower(before, now) == ["blocking_ratio: 1 before, 1.3 now", "peers loop: 2 before, 1.5 now"]
    assert slower(before, before) == []


def test_a_target_is_met_by_every_one_of_several_figures():
    assert met("peers", {"loop": 2.0, "ray": 2.5})
    assert not met("peers", {"loop": 2.0, "ray": 1.9})
    assert not met("reuse_wait_s", [0.0, 0.2])


def test_a_repeated_clip_plays_on_without_a_gap(clip, tmp_path):
    copied = tmp_path / "clip.mp4"
    copied.write_bytes(clip.read_bytes())
    once = open_media(clip, identify(clip).video_id, tmp_path / "scratch").video
    path = Path(repeated(str(copied), 3))
    thrice = open_media(path, identify(path).video_id, tmp_path / "scratch").video
    assert thrice.frame_count == 3 * once.frame_count
    assert thrice.duration_s == pytest.approx(3 * once.duration_s, abs=0.15)
    assert thrice.has_audio
