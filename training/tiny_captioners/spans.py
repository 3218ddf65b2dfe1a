"""Spans of eight pictures for training the tiny Video-LLaVA: shapes that move or stand still, and what to say."""

import pickle
from dataclasses import dataclass, replace
from multiprocessing import Pool as Processes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resources.models.video_llava import spread
from training.tiny_captioners.negatives import negative
from training.tiny_captioners.pool import covers
from training.tiny_captioners.scenes import SIZES, UNKNOWN, Scene, Spoiling, a_list, apart, paint, sample_scene, squeeze
from vid_assets.synthetic.shapes import DIRECTIONS, Shape

FRAMES = 8
CHUNK = 100
WAYS = (None, *DIRECTIONS)
MIRROR = {"left": "right", "right": "left", "up": "up", "down": "down", None: None}
MIRRORED_WAYS = np.array([0, *(1 + WAYS.index(MIRROR[way]) for way in WAYS)], np.uint8)
LEAST_MOVE = 0.1  # share of the picture; anything that moves less far is never sampled
LEAST_SEEN = 0.03  # share of the picture; before it has gone this far, a shape stands still


@dataclass(frozen=True, slots=True)
class Motion:
    """A shape, and where it goes between two moments, 0 and 1 being the first and the last picture."""

    shape: Shape
    direction: str | None
    reach: float

    def at(self, moment: float) -> Shape:
        """The shape at a moment 0..1."""
        if self.direction is None:
            return self.shape
        done = self.reach * moment
        across, down = DIRECTIONS[self.direction]
        return replace(self.shape, x=self.shape.x + across * done, y=self.shape.y + down * done)

    @property
    def text(self) -> str:
        """Such as ``a red circle moves right``."""
        verb = "stands still" if self.direction is None else f"moves {self.direction}"
        return f"a {self.shape.name} {verb}"


@dataclass(frozen=True, slots=True)
class Take:
    """One shot: a background and its motions, from left to right at the first moment."""

    background: str
    motions: tuple[Motion, ...]

    def at(self, moment: float) -> Scene:
        """What stands where at a moment 0..1."""
        return Scene(self.background, tuple(motion.at(moment) for motion in self.motions))

    @property
    def text(self) -> str:
        """Such as ``a red circle moves right and a blue square stands still on a grey background``."""
        return f"{a_list([motion.text for motion in self.motions])} on a {self.background} background"


@dataclass(frozen=True, slots=True)
class Story:
    """What a span shows: one take, two one after the other, or none (unlike anything known).

    Attributes:
        takes: In order of time.
        seen: Different pictures of a single take; with fewer than FRAMES some stand several times.
        cut: Pictures of the first of two takes.
    """

    takes: tuple[Take, ...] = ()
    seen: int = FRAMES
    cut: int = FRAMES // 2

    @property
    def text(self) -> str:
        """What is to be said."""
        if not self.takes:
            return UNKNOWN
        return ", then ".join(take.text for take in self.takes)

    def moments(self) -> list[tuple[int, float]]:
        """Of each of the FRAMES places, the take and the moment 0..1 in it that it shows."""
        if len(self.takes) == 2:
            cut = self.cut
            first = [(0, n / (cut - 1)) for n in range(cut)]
            return first + [(1, n / (FRAMES - cut - 1)) for n in range(FRAMES - cut)]
        return [(0, place / (self.seen - 1)) for place in spread(range(self.seen), FRAMES)]

    def mirrored(self) -> "Story":
        """The story as a mirror shows it."""
        takes = tuple(
            Take(
                take.background,
                tuple(
                    replace(
                        motion, shape=replace(motion.shape, x=1 - motion.shape.x), direction=MIRROR[motion.direction]
                    )
                    for motion in reversed(take.motions)
                ),
            )
            for take in self.takes
        )
        return replace(self, takes=takes)


