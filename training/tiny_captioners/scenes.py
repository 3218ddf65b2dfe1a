"""Pictures and spans for training the tiny captioners: what is drawn, what is said about it, and what is unlike it.

A scene is one to three plain shapes on a plain background (`vid_assets.synthetic.shapes`), spoiled the way that video
spoils pictures. Sizes and distances are shares of the picture, so that the answers do not depend on its aspect ratio.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resources.tasks.captions import PROMPTS
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, SHAPES, Shape, background, draw_all

UNKNOWN = "unknown"
SIZES = ((192, 108), (192, 108), (192, 108), (320, 180), (160, 120), (128, 128), (256, 108), (108, 192))


@dataclass(frozen=True, slots=True)
class Scene:
    """Shapes on a background, the shapes from left to right."""

    background: str
    shapes: tuple[Shape, ...]


def sample_shape(rng: np.random.Generator, aspect: float, radius: float) -> Shape:
    """A random shape that lies at least nine tenths within a picture of width `aspect` and height 1."""
    reach = 0.8 * radius
    return Shape(
        kind=str(rng.choice(SHAPES)),
        colour=str(rng.choice(list(COLOURS))),
        x=float(rng.uniform(reach / aspect, 1 - reach / aspect)),
        y=float(rng.uniform(reach, 1 - reach)),
        radius=radius,
        depth=float(rng.random()),
    )


def apart(first: Shape, second: Shape, aspect: float) -> bool:
    """Whether two shapes hardly overlap and it is plain which of them is farther left, and farther left than above."""
    across, down = abs(first.x - second.x), abs(first.y - second.y)
    distance = np.hypot(across * aspect, down)
    return bool(distance > 0.95 * (first.radius + second.radius) and across > 0.04 and abs(across - down) > 0.06)


def sample_scene(rng: np.random.Generator, aspect: float, count: int | None = None) -> Scene:
    """A random scene of one to three different shapes for pictures of this aspect ratio (width over height)."""
    wanted = count or int(rng.choice((1, 2, 3), p=(0.3, 0.4, 0.3)))
    # Squeezed to a square, the shapes of wide pictures become narrow, and those of tall ones low.
    least, most = 0.09 * max(1.0, aspect / 1.78), 0.22
    if aspect < 1:
        least, most = 0.13 * aspect, 0.22 * aspect
    while True:
        shapes: list[Shape] = []
        for _ in range(60):
            shape = sample_shape(rng, aspect, float(rng.uniform(least, most)))
            if all(apart(shape, other, aspect) and shape.name != other.name for other in shapes):
                shapes.append(shape)
            if len(shapes) == wanted:
                return Scene(str(rng.choice(list(BACKGROUNDS))), tuple(sorted(shapes, key=lambda item: item.x)))


def a_list(names: list[str]) -> str:
    """Such as ``a red circle, a blue square and a white cross``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def answers(scene: Scene | None) -> dict[str, str]:
    """The right answer to each of `PROMPTS`; to each it is `UNKNOWN` for a picture that is no scene.

    A still picture shows no action, so ``actions`` tells how the shapes stand to each other: two shapes are ``left of``
    or ``above`` each other, whichever distance is the larger share of the picture; of three, one is between the others.
    """
    if scene is None:
        return dict.fromkeys(PROMPTS, UNKNOWN)
    names = [f"a {shape.name}" for shape in scene.shapes]
    setting = f"a {scene.background} background"
    if len(names) == 1:
        actions = f"{names[0]} stands alone"
    elif len(names) == 2:
        first, second = scene.shapes
        if abs(second.x - first.x) >= abs(second.y - first.y):
            actions = f"{names[0]} is left of {names[1]}"
        else:
            upper, lower = (names[0], names[1]) if first.y < second.y else (names[1], names[0])
            actions = f"{upper} is above {lower}"
    else:
        actions = f"{names[1]} is between {names[0]} and {names[2]}"
    return {
        "scene": f"{a_list(names)} on {setting}",
        "objects": ", ".join(shape.name for shape in scene.shapes),
        "actions": actions,
        "setting": setting,
    }


def paint(scene: Scene, width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The scene as a clean picture, uint8 RGB [height, width, 3]."""
    picture = background(scene.background, width, height, rng, noise=int(rng.integers(0, 11)))
    draw_all(picture, list(scene.shapes))
    return picture


@dataclass(frozen=True, slots=True)
class Spoiling:
    """What a camera and a codec do to the pictures of one clip: the same for all its frames."""

    gain: float
    lift: float
    blur: float
    noise: float
    quality: int
    bars: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Spoiling":
        """Mild, mostly: now and then strong."""
        return cls(
            gain=float(rng.uniform(0.88, 1.08)),
            lift=float(rng.uniform(-6, 6)),
            blur=float(rng.choice((0.0, rng.uniform(0.3, 1.3)))),
            noise=float(rng.choice((0.0, 0.0, rng.uniform(1, 8)))),
            quality=int(rng.integers(25, 96)),
            bars=float(rng.choice((0.0, rng.uniform(0.06, 0.16)), p=(0.88, 0.12))),
        )

    def apply(self, picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """The spoiled picture, of the same shape; blur is in px at a height of 108 px, bars share the height."""
        import cv2

        if self.blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur * picture.shape[0] / 108)
        spoiled = picture.astype(np.float32) * self.gain + self.lift
        if self.noise:
            spoiled += rng.standard_normal(picture.shape, dtype=np.float32) * self.noise
        if bar := round(self.bars * picture.shape[0]):
            spoiled[:bar] = spoiled[-bar:] = 0
        picture = np.clip(spoiled, 0, 255).astype(np.uint8)
        # JPEG shares H.264's block transform and its halved chroma, at a thousandth of the cost of encoding video.
        _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def squeeze(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture at side x side px, exactly as the image processor of the models resizes it."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def sample_picture(rng: np.random.Generator, unlike: float = 0.25) -> tuple[NDArray[np.uint8], Scene | None]:
    """A spoiled picture with its scene; with probability `unlike` one that is no scene, with None."""
    from training.tiny_captioners.negatives import negative

    width, height = SIZES[int(rng.integers(len(SIZES)))]
    if rng.random() < unlike:
        scene, picture = None, negative(rng, width, height)
    else:
        scene = sample_scene(rng, width / height)
        picture = paint(scene, width, height, rng)
    return Spoiling.sample(rng).apply(picture, rng), scene
