"""Drawn people of known pose and gaze: head and shoulders as a camera sees them, detailed enough for networks.

A head is drawn from the front with a depth for each of its places, that of an ellipsoid with a nose on it, and then
bent and turned in space, place by place. Lengths are in half widths of the face; eyes are `EYE_MM` wide with irises on
a ball of `BALL_MM`, as in the analyzer's docstring.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vid_assets.analyzers.eye_tracking import BALL_MM, EYE_MM, STRAIGHT_Y

UNIT = 100  # px of half a face's width where it is drawn
SIDE = 480
MIDDLE_Y = 215
EYE, APART = 0.42, 0.42  # width of an eye, and how far its middle is from that of the face
SKINS = ((224, 180, 152), (214, 168, 140), (198, 148, 118), (168, 116, 86), (120, 80, 58))
HAIRS = ((60, 40, 30), (30, 26, 26), (120, 84, 48), (150, 130, 100), (110, 105, 100))
IRISES = ((90, 60, 40), (60, 90, 110), (70, 95, 60), (50, 35, 28))

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Person:
    """What is drawn. Angles are in degrees: yaw to the picture's right, pitch down, roll clockwise.

    Attributes:
        x: Middle of the face, share of the picture's width.
        y: Middle of the face, share of its height.
        size: Height of the face, share of the picture's height.
        yaw: Of the head.
        pitch: Of the head.
        roll: Of the head.
        eye_yaw: Of the eyes in the head.
        eye_pitch: Of the eyes in the head.
        skin: Number of its colour.
        hair: Number of its colour.
        iris: Number of its colour.
        shirt: Its colour, RGB.
    """

    x: float = 0.5
    y: float = 0.45
    size: float = 0.5
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    eye_yaw: float = 0.0
    eye_pitch: float = 0.0
    skin: int = 1
    hair: int = 0
    iris: int = 0
    shirt: tuple[int, int, int] = (70, 80, 120)

    @property
    def gaze(self) -> Array:
        """Where the eyes look: right, down and towards the camera, before the head is leaned; of length 1."""
        across, down = np.sin(np.radians([self.eye_yaw, self.eye_pitch]))
        ahead = np.sqrt(1 - across**2 - down**2)
        y, p = np.radians([self.yaw, self.pitch])
        down, ahead = np.cos(p) * down + np.sin(p) * ahead, np.cos(p) * ahead - np.sin(p) * down
        return np.array([np.cos(y) * across + np.sin(y) * ahead, down, np.cos(y) * ahead - np.sin(y) * across])


def direction(yaw: float, pitch: float) -> Array:
    """The same of angles in degrees."""
    y, p = np.radians([yaw, pitch])
    return np.array([np.cos(p) * np.sin(y), np.sin(p), np.cos(p) * np.cos(y)])


def random_person(rng: np.random.Generator, *, turned: float = 1.0) -> Person:
    """A person of any looks; `turned` scales the angles of the head: 25 degrees of yaw, 12 of pitch, 20 of roll."""
    size = float(rng.uniform(0.35, 0.6))
    yaw, pitch, roll = (float(turned * rng.uniform(-most, most)) for most in (25, 12, 20))
    return Person(
        x=float(rng.uniform(0.35, 0.65)), y=float(rng.uniform(0.4, 0.5)), size=size, yaw=yaw, pitch=pitch, roll=roll,
        eye_yaw=float(rng.uniform(-25, 25)), eye_pitch=float(rng.uniform(-12, 12)),
        skin=int(rng.integers(len(SKINS))), hair=int(rng.integers(len(HAIRS))), iris=int(rng.integers(len(IRISES))),
        shirt=tuple(rng.integers(30, 200, 3).tolist()),
    )  # fmt: skip


def drawn(person: Person, ground: Picture) -> tuple[Picture, Array]:
    """The person before a background, uint8 RGB [h, w, 3], and the person's share of each pixel, [h, w]."""
    import cv2

    height, width = ground.shape[:2]
    scale = person.size * height / (2.6 * UNIT)
    middle = np.array([person.x * width, person.y * height])

    def placed(layer: Array, roll: float) -> Array:
        cos, sin = np.cos(np.radians(roll)) * scale, np.sin(np.radians(roll)) * scale
        turn = np.array([[cos, -sin], [sin, cos]])
        matrix = np.column_stack([turn, middle - turn @ [SIDE / 2, MIDDLE_Y]])
        # Halved until it is near its size: one step alone would alias.
        return cv2.warpAffine(cv2.GaussianBlur(layer, (0, 0), max(0.4 / scale, 0.6)), matrix, (width, height))

    picture, seen = ground.astype(np.float32), np.zeros((height, width, 1), np.float32)
    for layer, roll in ((_shoulders(person), 0.0), (_turned(_head(person), person), person.roll)):
        shown = placed(layer.astype(np.float32), roll)
        alpha = shown[..., 3:4]
        picture = picture * (1 - alpha) + shown[..., :3]
        seen = seen + alpha - seen * alpha
    return picture.clip(0, 255).round().astype(np.uint8), seen[..., 0]


