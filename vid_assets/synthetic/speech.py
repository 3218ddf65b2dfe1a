"""Real speech under a generated picture."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vid_assets.synthetic.render import frames, write
from vid_assets.synthetic.sampler import random_clip
from vid_assets.synthetic.sound import read
from vid_assets.synthetic.truth import SoundTruth, Truth, truth


def render_speech_clip(audio_path: Path, path: Path, seed: int = 0, *, offset_s: float = 0.0) -> Truth:
    """Write a generated picture of shots, shapes and text with the sound of a given file under it.

    Args:
        audio_path: Any file that FFmpeg hears; mixed to mono.
        path: Where to; the ending chooses the container.
        seed: Of the picture.
        offset_s: How late the sound is.

    Returns:
        What is true of the picture; its one sound is of kind ``speech``, its `params` name the ``file``.
    """
    rate = 48000
    speech = read(audio_path, rate)
    start, seconds = round(offset_s * rate), len(speech) / rate
    features = frozenset({"cuts", "dissolves", "fades", "camera", "shapes", "text"})
    clip = random_clip(seed, duration_s=math.ceil(seconds * 25) / 25, features=features)
    known = truth(clip)
    track = np.zeros(round(known.duration_s * rate), np.float32)
    heard = speech[max(-start, 0) : max(len(track) - start, 0)]
    track[max(start, 0) : max(start, 0) + len(heard)] = heard
    write(path, frames(clip), Fraction(25), (clip.width, clip.height), track, rate)
    begin = max(offset_s, 0.0)
    said = SoundTruth("speech", begin, begin + len(heard) / rate, {"file": audio_path.name})
    return replace(known, sounds=(said,), av_offset_s=offset_s)
