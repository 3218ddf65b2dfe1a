"""Generated clips to measure on: cuts, shapes and sound, each from its own seed, and text in all of them."""

from dataclasses import replace
from pathlib import Path

from vid_assets.synthetic.clips import Text, random_clip, render

FEATURES = frozenset({"cuts", "camera", "shapes", "sound", "speech_like"})


def make_clips(folder: Path, count: int, seconds: float, first_seed: int = 0) -> list[str]:
    """Writes clips; those that are there stay.

    Returns:
        Their paths.
    """
    folder.mkdir(exist_ok=True)
    paths = [folder / f"clip_{seed}.mp4" for seed in range(first_seed, first_seed + count)]
    for seed, path in enumerate(paths, first_seed):
        if not path.exists():
            # A text reader that finds nothing to read is never called.
            words = Text(f"Number {seed}", y=0.9, height=0.1)
            render(replace(random_clip(seed, duration_s=seconds, features=FEATURES), texts=(words,)), path)
    return [str(path) for path in paths]
