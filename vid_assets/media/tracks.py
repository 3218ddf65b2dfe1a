"""Choose the picture track and the sound track of a file.

Both rules compare the tracks that can be decoded, criterion by criterion; the first criterion on which two tracks
differ decides.

Picture: asked for by `MediaSettings.picture_track`; has more than one picture (counted in the packets,
not taken from a header); is for all viewers; is flagged as default; lasts at least half as long as the longest; has at
least half as many pictures per second as the fastest; is larger; comes first. Attached pictures, thumbnails and stills
are used only on request.

Sound: asked for by `MediaSettings.sound_track`; is not silent (above -60 dBFS, measured in the pass);
is not commentary or description; is in a language of `MediaSettings.sound_language`; is flagged as default; has more
channels; has a higher sample rate; comes first.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from vid_assets.media.allowed import refusal

STILL = frozenset({"attached_pic", "timed_thumbnails", "still_image", "dependent"})
ASIDE = frozenset({"comment", "visual_impaired", "hearing_impaired", "descriptions"})
_ASIDE_TITLE = re.compile(r"\b(comment|descri|director|audiodesk|kommentar)", re.IGNORECASE)
MOST_TRACKS, LONGEST_TITLE = 256, 200
# ISO 639-1, then the codes of ISO 639-2 for the same language.
_LANGUAGES = """
    ar ara|bg bul|bn ben|ca cat|cs cze ces|da dan|de ger deu|el gre ell|en eng|es spa|et est|eu baq eus|fa per fas|
    fi fin|fr fre fra|ga gle|gl glg|he heb|hi hin|hr hrv|hu hun|hy arm hye|id ind|is ice isl|it ita|ja jpn|ka geo kat|
    ko kor|
    la lat|lt lit|lv lav|mk mac mkd|ms may msa|nl dut nld|no nor nob|pl pol|pt por|ro rum ron|ru rus|sk slo slk|
    sl slv|sq alb sqi|sr srp|sv swe|ta tam|te tel|th tha|tr tur|uk ukr|ur urd|vi vie|zh chi zho|cy wel cym
