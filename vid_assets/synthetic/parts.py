"""What a generated clip is made of: shots with shapes and camera moves, effects over spans of time, and sounds.

Everything here is a plain description, put together in `timeline`; `truth` derives what it amounts to, `render` draws
it, `sound` plays it.

Times are seconds from the start of the clip (inside a `Shot`: from the start of the shot) and snap to the nearest
frame. Positions are shares of the picture's width and height.
"""

import math
from dataclasses import dataclass

from vid_assets.errors import VidAssetsError
from vid_assets.synthetic.shapes import BACKGROUNDS, Shape

TEXTURES = ("noise", "checker", "landscape", "city", "blobs")
SOUNDS = ("tone", "click", "noise", "speech_like", "music", "silence")


class SceneError(VidAssetsError):
    """A clip's description contradicts itself."""


@dataclass(frozen=True, slots=True)
class Static:
    """The camera stands still for `seconds`, or for the rest of the shot."""

    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Pan:
    """The camera turns; `rate` in screen widths per second, positive to the right (the picture moves left)."""

    rate: float
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Tilt:
    """The camera nods; `rate` in screen heights per second, positive downwards (the picture moves up)."""

    rate: float
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Zoom:
    """The camera zooms about the centre; `rate` is the natural logarithm of the scale per second, positive inwards."""

    rate: float
    seconds: float = math.inf


Move = Static | Pan | Tilt | Zoom


@dataclass(frozen=True, slots=True)
class Mover:
    """A shape that moves in a straight line, independent of the camera.

    Attributes:
        shape: Where and what it is at the start of the shot.
        dx: Speed to the right in screen widths per second.
        dy: Speed downwards in screen heights per second.
        start_s: When it starts to move, from the start of the shot.
        end_s: When it stops.
    """

    shape: Shape
    dx: float = 0.0
    dy: float = 0.0
    start_s: float = 0.0
    end_s: float = math.inf

    def at(self, time_s: float) -> Shape:
        """The shape at a moment of the shot."""
        moved = min(max(time_s - self.start_s, 0.0), self.end_s - self.start_s)
        s = self.shape
        return Shape(s.kind, s.colour, s.x + self.dx * moved, s.y + self.dy * moved, s.radius, s.depth)


@dataclass(frozen=True, slots=True)
class Cut:
    """The shot starts at once."""


@dataclass(frozen=True, slots=True)
class Dissolve:
    """The shot mixes with the one before it, for `seconds` centred on their boundary. Every frame of it is a mix."""

    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Fade:
    """The shot comes from, or goes to, a plain colour (``black`` or ``white``), inside its own time.

    The frame at the very end of a fade out, and at the very start of a fade in, is wholly that colour.
    """

    seconds: float = 0.5
    colour: str = "black"


@dataclass(frozen=True, slots=True)
class Shot:
    """One take of one camera.

    Attributes:
        seconds: Length. A dissolve borrows half its length from either side and does not change it.
        texture: One of `TEXTURES`, drawn larger than the screen so that camera moves show; None for a plain background.
        background: A key of `shapes.BACKGROUNDS`; used without a texture.
        palette: Colours of the texture; any whole number.
        seed: Layout of the texture and grain of the background.
        shapes: Shapes in front of the background.
        camera: One move, or several one after the other. Moves show on textures only.
        enter: How the shot starts; a `Fade` is allowed in the first shot too.
        leave: A fade at its end, or None.
    """

    seconds: float
    texture: str | None = None
    background: str = "grey"
    palette: int = 0
    seed: int = 0
    shapes: tuple[Mover, ...] = ()
    camera: Move | tuple[Move, ...] = Static()
    enter: Cut | Dissolve | Fade = Cut()
    leave: Fade | None = None

    def __post_init__(self) -> None:
        """Refuse unknown names and moves that nobody could see."""
        if self.texture is not None and self.texture not in TEXTURES:
            raise SceneError("Shot", f"unknown texture {self.texture!r}", f"use one of {', '.join(TEXTURES)}")
        if self.background not in BACKGROUNDS:
            raise SceneError("Shot", f"unknown background {self.background!r}", f"use one of {', '.join(BACKGROUNDS)}")
        if self.texture is None and any(not isinstance(move, Static) for move in self.moves):
            raise SceneError("Shot", "a camera move on a plain background cannot be seen", "give it a texture")

    @property
    def moves(self) -> tuple[Move, ...]:
        """Camera moves in order."""
        return self.camera if isinstance(self.camera, tuple) else (self.camera,)


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text over the picture.

    Attributes:
        text: What it says.
        start_s: From when it shows.
        end_s: Until when.
        x: Centre of its box.
        y: Centre of its box.
        height: From the top of a capital to the bottom of a descender, share of the picture's height.
        colour: RGB of the letters; their outline is black or white, whichever contrasts.
    """

    text: str
    start_s: float = 0.0
    end_s: float = math.inf
    x: float = 0.5
    y: float = 0.85
    height: float = 0.08
    colour: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Freeze:
    """The picture stops; afterwards the scene goes on from where it stopped."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Speed:
    """The scene runs `factor` times as fast."""

    factor: float
    start_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Black bars above and below (or left and right), each `share` of the picture's height (or width)."""

    share: float
    start_s: float = 0.0
    end_s: float = math.inf
    pillars: bool = False


@dataclass(frozen=True, slots=True)
class Blur:
    """Gaussian blur, `sigma` in px."""

    sigma: float
    start_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Grain:
    """Gaussian noise, new in every frame and equal in all three channels, `sigma` in 8-bit levels."""

    sigma: float
    start_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound.

    Attributes:
        kind: One of `SOUNDS`. ``silence`` adds nothing, but gives a clip without other sounds an audio track.
        start_s: When it starts.
        end_s: When it ends. A click of no tempo ends by itself.
        dbfs: Level. Of a tone, click or music its peak against full scale; of noise and speech its RMS against 1.0.
        frequency: Of a tone, and pitch of speech, in Hz.
        bpm: Tempo of music and of clicks; clicks at 0 are a single one.
        colour: Of noise, ``white`` or ``pink``.
        seed: Of noise, speech and music.
    """

    kind: str
    start_s: float = 0.0
    end_s: float = math.inf
    dbfs: float = -20.0
    frequency: float = 440.0
    bpm: float = 0.0
    colour: str = "white"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse unknown kinds and levels that clip."""
        if self.kind not in SOUNDS:
            raise SceneError("Sound", f"unknown kind {self.kind!r}", f"use one of {', '.join(SOUNDS)}")
        if self.kind == "music" and self.bpm <= 0:
            raise SceneError("Sound", "music has no tempo", "give it bpm")
        if self.dbfs > 0:
            raise SceneError("Sound", f"{self.dbfs} dBFS is louder than full scale", "use 0 or less")


def caption(shot: Shot, time_s: float = 0.0) -> str:
    """What a plain shot shows, its shapes from left to right: ``a red circle and a blue square on a grey background``.

    Raises:
        SceneError: The shot is textured; its texture has no words.
    """
    if shot.texture is not None:
        raise SceneError("caption", f"the texture {shot.texture!r} has no words", "ask for plain shots only")
    shapes = sorted((mover.at(time_s) for mover in shot.shapes), key=lambda shape: shape.x)
    names = [f"a {shape.name}" for shape in shapes]
    ground = f"a {shot.background} background"
    if not names:
        return ground
    return f"{' and '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)} on {ground}"