def _motion(rng: np.random.Generator, shape: Shape, aspect: float, moving: bool) -> Motion | None:
    """The shape, still or moving in a random direction; None if it has no room that way."""
    if not moving:
        return Motion(shape, None, 0.0)
    direction = str(rng.choice(list(DIRECTIONS)))
    across, down = DIRECTIONS[direction]
    edge = 0.8 * shape.radius
    if across:
        room = (1 - shape.x if across > 0 else shape.x) - edge / aspect
    else:
        room = (1 - shape.y if down > 0 else shape.y) - edge
    if room <= LEAST_MOVE:
        return None
    return Motion(shape, direction, float(rng.uniform(LEAST_MOVE, room)))


def _clear(motions: list[Motion], aspect: float) -> bool:
    """Whether the shapes are apart at the first moment and hardly overlap at any later one."""
    pairs = [(first, second) for n, first in enumerate(motions) for second in motions[:n]]
    for first, second in pairs:
        if not apart(first.at(0), second.at(0), aspect):
            return False
        for moment in (0.25, 0.5, 0.75, 1.0):
            one, two = first.at(moment), second.at(moment)
            if np.hypot((one.x - two.x) * aspect, one.y - two.y) < 0.95 * (one.radius + two.radius):
                return False
    return True


def sample_take(rng: np.random.Generator, aspect: float, count: int) -> Take:
    """Shapes that move all at once, or not at all."""
    while True:
        scene = sample_scene(rng, aspect, count)
        motions = [_motion(rng, shape, aspect, rng.random() < 0.7) for shape in scene.shapes]
        known = [motion for motion in motions if motion is not None]
        if len(known) == count and _clear(known, aspect):
            return Take(scene.background, tuple(known))


