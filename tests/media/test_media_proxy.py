"""The proxy: made for what browsers may not play, on the timeline of the streams, in the same pass."""

import av  # noqa: TID253
import numpy as np
import pytest

from tests.kit.media_files import VideoTrack, mux, tone, write
from vid_assets.media import MediaSettings, identify, open_media, proxy
from vid_assets.media.playable import obstacle
from vid_assets.media.proxy import ProxyPictures, proxy_size, write_proxy

OFF = MediaSettings(proxy=False)


def opened(path, settings=None):
    return open_media(path, identify(path).video_id, path.parent / "scratch", settings)


def decoded(file):
    """Times and mean brightness of the pictures; times and level of the sound, by packet."""
    with av.open(str(file)) as container:
        pictures = [(float(frame.time), frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    with av.open(str(file)) as container:
        sounds = [
            (float(frame.time), float(np.abs(frame.to_ndarray()).mean()))
            for frame in (container.decode(audio=0) if container.streams.audio else ())
        ]
    return pictures, sounds


def test_nothing_is_made_where_it_is_switched_off_or_not_needed(tmp_path):
    film = write(tmp_path / "a.mp4", stamps=range(10), pixels="yuv420p", codec="libx264")
    odd = write(tmp_path / "b.mkv", stamps=range(10))
    assert opened(film).proxy is None
    assert opened(odd, OFF).proxy is None


def test_pictures_and_sound_keep_their_times(tmp_path):
    # the sound starts a second before the pictures, which come in an uneven rhythm and get brighter
    stamps = [25, 26, 30, 31, 40, 60, 61, 74]
    sounds = [(0.0, np.zeros_like(tone(1, 440))), (1.0, tone(2, 440))]
    odd = write(tmp_path / "a.mkv", stamps=stamps, sounds=sounds)
    media = opened(odd)
    assert media.decode_passes == 1
    pictures, heard = decoded(media.proxy)
    assert [time_s for time_s, _ in pictures] == pytest.approx(media.thumbs.times_s.tolist(), abs=1e-4)
    light = media.thumbs.array.mean((1, 2, 3))
    assert np.corrcoef([value for _, value in pictures], light)[0, 1] > 0.99
    levels = np.array(heard)
    assert levels[(levels[:, 0] > 0.1) & (levels[:, 0] < 0.9), 1].max() < 0.01
    assert levels[(levels[:, 0] > 1.1) & (levels[:, 0] < 2.8), 1].min() > 0.01


def test_sound_alone(tmp_path):
    path = tmp_path / "a.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray((tone(2, 440) * 30000).astype(np.int16), "s16", "mono")
        frame.sample_rate = 48000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    media = opened(path)
    with av.open(str(media.proxy)) as container:
        assert [stream.type for stream in container.streams] == ["audio"]
        assert container.duration / av.time_base == pytest.approx(media.video.duration_s, abs=0.1)


def test_asked_for_later_it_is_made_by_another_decode(tmp_path):
    odd = write(tmp_path / "a.mkv", stamps=range(10))
    before = opened(odd, OFF)
    held = opened(odd)
    assert held.proxy is None, "the streams are in use"
    assert held.reused
    before.close()
    held.close()
    made = opened(odd)
    assert made.proxy is not None
    made.close()
    again = opened(odd)
    assert again.reused
    assert again.proxy == made.proxy


def test_it_changes_no_stream(tmp_path):
    odd = write(tmp_path / "a.mkv", stamps=range(10))
    assert OFF.digest == MediaSettings().digest
    plain = opened(odd, OFF)
    frames = plain.frames.array.copy()
    plain.close()
    assert np.array_equal(opened(odd).frames.array, frames)


@pytest.mark.parametrize(("width", "height"), [(2, 2), (6, 1200), (1200, 6), (321, 181)])
def test_odd_sizes_are_encoded(tmp_path, width, height):
    picture = np.full((height, width, 3), (200, 100, 50), np.uint8)
    odd = mux(tmp_path / "a.mkv", VideoTrack(pictures=[picture] * 5, codec="ffv1", pixels="bgr0"))
    media = opened(odd)
    pictures, _ = decoded(media.proxy)
    assert [time_s for time_s, _ in pictures] == pytest.approx(media.thumbs.times_s.tolist(), abs=1e-4)
    assert media.warnings == ()


def test_a_build_without_the_encoder_loses_the_copy_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(proxy, "_ENCODER", "no_such_encoder")
    pictures = ProxyPictures(tmp_path, (320, 180), 1)
    for _ in range(3):
        pictures.add(np.zeros((180, 320, 3), np.uint8))
    files, problem = write_proxy(tmp_path, pictures, np.arange(3) / 25, 0.12)
    assert files == {}
    assert "no_such_encoder" in problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("size", "small"), [((1920, 1080), (640, 360)), ((321, 181), (320, 180)), ((1, 1), (2, 2)), ((90, 4000), (14, 640))]
)
def test_sizes(size, small):
    assert proxy_size(*size) == small


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (("mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac", "yuv420p"), ""),
        (("mov,mp4,m4a,3gp,3g2,mj2", "libdav1d", None, "yuv420p10le"), ""),
        (("matroska,webm", "libvpx-vp9", "libopus", "yuv420p"), ""),
        (("mp3", None, "mp3float", None), ""),
        (("mov,mp4,m4a,3gp,3g2,mj2", "hevc", "aac", "yuv420p"), "the codec of its picture, hevc"),
        (("mov,mp4,m4a,3gp,3g2,mj2", "h264", "ac3", "yuv420p"), "the codec of its sound, ac3"),
        (("mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac", "yuv422p10le"), "the pixel format of its picture, yuv422p10le"),
        (("matroska,webm", "h264", "aac", "yuv420p"), "the codec of its picture, h264"),
        (("avi", "mpeg4", "mp3", "yuv420p"), "its container, avi"),
    ],
)
def test_what_browsers_play(file, problem):
    assert obstacle(*file) == problem
