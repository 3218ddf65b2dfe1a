"""The settings of ``vid_assets.media``: how the streams are made, and the limits on the cost of a decode."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from vid_assets.errors import SettingsError

GIB = 1 << 30
# Field of `Limits` -> its setting's environment variable, and the number of field units in one unit of the setting.
VARIABLES: dict[str, tuple[str, int]] = {
    "duration_s": ("VID_MAX_HOURS", 3600),
    "frames": ("VID_MAX_PICTURES", 1),
    "pixels": ("VID_MAX_PIXELS", 1),
    "memory_bytes": ("VID_DECODE_MEMORY_GB", GIB),
    "file_bytes": ("VID_DECODE_FILE_GB", GIB),
    "cpu_s": ("VID_DECODE_CPU_HOURS", 3600),
    "cpu_per_s": ("VID_DECODE_CPU_PER_S", 1),
    "wall_s": ("VID_DECODE_HOURS", 3600),
    "stall_s": ("VID_DECODE_STALL_S", 1),
    "threads": ("VID_DECODE_THREADS", 1),
}
SHORTEST_S = 60.0
STREAM_FIELDS = ("frames_per_s", "long_side", "sound_language", "sound_track", "picture_track")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the cost of one video. `limits_from_environment` reads the variables named here.

    Attributes:
        memory_bytes: Address space of the decoding process; ``VID_DECODE_MEMORY_GB``.
        cpu_s: Processor seconds of the decoding process, all threads together; ``VID_DECODE_CPU_HOURS``.
        cpu_per_s: Processor seconds of the decoding process for each second of video or sound that it has decoded, of
            which the first `SHORTEST_S` always count; ``VID_DECODE_CPU_PER_S``.
        wall_s: Wall-clock seconds of the whole pass; ``VID_DECODE_HOURS``.
        stall_s: Wall-clock seconds without progress after which the decoder counts as hung;
            ``VID_DECODE_STALL_S``.
        file_bytes: Size of one scratch file; ``VID_DECODE_FILE_GB``.
        pixels: Width times height of a stored picture; ``VID_MAX_PIXELS``.
        frames: Pictures in a video; ``VID_MAX_PICTURES``.
        duration_s: Seconds of video or sound; ``VID_MAX_HOURS``.
        threads: Decoder threads; 0 means as many as the process may use, at most 8; ``VID_DECODE_THREADS``.
    """

    memory_bytes: int = 4 * GIB
    cpu_s: int = 8 * 3600
    cpu_per_s: float = 20.0
    wall_s: float = 4 * 3600.0
    stall_s: float = 60.0
    file_bytes: int = 64 * GIB
    pixels: int = 8192 * 4352
    frames: int = 4_000_000
    duration_s: float = 4 * 3600.0
    threads: int = 0


def variable(name: str) -> str:
    """Return the environment variable that sets a field of `Limits`."""
    return VARIABLES[name][0]


def limits_from_environment() -> Limits:
    """Return the limits that the settings give.

    Raises:
        InvalidSetting: A variable has an invalid value.
    """
    # The decoder's process imports this module and needs no settings.
    from resources.settings import PREFIX, settings

    now = settings()
    given = {name: getattr(now, key.removeprefix(PREFIX).lower()) for name, (key, _) in VARIABLES.items()}
    values = {name: value * VARIABLES[name][1] for name, value in given.items() if value is not None}
    whole = {name: int(value) for name, value in values.items() if isinstance(getattr(Limits(), name), int)}
    return Limits(**{**values, **whole})  # pyright: ignore[reportArgumentType] - whole numbers where they must be


def proxy_from_environment() -> bool:
    """Return whether the settings ask for proxies.

    Raises:
        InvalidSetting: The variable has an invalid value.
    """
    from resources.settings import settings

    return settings().proxy == "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettings:
    """How the streams of a video are made. Other settings give other streams, in another folder.

    Attributes:
        frames_per_s: Pictures per second in the stream ``frames``.
        long_side: Longest side of these pictures, in px; smaller ones are not enlarged.
        sound_language: Preferred languages of the sound track, best first, separated by commas: ``de``, ``ger``,
            ``en,fr``.
        sound_track: Index of the sound track to use, as in the table ``tracks``; None to apply the rule.
        picture_track: The same for the picture.
        limits: Limits on the cost of decoding; from the environment by default.
        proxy: Whether to make a small copy of files that browsers may not play; ``VID_PROXY``. It changes no stream.

    Raises:
        SettingsError: A value is out of range.
        InvalidSetting: A variable of the limits has an invalid value.
    """

    frames_per_s: float = 2.0
    long_side: int = 640
    sound_language: str = ""
    sound_track: int | None = None
    picture_track: int | None = None
    limits: Limits = field(default_factory=limits_from_environment)
    proxy: bool = field(default_factory=proxy_from_environment)

    def __post_init__(self) -> None:
        """Refuse values that no decode can satisfy."""
        if not 0 < self.frames_per_s <= 1000:
            raise SettingsError("frames_per_s", f"{self.frames_per_s} is out of range", "use above 0, at most 1000")
        if not 16 <= self.long_side <= 8192:
            raise SettingsError("long_side", f"{self.long_side} is out of range", "use 16 to 8192")

    @property
    def digest(self) -> str:
        """Return eight hex digits that change whenever the streams would; the limits are not included."""
        values = asdict(self)
        text = json.dumps([[name, values[name]] for name in STREAM_FIELDS])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def is_default(self) -> bool:
        """Whether the streams are the default ones."""
        return self.digest == MediaSettings(limits=self.limits).digest