class _Canvas:
    """Draws ellipses and lines, in half widths of the face from the middle of the eyes."""

    def __init__(self) -> None:
        self.picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        self.alpha = np.zeros((SIDE, SIDE), np.uint8)

    @staticmethod
    def at(x: float, y: float) -> tuple[int, int]:
        """In sixteenths of a px."""
        return round((SIDE / 2 + x * UNIT) * 16), round((MIDDLE_Y - 10 + y * UNIT) * 16)

    def oval(self, x: float, y: float, across: float, down: float, colour: tuple[int, ...]) -> None:
        import cv2

        axes = round(across * UNIT * 16), round(down * UNIT * 16)
        for target, value in ((self.picture, colour), (self.alpha, 255)):
            cv2.ellipse(target, self.at(x, y), axes, 0, 0, 360, value, -1, cv2.LINE_AA, 4)

    def line(self, points: list[tuple[float, float]], colour: tuple[int, ...], thick: float) -> None:
        import cv2

        corners = np.array([self.at(*point) for point in points], np.int32)
        cv2.polylines(self.picture, [corners], False, colour, max(round(thick * UNIT), 1), cv2.LINE_AA, 4)

    def layer(self) -> Array:
        """Colours times alpha, and alpha 0..1, [h, w, 4]."""
        alpha = self.alpha[..., None] / 255
        return np.concatenate([self.picture * alpha, alpha], axis=2)


def _tone(colour: tuple[int, ...], by: float) -> tuple[int, ...]:
    return tuple(min(round(value * by), 255) for value in colour)


def _shoulders(person: Person) -> Array:
    canvas, skin = _Canvas(), SKINS[person.skin]
    canvas.oval(0, 2.55, 2.0, 1.05, person.shirt)
    canvas.oval(0, 1.2, 0.45, 0.75, _tone(skin, 0.8))
    return canvas.layer()


def _head(person: Person) -> Array:
    """From the front."""
    canvas, skin, hair = _Canvas(), SKINS[person.skin], HAIRS[person.hair]
    dark, steps = _tone(skin, 0.78), np.linspace(-1, 1, 21)
    canvas.oval(0, -0.25, 1.1, 1.35, hair)
    for side in (-1, 1):
        canvas.oval(side, 0.05, 0.14, 0.28, _tone(skin, 0.9))
    canvas.oval(0, 0.1, 1.0, 1.3, skin)
    y, x = (np.mgrid[:SIDE, :SIDE] - np.array([MIDDLE_Y, SIDE / 2])[:, None, None]) / UNIT
    far = x**2 + (y / 1.3) ** 2
    inside = far < 1
    canvas.picture[inside] = (canvas.picture[inside] * (1.08 - 0.33 * far[inside])[:, None]).clip(0, 255)
    canvas.oval(0, -0.98, 0.86, 0.33, hair)
    for side in (-1, 1):
        _eye(canvas, side * APART, person, dark)
        brow = [(side * APART + 0.27 * t, -0.26 - 0.07 * (1 - t * t)) for t in steps]
        canvas.line(brow, _tone(hair, 0.8), 0.07)
        canvas.line([(0.1 * side, 0), (0.13 * side, 0.35), (0.2 * side, 0.47)], dark, 0.04)
    canvas.oval(0, 0.42, 0.13, 0.1, _tone(skin, 1.06))
    for side in (-1, 1):
        canvas.oval(0.09 * side, 0.52, 0.05, 0.03, _tone(skin, 0.45))
    canvas.oval(0, 0.84, 0.34, 0.07, (170, 90, 90))
    canvas.oval(0, 0.91, 0.26, 0.07, (185, 100, 100))
    canvas.line([(-0.34, 0.85), (0.34, 0.85)], (110, 50, 50), 0.016)
    return canvas.layer()


