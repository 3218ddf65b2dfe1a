"""What to train, and the two trainings from the first picture to the folder in its place.

They run in processes of their own, which cannot import ``__main__`` of a package; so they stand here.
"""

# ruff: noqa: TID253  nothing imports this file but training

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from training.tiny_captioners import blip2 as tiny_blip2
from training.tiny_captioners import video_llava as tiny_video_llava
from training.tiny_captioners.card import finish_blip2, finish_video_llava
from training.tiny_captioners.pool import CHUNK, load, picture_pool
from training.tiny_captioners.spans import CHUNK as SPAN_CHUNK
from training.tiny_captioners.spans import span_pool

PICTURES, SPANS = 60_000, 14_000
BLIP2_STEPS, VIDEO_STEPS = (4000, 2200), (3000, 2500)
SIDES = {
    tiny_blip2.SIDE: tiny_blip2.GRID * tiny_blip2.CELLS,
    tiny_video_llava.SIDE: tiny_video_llava.GRID * tiny_video_llava.CELLS,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train, how long, and where to.

    Attributes:
        out: Folder for the checkpoints.
        scratch: Folder for what is being made.
        pool: Folder of the drawn pictures.
        seed: Of everything.
        scale: Share of pictures and steps.
    """

    out: Path
    scratch: Path
    pool: Path
    seed: int
    scale: float

    def steps(self, pair: tuple[int, int]) -> tuple[int, int]:
        """The steps of both stages, scaled."""
        return max(2, int(pair[0] * self.scale)), max(2, int(pair[1] * self.scale))

    def pictures(self, processes: int) -> dict[int, Path]:
        """Files of the pool of pictures, drawn if need be."""
        count = max(CHUNK, int(PICTURES * self.scale))
        return picture_pool(count, self.seed, SIDES, unlike=0.22, processes=processes, folder=self.pool)

    def spans(self, processes: int) -> Path:
        """File of the pool of spans, drawn if need be."""
        count, side = max(SPAN_CHUNK, int(SPANS * self.scale)), tiny_video_llava.SIDE
        return span_pool(count, self.seed, side, SIDES[side], processes=processes, folder=self.pool)

    @property
    def held_out(self) -> int:
        """Scenes or spans to measure on."""
        return max(20, int(500 * min(1.0, self.scale)))


def train_blip2(plan: Plan) -> None:
    """Trains, measures and puts in place the tiny BLIP-2, on one core."""
    torch.set_num_threads(1)
    folder = plan.scratch / "tiny_blip2"
    tiny_blip2.train(folder, load(plan.pictures(1)[tiny_blip2.SIDE]), plan.steps(BLIP2_STEPS), plan.seed)
    print(finish_blip2(folder, plan.held_out), flush=True)
    put(folder, plan.out / folder.name)


def train_video_llava(plan: Plan) -> None:
    """Trains, measures and puts in place the tiny Video-LLaVA, on one core."""
    torch.set_num_threads(1)
    folder = plan.scratch / "tiny_video_llava"
    pictures, spans = load(plan.pictures(1)[tiny_video_llava.SIDE]), load(plan.spans(1))
    tiny_video_llava.train(folder, pictures, spans, plan.steps(VIDEO_STEPS), plan.seed, batch=(64, 32))
    print(finish_video_llava(folder, plan.held_out), flush=True)
    put(folder, plan.out / folder.name)


MODELS: dict[str, Callable[[Plan], None]] = {"blip2": train_blip2, "video_llava": train_video_llava}


def put(made: Path, target: Path) -> None:
    """Puts the finished folder where the old one is; nobody ever sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = target.with_name(f".{target.name}-new"), target.with_name(f".{target.name}-old")
    shutil.copytree(made, fresh)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
