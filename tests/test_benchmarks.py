"""The benchmarks' own decoder gives what the project's gives."""

import numpy as np
import pytest

from benchmarks.baseline_worker import decode
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
