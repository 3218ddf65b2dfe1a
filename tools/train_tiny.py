"""Trains the tiny captioners that profile ``offline`` uses, on generated scenes, on a CPU, from one seed.

``python -m tools.train_tiny`` draws the training pictures, trains both models, fits their rules of refusal, measures
them on held-out scenes, and writes ``resources/weights/tiny_blip2`` and ``resources/weights/tiny_video_llava`` with a
``card.json`` and checksums each. ``--only`` does one of them; ``--scale 0.01`` is a quick rehearsal.
"""

# ruff: noqa: TID253  nothing imports this file but training

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import torch

from resources.catalog import WEIGHTS
from tools import tiny_blip2, tiny_video_llava
from tools.tiny_card import finish_blip2, finish_video_llava
from tools.tiny_pool import CHUNK, picture_pool
from tools.tiny_spans import span_pool

PICTURES, SPANS = 24_000, 8_000
BLIP2_STEPS, VIDEO_STEPS = (2500, 2000), (2500, 3000)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the two checkpoints")
    parser.add_argument("--only", choices=("blip2", "video_llava"), help="train just this one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="share of pictures and steps")
    parser.add_argument("--pool", type=Path, help="keep the drawn pictures here, to use them again")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="tiny-") as scratch:
        train(options, options.pool or Path(scratch), Path(scratch))


def train(options: argparse.Namespace, kept: Path, scratch: Path) -> None:
    """Draws, trains, measures; a finished checkpoint replaces the old one."""
    start = time.perf_counter()
    scale, seed, processes = options.scale, options.seed, options.threads
    count = max(CHUNK, int(PICTURES * scale))
    sides = {tiny_blip2.SIDE: tiny_blip2.GRID * tiny_blip2.CELLS, tiny_video_llava.SIDE: 4 * tiny_video_llava.GRID}
    pools = picture_pool(count, seed, sides, unlike=0.22, processes=processes, folder=kept)
    print(f"{count} pictures drawn, {time.perf_counter() - start:.0f} s", flush=True)

    def steps(pair: tuple[int, int]) -> tuple[int, int]:
        return max(2, int(pair[0] * scale)), max(2, int(pair[1] * scale))

    if options.only != "video_llava":
        folder = scratch / "tiny_blip2"
        tiny_blip2.train(folder, pools[tiny_blip2.SIDE], steps(BLIP2_STEPS), seed)
        print(finish_blip2(folder, max(20, int(500 * min(scale, 1)))), flush=True)
        replace(folder, options.out / folder.name)
    if options.only != "blip2":
        folder = scratch / "tiny_video_llava"
        side, cells = tiny_video_llava.SIDE, sides[tiny_video_llava.SIDE]
        spans = span_pool(max(100, int(SPANS * scale)), seed, side, cells, processes=processes, folder=kept)
        tiny_video_llava.train(folder, pools[side], spans, steps(VIDEO_STEPS), seed, batch=(64, 32))
        print(finish_video_llava(folder, max(20, int(500 * min(scale, 1)))), flush=True)
        replace(folder, options.out / folder.name)
    print(f"done, {time.perf_counter() - start:.0f} s", flush=True)


def replace(made: Path, target: Path) -> None:
    """Puts the finished folder where the old one is."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, target)


if __name__ == "__main__":
    main()