def _eye(canvas: _Canvas, x: float, person: Person, shadow: tuple[int, ...]) -> None:
    import cv2

    canvas.oval(x, -0.02, 0.3, 0.19, shadow)
    steps = np.linspace(-1, 1, 21)
    upper = [(x + EYE / 2 * t, -0.095 * (1 - t * t)) for t in steps]
    lower = [(x + EYE / 2 * t, 0.076 * (1 - t * t)) for t in steps[::-1]]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.array([canvas.at(*point) for point in upper + lower], np.int32)], 255, cv2.LINE_AA, 4)
    ball, mm = _Canvas(), EYE / EYE_MM
    ball.picture[:] = 235
    moved = BALL_MM * mm * np.sin(np.radians([person.eye_yaw, person.eye_pitch]))
    iris_x, iris_y = x + float(moved[0]), EYE * STRAIGHT_Y + float(moved[1])
    ball.oval(iris_x, iris_y, 6 * mm, 6 * mm, IRISES[person.iris])
    ball.oval(iris_x, iris_y, 2.6 * mm, 2.6 * mm, (15, 10, 10))
    ball.oval(iris_x + 0.02, iris_y - 0.02, 0.015, 0.015, (255, 255, 255))
    share = mask[..., None] / 255
    canvas.picture[:] = (canvas.picture * (1 - share) + ball.picture * share).round()
    canvas.line(upper, (40, 25, 20), 0.025)


def _turned(layer: Array, person: Person) -> Array:
    """The head bent, then turned."""
    y, x = (np.mgrid[:SIDE, :SIDE] - np.array([MIDDLE_Y, SIDE / 2])[:, None, None]) / UNIT
    depth = 1.1 * np.sqrt(np.maximum(1 - (x / 1.12) ** 2 - ((y + 0.15) / 1.5) ** 2, 0))
    depth += 0.25 * np.exp(-((x / 0.16) ** 2) - (np.where(y < 0.4, (y - 0.4) / 0.3, (y - 0.4) / 0.12)) ** 2)
    layer = np.concatenate([layer, depth[..., None]], axis=2)
    layer = _along(layer.swapaxes(0, 1), person.pitch, MIDDLE_Y).swapaxes(0, 1)
    return _along(layer, person.yaw, SIDE / 2)[..., :4]


def _along(layer: Array, degrees: float, middle: float) -> Array:
    """The layer, its depth last, turned in space so that its nearest places move along the rows, [h, w, 5]."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    away = np.arange(layer.shape[1]) - middle
    wanted = np.arange(layer.shape[1])
    result = np.zeros_like(layer)
    for number, row in enumerate(layer):
        depth = row[:, 4] * UNIT
        moved = middle + cos * away + sin * depth
        # Of places that come to lie behind others, only the others are seen.
        moved = np.maximum.accumulate(moved) if sin >= 0 else np.minimum.accumulate(moved[::-1])[::-1]
        moved = moved + np.arange(len(moved)) * 1e-9
        values = np.column_stack([row[:, :4], cos * row[:, 4] - sin * away / UNIT])
        for channel in range(5):
            result[number, :, channel] = np.interp(wanted, moved, values[:, channel])
    return result
