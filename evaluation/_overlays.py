"""Clips with text as broadcasts and lectures show it, drawn from a seed, with the exact truth of each line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tests.kit.scene_streams import Streams, streams
from vid_assets.synthetic.clips import PALETTES, TEXTURES, Clip, Pan, Shot, Static, Tilt, Zoom, frames

WIDTH, HEIGHT, FPS = 640, 360, 8
FONTS = ("aileron", "rubik", "rubik-bold", "rubik-italic", "hershey")
WORDS = (  # noqa: SIM905
    "harbour camera episode chapter weather report river street market morning evening written directed produced "
    "people came from the old town to see what they had lost and nobody could say where it went after winter "
    "station platform flight gate museum library garden bridge island window yellow quiet journey zebra jazz kitchen "
    "always before because children different example follow great house important just know little mountain number"
).split()
NAMES = ("Anna Novak", "Peter Okafor", "Maria Lindqvist", "Tom Becker", "Yuki Tanaka", "Sara Haddad")
ROLES = ("Chief economist", "Harbour master", "Professor of history", "Eyewitness", "Mayor of Bremen", "Head coach")
CITIES = ("Berlin", "Paris", "London", "Madrid", "Oslo", "Vienna", "Rome", "Lisbon")
COLOURS = ((255, 255, 255), (255, 230, 60), (240, 240, 240), (90, 220, 255))

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is drawn: `ground` is ``outline``, ``plate`` (a plain bar behind it) or ``none``."""

    font: str
    colour: tuple[int, int, int]
    ground: str
    plate: tuple[int, int, int] = (20, 30, 60)


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the truth: `box` x0 y0 x1 y1 of its ink in shares.

    Of a line that scrolls, `text` is what came wholly into the picture, `whole` all of it, and `box` the band.
    """

    text: str
    start_s: float
    end_s: float
    box: Box
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A line to draw.

    Attributes:
        text: What it says.
        start_s: When it comes; with a `ramp`, when half of it has come.
        end_s: When it goes; with a `ramp`, when half of it has gone.
        left: First column of its ink at the start, px.
        top: First row of its ink, px.
        height: Height of its capitals, px.
        style: How it looks.
        ramp: Seconds in which it fades in, and out.
        speed: Px to the left per second.
    """

    text: str
    start_s: float
    end_s: float
    left: int
    top: int
    height: int
    style: Style
    ramp: float = 0.0
    speed: float = 0.0

    def opacity(self, time_s: float) -> float:
        """How much of it covers what is behind it, 0..1."""
        inside = min(time_s + 1e-6 - self.start_s, self.end_s - time_s - 1e-6)
        return float(np.clip(0.5 + inside / self.ramp, 0, 1)) if self.ramp else float(inside >= 0)


@dataclass(frozen=True, slots=True)
class OverlayClip:
    """A clip of one kind, as the streams that analyzers get, and the lines that it shows."""

    kind: str
    source: Streams
    lines: tuple[Shown, ...]


