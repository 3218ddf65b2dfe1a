"""Generated clips to measure on: cuts, shapes and sound, each from its own seed, and text in all of them."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vid_assets.synthetic.clips import Text, random_clip, render

FEATURES = frozenset({"cuts", "camera", "shapes", "sound", "speech_like"})


def make_clips(
    folder: Path, count: int, seconds: float, first_seed: int = 0, size: tuple[int, int] = (640, 360)
) -> list[str]:
    """Writes clips; those that are there stay.

    Args:
        folder: Where to.
        count: How many.
        seconds: Length of each.
        first_seed: Seed of the first; each has the next.
        size: Width and height in px.

    Returns:
        Their paths.
    """
    folder.mkdir(exist_ok=True)
    paths = [folder / f"clip_{seed}.mp4" for seed in range(first_seed, first_seed + count)]
    for seed, path in enumerate(paths, first_seed):
        if not path.exists():
            # A text reader that finds nothing to read is never called.
            words = Text(f"Number {seed}", y=0.9, height=0.1)
            clip = random_clip(seed, duration_s=seconds, width=size[0], height=size[1], features=FEATURES)
            render(replace(clip, texts=(words,)), path)
    return [str(path) for path in paths]


def repeated(clip: str, times: int) -> str:
    """Writes a clip several times in a row, without encoding.

    Returns:
        The path of the long one.
    """
    import av

    path = Path(clip).with_name(f"{Path(clip).stem}_x{times}.mp4")
    with av.open(str(path), "w") as written:
        outputs: dict[int, Any] = {}
        last: dict[int, int] = {}
        for turn in range(times):
            with av.open(clip) as read:
                for stream in read.streams:
                    if stream.index not in outputs:
                        outputs[stream.index] = written.add_stream_from_template(stream)
                length = Fraction(read.duration or 0, av.time_base)
                for packet in read.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    index, later = packet.stream.index, round(turn * length / packet.time_base)
                    packet.dts, packet.pts = packet.dts + later, packet.pts + later
                    # the sound of a clip begins before its time 0, where the turn before may still sound
                    if packet.dts > last.get(index, packet.dts - 1):
                        last[index] = packet.dts
                        packet.stream = outputs[index]
                        written.mux(packet)
    return str(path)