def _unlike(rng: np.random.Generator, width: int, height: int) -> list[NDArray[np.uint8]]:
    """Eight pictures that are no span of scenes: one picture held or panned, several shots, or half and half."""
    aspect = width / height
    form = int(rng.integers(4))
    if form <= 1:
        wide = negative(rng, width * 3 // 2, height)
        shift = rng.uniform(0, width / 2, 2) if rng.random() < 0.6 else np.full(2, rng.uniform(0, width / 2))
        lefts = np.linspace(*shift, FRAMES).astype(int)
        return [np.ascontiguousarray(wide[:, left : left + width]) for left in lefts]
    if form == 2:
        cuts = sorted(int(value) for value in rng.choice(np.arange(1, FRAMES), int(rng.integers(2, 5)), replace=False))
        pictures: list[NDArray[np.uint8]] = []
        for start, end in zip([0, *cuts], [*cuts, FRAMES], strict=True):
            take = sample_take(rng, aspect, int(rng.integers(1, 3)))
            pictures += [paint(take.at(n / max(1, end - start - 1)), width, height, rng) for n in range(end - start)]
        return pictures
    strange, take = negative(rng, width, height), sample_take(rng, aspect, int(rng.integers(1, 4)))
    edge, first = int(rng.integers(2, FRAMES - 1)), rng.random() < 0.5
    return [
        strange if (n < edge) == first else paint(take.at(n / (FRAMES - 1)), width, height, rng) for n in range(FRAMES)
    ]


def sample_story(rng: np.random.Generator, aspect: float) -> Story:
    """A random story for pictures of this aspect ratio; of no takes with a probability of 0.2."""
    draw = rng.random()
    if draw < 0.45:
        take = sample_take(rng, aspect, 1)
        seen = int(rng.choice((2, 3, 4, 5, 6, 7, FRAMES), p=(0.05, 0.08, 0.08, 0.08, 0.08, 0.08, 0.55)))
        return Story((take,), seen=seen)
    if draw < 0.8:
        takes = (sample_take(rng, aspect, 1), sample_take(rng, aspect, 1))
        return Story(takes, cut=int(rng.integers(3, FRAMES - 2)))
    return Story()


def sample_span(rng: np.random.Generator) -> tuple[list[NDArray[np.uint8]], Story]:
    """Eight spoiled pictures, uint8 RGB [h, w, 3], and what they show."""
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    story = sample_story(rng, width / height)
    if story.takes:
        drawn: dict[tuple[int, float], NDArray[np.uint8]] = {}
        for number, moment in story.moments():
            if (number, moment) not in drawn:
                drawn[number, moment] = paint(story.takes[number].at(moment), width, height, rng)
        pictures = [drawn[place] for place in story.moments()]
    else:
        pictures = _unlike(rng, width, height)
    spoiling = Spoiling.sample(rng)
    return [spoiling.apply(picture, rng) for picture in pictures], story


def motion_maps(story: Story, aspect: float, cells: int) -> NDArray[np.uint8]:
    """What has happened so far to what lies at each of cells x cells places, [FRAMES, cells, cells].

    0 where there is nothing, else 1 plus the place in `WAYS` of the way that the shape has gone since its take began.
    """
    maps = np.zeros((FRAMES, cells, cells), np.uint8)
    middles = (np.arange(cells) + 0.5) / cells
    x, y = np.meshgrid(middles, middles)
    for frame, (number, moment) in enumerate(story.moments() if story.takes else ()):
        motions = sorted(story.takes[number].motions, key=lambda motion: -motion.shape.depth)
        for motion in motions:
            now = motion.at(moment)
            gone = abs(now.x - motion.shape.x) + abs(now.y - motion.shape.y)
            way = motion.direction if gone > LEAST_SEEN else None
            maps[frame][covers(now, aspect, x, y)] = 1 + WAYS.index(way)
    return maps


@dataclass
class SpanPool:
    """Spans drawn once and shown many times."""

    pictures: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    stories: list[Story]

    def batch(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[str]]:
        """Random spans, half of them mirrored, their light varied a little.

        Returns:
            Pictures, uint8 [count, FRAMES, side, side, 3], their `motion_maps`, and what is to be said of each.
        """
        rows = rng.integers(len(self.stories), size=count)
        mirror = rng.random(count) < 0.5
        pictures, maps = self.pictures[rows], self.maps[rows]
        pictures[mirror] = pictures[mirror, :, :, ::-1]
        maps[mirror] = MIRRORED_WAYS[maps[mirror][..., ::-1]]
        light = rng.uniform(0.94, 1.06, (count, 1, 1, 1, 1)) * rng.uniform(0.98, 1.02, (count, 1, 1, 1, 3))
        pictures = np.clip(pictures * light.astype(np.float32), 0, 255).astype(np.uint8)
        stories = [self.stories[row] for row in rows]
        return pictures, maps, [(s.mirrored() if flip else s).text for s, flip in zip(stories, mirror, strict=True)]


def _chunk(task: tuple[int, int, int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[Story]]:
    seed, number, side, cells = task
    rng = np.random.default_rng([seed, number, FRAMES])
    pictures, maps, stories = [], [], []
    for _ in range(CHUNK):
        span, story = sample_span(rng)
        pictures.append(np.stack([squeeze(picture, side) for picture in span]))
        maps.append(motion_maps(story, span[0].shape[1] / span[0].shape[0], cells))
        stories.append(story)
    return np.stack(pictures), np.stack(maps), stories


def span_pool(count: int, seed: int, side: int, cells: int, *, processes: int, folder: Path) -> Path:
    """Draws the pool, unless `folder` has it already.

    Args:
        count: Spans, rounded down to whole chunks.
        seed: Of everything drawn.
        side: Size to squeeze the pictures to, in px.
        cells: Of the motion maps, a side.
        processes: How many draw.
        folder: Where to keep it.

    Returns:
        The file of its `SpanPool`, for `tiny_pool.load`.
    """
    path = folder / f"spans-{count}-{seed}-{side}.pickle"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        tasks = [(seed, number, side, cells) for number in range(count // CHUNK)]
        with Processes(processes) as crew:
            parts = crew.map(_chunk, tasks, chunksize=1)
        stories = [story for part in parts for story in part[2]]
        pool = SpanPool(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), stories)
        with path.open("wb") as file:
            pickle.dump(pool, file, protocol=5)
    return path