@lru_cache(maxsize=1024)
def ink(text: str, font: str, height: int) -> NDArray[np.uint8]:
    """The letters' alpha, uint8 [h, w] without margin; capitals are `height` px high."""
    import cv2
    from PIL import Image, ImageDraw, ImageFont

    wide, tall = int(1.2 * height * len(text)) + 40, 3 * height + 40
    canvas = np.zeros((tall, wide), np.uint8)
    if font == "aileron":
        face = ImageFont.load_default(size=1.4 * height)
        image = Image.new("L", (wide, tall))
        ImageDraw.Draw(image).text((10, 10), text, fill=255, font=face)
        canvas = np.array(image)
    elif font == "hershey":
        face = cv2.FONT_HERSHEY_DUPLEX
        scale = cv2.getFontScaleFromHeight(face, height, 1)
        cv2.putText(canvas, text, (10, 2 * height + 10), face, scale, 255, max(1, round(height / 12)), cv2.LINE_AA)
    else:
        face = cv2.FontFace("italic" if font == "rubik-italic" else "sans")
        weight = 700 if font == "rubik-bold" else 400
        cv2.putText(canvas, text, (10, 2 * height + 10), 255, face, round(1.4 * height), weight)
    rows, columns = np.flatnonzero(canvas.max(1) > 100), np.flatnonzero(canvas.max(0) > 100)
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def draw(picture: Picture, overlay: Overlay, time_s: float) -> None:
    """Draw a line into the picture, in place; what lies beyond its edges is cut off."""
    import cv2

    letters = ink(overlay.text, overlay.style.font, overlay.height)
    margin = max(3, overlay.height // 3)
    mask = cv2.copyMakeBorder(letters, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    left = overlay.left - margin - round(overlay.speed * (time_s - overlay.start_s))
    top = overlay.top - margin
    x0, x1 = max(left, 0), min(left + mask.shape[1], WIDTH)
    y0, y1 = max(top, 0), min(top + mask.shape[0], HEIGHT)
    if x0 >= x1 or y0 >= y1:
        return
    mask = mask[y0 - top : y1 - top, x0 - left : x1 - left]
    part = picture[y0:y1, x0:x1].astype(np.float32)
    opacity = np.float32(overlay.opacity(time_s))
    style = overlay.style
    if style.ground == "outline":
        side = 2 * max(1, round(overlay.height / 12)) + 1
        around = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
        part *= 1 - opacity * around[..., None].astype(np.float32) / 255
    if style.ground == "plate":
        part += (np.array(style.plate, np.float32) - part) * opacity
    part += (np.array(style.colour, np.float32) - part) * (opacity * mask[..., None].astype(np.float32) / 255)
    picture[y0:y1, x0:x1] = np.clip(part, 0, 255).astype(np.uint8)


def ground(rng: np.random.Generator, seconds: float, moving: bool | None = None) -> Clip:
    """A background: plain, a still texture, or one under a moving camera."""
    moving = bool(rng.random() < 0.5) if moving is None else moving
    rate = float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.2))
    camera = (Pan(rate), Tilt(rate), Zoom(0.5 * abs(rate)))[int(rng.integers(3))] if moving else Static()
    plain = not moving and rng.random() < 0.3
    shot = Shot(
        seconds, texture=None if plain else str(rng.choice(TEXTURES)), palette=int(rng.integers(len(PALETTES))),
        background=str(rng.choice(["black", "grey", "brown"])), seed=int(rng.integers(2**31)), camera=camera,
    )  # fmt: skip
    return Clip(shots=(shot,), width=WIDTH, height=HEIGHT, fps=FPS)


def compressed(picture: Picture, quality: int) -> Picture:
    """The picture after a lossy coding and back."""
    import cv2

    _, coded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1])


def style_of(rng: np.random.Generator, ground_kind: str | None = None) -> Style:
    """A random one that can be read on any background."""
    colour = COLOURS[int(rng.integers(len(COLOURS)))]
    plates = ((20, 30, 60), (120, 10, 20), (0, 0, 0), (10, 80, 60))
    kind = ground_kind or str(rng.choice(["outline", "plate"]))
    return Style(str(rng.choice(FONTS)), colour, kind, plates[int(rng.integers(len(plates)))])


def sentence(rng: np.random.Generator, words: int) -> str:
    """Some words in a row."""
    return " ".join(rng.choice(WORDS, words).tolist())


def overlay(
    text: str, span: tuple[float, float], at: tuple[float, float], height: int, style: Style, anchor: str = "middle"
) -> Overlay:
    """A line at `at`, shares of the picture: of its middle, or of its left end."""
    tall, wide = ink(text, style.font, height).shape
    left = round(at[0] * WIDTH - (wide / 2 if anchor == "middle" else 0))
    return Overlay(text, *span, left, round(at[1] * HEIGHT - tall / 2), height, style)


def shown(line: Overlay) -> Shown:
    """The truth of a line that stands still."""
    tall, wide = ink(line.text, line.style.font, line.height).shape
    box = line.left / WIDTH, line.top / HEIGHT, (line.left + wide) / WIDTH, (line.top + tall) / HEIGHT
    return Shown(line.text, line.start_s, line.end_s, box)


def back_to_back(texts: list[str], start: float, lengths: list[float]) -> list[tuple[str, tuple[float, float]]]:
    """Each text with its span, one after the other without a pause."""
    ends = start + np.cumsum(lengths)
    return [(text, (float(end - length), float(end))) for text, end, length in zip(texts, ends, lengths, strict=True)]