"""
_SHORT = {code: codes.split()[0] for codes in _LANGUAGES.split("|") for code in codes.split()}


@dataclass(slots=True)
class Track:
    """One track of a file, as its container describes it.

    Attributes:
        index: Number in the file, from 0.
        kind: video, audio, subtitle, data or attachment.
        codec: FFmpeg's name of the decoder, or the container's four letters where there is none.
        language: Language code in the file, such as eng.
        title: Name in the file.
        disposition: FFmpeg's flags, such as default or comment.
        width: Stored width in px; 0 for other kinds.
        height: Stored height in px.
        channels: Number of sound channels; 0 for other kinds.
        rate: Samples or pictures per second that the file announces; 0 if it announces none.
        duration_s: Length that the file announces, in seconds; 0 if it announces none.
        refused: Why it cannot be decoded; empty if it can.
        taken: Whether it is used.
        reason: Why it is used or not.
    """

    index: int
    kind: str
    codec: str = ""
    language: str | None = None
    title: str | None = None
    disposition: list[str] = field(default_factory=list)
    width: int = 0
    height: int = 0
    channels: int = 0
    rate: float = 0.0
    duration_s: float = 0.0
    refused: str = ""
    taken: bool = False
    reason: str = ""

    def flagged(self, names: Collection[str]) -> bool:
        """Whether it has one of these dispositions."""
        return not set(names).isdisjoint(self.disposition)

    @property
    def is_still(self) -> bool:
        """Whether it is a picture besides the film: cover art or a thumbnail."""
        return self.flagged(STILL)

    @property
    def is_aside(self) -> bool:
        """Whether it is for only some of the audience: commentary, audio description."""
        return self.flagged(ASIDE) or bool(self.kind == "audio" and _ASIDE_TITLE.search(self.title or ""))

    def row(self) -> dict[str, Any]:
        """Return the track as JSON, without internal fields."""
        values = asdict(self)
        del values["refused"]
        return values


def describe(stream: Any) -> Track:
    """Describe a track from its container, without decoding any of it."""
    from av.stream import Disposition

    track = Track(stream.index, stream.type, language=stream.language)
    metadata = stream.metadata
    title = metadata.get("title") or metadata.get("name")
    track.title = title[:LONGEST_TITLE] if title else None
    track.disposition = [flag.name for flag in Disposition if flag.name and stream.disposition & flag]
    if stream.duration and stream.time_base:
        track.duration_s = max(0.0, float(stream.duration * stream.time_base))
    elif text := metadata.get("DURATION"):
        track.duration_s = _clock_seconds(text)
    context = getattr(stream, "codec_context", None)
    if context is None or not _codec_name(context):
        track.codec = _letters(getattr(stream, "name", None) or metadata.get("encoder") or "") or "unknown"
        track.refused = "no decoder knows its codec"
        return track
    track.codec = _codec_name(context)
    track.refused = refusal(track.codec)
    if stream.type == "video":
        track.width, track.height = context.width, context.height
        track.rate = float(stream.average_rate or stream.guessed_rate or Fraction(0))
    elif stream.type == "audio":
        track.channels, track.rate = context.layout.nb_channels, float(context.sample_rate)
    return track


def _codec_name(context: Any) -> str:
    try:
        return context.codec.name if context.codec else ""
    except (AttributeError, ValueError):
        return ""


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:40]


def _clock_seconds(text: str) -> float:
    """Return the seconds of hh:mm:ss.fff; 0 for any other text."""
    found = re.fullmatch(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,12})?)", text.strip("\0 "))
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0


def short_language(code: str | None) -> str:
    """Return the ISO 639-1 code of a language in any common spelling; an unknown one is unchanged."""
    code = (code or "").strip().lower().replace("_", "-").partition("-")[0]
    return _SHORT.get(code, code)


Criterion = tuple[str, Callable[[Track], float]]


def picture_criteria(tracks: Sequence[Track], packets: Mapping[int, int], asked: int | None) -> list[Criterion]:
    """Return what makes one picture track better than another, most important first.

    Args:
        tracks: The candidates.
        packets: Number of packets seen of each, by index.
        asked: Index that the settings ask for.
    """
    longest = max((track.duration_s for track in tracks), default=0.0)
    fastest = max((track.rate for track in tracks if packets.get(track.index, 2) > 1), default=0.0)
    return [
        ("is asked for by picture_track", lambda track: track.index == asked),
        ("is no still beside the film", lambda track: not track.is_still),
        ("has more than one picture", lambda track: packets.get(track.index, 2) > 1),
        ("is for all viewers", lambda track: not track.is_aside),
        ("is flagged as default", lambda track: track.flagged({"default"})),
        ("is longer", lambda track: track.duration_s >= longest / 2),
        ("has more pictures", lambda track: track.rate >= fastest / 2),
        ("is larger", lambda track: track.width * track.height),
        ("comes first", lambda track: -track.index),
    ]


def sound_criteria(silent: Collection[int], languages: str, asked: int | None) -> list[Criterion]:
    """Return what makes one sound track better than another, most important first.

    Args:
        silent: Indices of the tracks known to be silent.
        languages: Preferred languages, best first, separated by commas.
        asked: Index that the settings ask for.
    """
    wanted = [short_language(code) for code in languages.split(",") if code.strip()]

    def preference(track: Track) -> int:
        code = short_language(track.language)
        return len(wanted) - wanted.index(code) if code in wanted else 0

    return [
        ("is asked for by sound_track", lambda track: track.index == asked),
        ("is not silent", lambda track: track.index not in silent),
        ("is no commentary", lambda track: not track.is_aside),
        ("is in a language that sound_language prefers", preference),
        ("is flagged as default", lambda track: track.flagged({"default"})),
        ("has more channels", lambda track: track.channels),
        ("has a higher sample rate", lambda track: track.rate),
        ("comes first", lambda track: -track.index),
    ]


def ranked(tracks: Sequence[Track], criteria: Sequence[Criterion]) -> list[Track]:
    """Return the tracks, best first."""
    return sorted(tracks, key=lambda track: tuple(score(track) for _, score in criteria), reverse=True)


def explain(order: Sequence[Track], criteria: Sequence[Criterion], *, weak: Collection[str]) -> str:
    """Mark the first track as taken, and write into each track why it is used or not.

    Args:
        order: Tracks of one kind, best first; the first one is used.
        criteria: The criteria that order them.
        weak: Criteria that rule a track out: a track that loses on one was never a real alternative.

    Returns:
        A warning if another track could have been used as well; empty otherwise.
    """
    if not order:
        return ""
    best = order[0]
    best.taken, best.reason = True, "the only one"
    possible = []
    for place, track in enumerate(order[1:]):
        decided = next(name for name, score in criteria if score(track) != score(best))
        track.reason = f"track {best.index} {decided}"
        best.reason = f"it {decided}" if place == 0 else best.reason
        if not track.is_still and decided not in weak:
            possible.append(f"{track.index}{f' ({track.language})' if track.language not in (None, 'und') else ''}")
    if not possible:
        return ""
    kind = "sound" if best.kind == "audio" else "picture"
    chosen = f"{best.index}{f' ({best.language})' if best.language not in (None, 'und') else ''}"
    ways = "sound_language or sound_track" if kind == "sound" else "picture_track"
    return (
        f"of several {kind} tracks, {chosen} was taken because {best.reason}; {', '.join(possible)} could be, "
        f"set {ways} to choose"
    )