def subtitles(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """One after the other at the bottom, without a pause."""
    style, height = style_of(rng), int(rng.integers(14, 22))
    lengths = rng.uniform(1.1, 2.4, 20).tolist()
    count = int(np.searchsorted(np.cumsum(lengths), seconds - 1))
    texts = [sentence(rng, int(rng.integers(2, 6))) for _ in range(count)]
    spans = back_to_back(texts, float(rng.uniform(0.1, 0.9)), lengths[:count])
    return [overlay(text, span, (0.5, 0.88), height, style) for text, span in spans]


def lower_third(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """A name over a role, twice."""
    style, height, lines = style_of(rng, "plate"), int(rng.integers(15, 22)), []
    for start in (0.7, seconds / 2 + 0.3):
        span = start + float(rng.uniform(0, 0.4)), start + float(rng.uniform(2.5, 3.8))
        lines.append(overlay(str(rng.choice(NAMES)), span, (0.08, 0.76), height, style, "left"))
        lines.append(overlay(str(rng.choice(ROLES)), span, (0.08, 0.85), round(0.75 * height), style, "left"))
    return lines


def score(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """A score that changes by one goal now and then, in a corner."""
    style, height = style_of(rng, "plate"), int(rng.integers(12, 18))
    home, away, lines = 0, 0, []
    names = rng.choice(["HAM", "BRE", "KOL", "DOR", "WOB"], 2, replace=False)
    lengths = rng.uniform(1.6, 3.2, 10).tolist()
    count = int(np.searchsorted(np.cumsum(lengths), seconds))
    for _, span in back_to_back([""] * count, 0.0, lengths[:count]):
        lines.append(overlay(f"{names[0]} {home} - {away} {names[1]}", span, (0.06, 0.09), height, style, "left"))
        home, away = (home + 1, away) if rng.random() < 0.5 else (home, away + 1)
    return lines


def clock(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """A running clock in a corner, a new text every second."""
    style, height, first = style_of(rng), int(rng.integers(13, 22)), int(rng.integers(0, 86000))
    phase = float(rng.uniform(0, 1))
    lines = []
    for second in range(int(seconds) + 1):
        now = first + second
        text = f"{now // 3600:02}:{now // 60 % 60:02}:{now % 60:02}"
        span = max(second - phase, 0.0), min(second + 1 - phase, seconds)
        if span[1] - span[0] >= 0.6:
            lines.append(overlay(text, span, (0.72, 0.1), height, style, "left"))
    return lines


def temperatures(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """Towns and their temperatures, all of which change at once."""
    style, height = style_of(rng), int(rng.integers(13, 18))
    change = float(rng.uniform(0.4, 0.6)) * seconds
    lines = []
    for row, city in enumerate(rng.choice(CITIES, 4, replace=False)):
        warm = int(rng.integers(11, 30))
        for span, value in (((0.0, change), warm), ((change, seconds), warm + int(rng.integers(1, 9)))):
            lines.append(overlay(f"{city} {value}", span, (0.2 + 0.35 * (row % 2), 0.3 + 0.3 * (row // 2)), height,
                                 style, "left"))  # fmt: skip
    return lines


def slide(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """A slide that gains a line every second or two."""
    dark = rng.random() < 0.5
    style = Style(str(rng.choice(FONTS)), (245, 245, 245) if dark else (250, 220, 120), "none")
    lines = [overlay(sentence(rng, 2).title(), (0.0, seconds), (0.1, 0.15), 24, style, "left")]
    for row in range(5):
        start = 1.0 + 1.5 * row + float(rng.uniform(0, 0.6))
        if start < seconds - 1:
            text = f"{row + 1}. {sentence(rng, int(rng.integers(2, 5)))}"
            lines.append(overlay(text, (start, seconds), (0.12, 0.32 + 0.12 * row), 16, style, "left"))
    return lines


def small(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """Lines whose capitals are 9 to 11 px high, one after the other at several places."""
    lines = []
    for row in range(3):
        start = 0.5 + row * seconds / 3
        span = start, start + float(rng.uniform(1.2, seconds / 3))
        at = float(rng.uniform(0.06, 0.4)), float(rng.uniform(0.1, 0.9))
        lines.append(overlay(sentence(rng, 4), span, at, int(rng.integers(9, 12)), style_of(rng), "left"))
    return lines


def fading(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """Titles that fade in and out."""
    lines = []
    for row in range(2):
        start, length = 0.5 + row * seconds / 2, float(rng.uniform(2.5, seconds / 2 - 0.5))
        line = overlay(sentence(rng, 3).title(), (start, start + length), (0.5, 0.5), int(rng.integers(20, 30)),
                       style_of(rng, "outline"))  # fmt: skip
        lines.append(replace(line, ramp=float(rng.uniform(0.5, 1.0))))
    return lines


def titles(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """Titles in different places, with pauses."""
    lines, start = [], 0.4
    while start < seconds - 1.5:
        end = start + float(rng.uniform(1.2, 3.0))
        at = float(rng.uniform(0.35, 0.65)), float(rng.uniform(0.15, 0.85))
        lines.append(overlay(sentence(rng, 2).upper(), (start, min(end, seconds)), at, int(rng.integers(16, 30)),
                             style_of(rng)))  # fmt: skip
        start = end + float(rng.uniform(0.3, 1.0))
    return lines


def ticker(rng: np.random.Generator, seconds: float) -> list[Overlay]:
    """One long line that scrolls along the bottom."""
    style = style_of(rng, "plate")
    text = " +++ ".join(sentence(rng, int(rng.integers(3, 5))).capitalize() for _ in range(3))
    line = Overlay(text, 0.0, seconds, WIDTH - 80, round(0.9 * HEIGHT), 15, style, speed=float(rng.uniform(50, 110)))
    return [line]


def scrolled(line: Overlay, seconds: float) -> Shown:
    """The truth of a ticker: what of its words came wholly into the picture, in a band over the whole width."""
    text, left = [], line.left - line.speed * (seconds - 0.5)
    for end in range(1, len(line.text) + 1):
        if end < len(line.text) and line.text[end] != " ":
            continue
        if left + ink(line.text[:end], line.style.font, line.height).shape[1] < WIDTH:
            text = line.text[:end]
    tall = ink(line.text, line.style.font, line.height).shape[0]
    return Shown(str(text), 0.0, seconds, (0.0, line.top / HEIGHT, 1.0, (line.top + tall) / HEIGHT), whole=line.text)


KINDS: dict[str, Callable[[np.random.Generator, float], list[Overlay]]] = {
    "back-to-back subtitles": subtitles,
    "lower thirds": lower_third,
    "scores": score,
    "running clocks": clock,
    "temperatures": temperatures,
    "slides that build up": slide,
    "small text": small,
    "text that fades": fading,
    "titles": titles,
    "tickers": ticker,
    "no text": lambda _rng, _seconds: [],
}
PLAIN = ("slides that build up",)
MOVING = ("titles",)


def pictures(background: Iterator[Picture], lines: list[Overlay], rng: np.random.Generator) -> Iterator[Picture]:
    """The background with its lines, with grain as cameras and codecs leave it, after a lossy coding."""
    import cv2

    quality, grain = int(rng.integers(60, 90)), float(rng.choice([0.0, 2.0, 4.0]))
    seed = int(rng.integers(2**30))
    for number, under in enumerate(background):
        picture = under.copy()
        for line in lines:
            if line.opacity(number / FPS):
                draw(picture, line, number / FPS)
        cv2.setRNGSeed(seed + number)  # OpenCV draws from one source for the whole process
        noise = cv2.randn(np.empty(picture.shape, np.int16), 0, grain) if grain else 0
        yield compressed(np.clip(picture + noise, 0, 255).astype(np.uint8), quality)


def clip_of(kind: str, rng: np.random.Generator, seconds: float = 10.0) -> OverlayClip:
    """A clip of one of `KINDS`."""
    lines = KINDS[kind](rng, seconds)
    if kind in PLAIN:
        under = Clip(shots=(Shot(seconds, background="brown"),), width=WIDTH, height=HEIGHT, fps=FPS)
    else:
        under = ground(rng, seconds, True if kind in MOVING else None)
    source = streams(pictures(frames(under), lines, rng), float(FPS))
    truths = tuple(scrolled(line, seconds) if line.speed else shown(line) for line in lines)
    return OverlayClip(kind, source, truths)
