"""Finds speech in a sound, and cuts it for a model that hears half a minute at a time.

A voice activity detector (Silero VAD, MIT, inside faster-whisper) gives the probability of speech every 32 ms. It
misses faint sound, so the level is evened out first. Speech is then cut only at pauses, into passages short enough to
have one language. The passages are packed into windows with long pauses shortened. So each window gives the decoder
context and costs one pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

SAMPLE_RATE = 16000
STEP = 512  # samples per probability of the detector
STEP_S = STEP / SAMPLE_RATE
# The detector gets this much at a time, which limits its memory.
CHUNK_STEPS = 600 * SAMPLE_RATE // STEP
# A pause shorter than this belongs to a word (the closure of a stop consonant); a longer one separates words.
PAUSE_S = 0.16
SHORTEST_S = 0.06
# What the detector's steps may cut off at either end.
PAD_S = 0.02
# Probability at which speech begins, and below which it ends. At Silero's own 0.5, one in six short words alone is
# missed. The decoder rejects the non-speech that a lower value lets in. An end of less than 0.3 bridges pauses.
BEGIN_SPEECH, END_SPEECH = 0.35, 0.3
# The loudest 0.1 s of the last or of the next 2 s, whichever is fainter, is raised to this RMS, by 60 dB at most. So a
# faint speaker is heard right after a loud one. Nothing is made fainter.
BLOCK, ASIDE_BLOCKS, SMOOTH_BLOCKS = 1600, 21, 5
LIFTED_RMS, MOST_GAIN = 0.1, 1000.0
# Speech with gaps shorter than this stays as it was recorded; a longer pause ends a passage.
CONTEXT_S = 2.0
MARGIN_S = 0.3
# A passage ends at the first pause after which it would be longer. People usually keep to one language for longer.
PASSAGE_S = 5.0
# Whisper's half minute, less the margins at both ends.
WINDOW_S = 29.0
LEAST_LIKELY = 1e-4  # minimum per language, so that one passage alone excludes none
# Speech without any pause is cut where the detector is least sure, within this many last seconds.
CUT_WITHIN_S = 8.0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Return its length."""
        return self.end - self.start

    def overlap(self, other: "Span") -> float:
        """Return the seconds that both have in common; if negative, the seconds between them."""
        return min(self.end, other.end) - max(self.start, other.start)


@dataclass(frozen=True, slots=True)
class Passage:
    """Speech without a long pause in it.

    Attributes:
        spans: The stretches of speech, ascending.
    """

    spans: tuple[Span, ...]

    @property
    def span(self) -> Span:
        """Return the span from its first speech to its last."""
        return Span(self.spans[0].start, self.spans[-1].end)

    @property
    def spoken_s(self) -> float:
        """Return the seconds of speech without pauses."""
        return sum(span.seconds for span in self.spans)


@dataclass(frozen=True, slots=True)
class Window:
    """A unit of decoding: passages, and the pieces of the sound that contain them.

    Attributes:
        language: Language of all its passages.
        passages: In the order of time.
        pieces: Stretches of the sound, which the decoder hears without gaps between them.
    """

    language: str
    passages: tuple[Passage, ...]
    pieces: tuple[Span, ...]

    def sound(self, samples: np.ndarray) -> np.ndarray:
        """Return the joined pieces, float32 [n]."""
        parts = [samples[round(piece.start * SAMPLE_RATE) : round(piece.end * SAMPLE_RATE)] for piece in self.pieces]
        return np.ascontiguousarray(np.concatenate(parts), np.float32)

    def followed_by(self, later: "Window") -> "Window | None":
        """Join both windows; None if the result is too long, or in two languages."""
        near = later.passages[0].span.start - self.passages[-1].span.end < CONTEXT_S
        head, tail = self.pieces, later.pieces
        if near:
            head, tail = head[:-1], (Span(head[-1].start, tail[0].end), *tail[1:])
        pieces = (*head, *tail)
        if self.language != later.language or sum(piece.seconds for piece in pieces) > WINDOW_S:
            return None
        return Window(self.language, (*self.passages, *later.passages), pieces)

    def place(self, heard: Span) -> Span:
        """Return the place in the sound of something that the decoder heard at `heard`, within one piece."""
        middle, begin = (heard.start + heard.end) / 2, 0.0
        for piece in self.pieces:
            if middle < begin + piece.seconds or piece is self.pieces[-1]:
                shift = piece.start - begin
                start = max(heard.start + shift, piece.start)
                return Span(min(start, piece.end), max(min(heard.end + shift, piece.end), min(start, piece.end)))
            begin += piece.seconds
        raise ValueError("a window without pieces")


def levelled(samples: np.ndarray) -> np.ndarray:
    """Return the sound with its faint parts raised, float32 [n]. Speech level then hardly matters to either model.

    Args:
        samples: float32 [n], -1..1, mono at 16 kHz.
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

    count = -(-len(samples) // BLOCK)
    rms = np.array([np.sqrt(np.mean(np.square(samples[at * BLOCK : (at + 1) * BLOCK]))) for at in range(count)])
    if not count:
        return np.asarray(samples, np.float32)
    half = ASIDE_BLOCKS // 2
    before, after = (maximum_filter1d(rms, ASIDE_BLOCKS, mode="nearest", origin=way * half) for way in (1, -1))
    gain = np.clip(LIFTED_RMS / np.maximum(np.minimum(before, after), 1e-9), 1.0, MOST_GAIN)
    if gain.max() == 1.0:
        return np.asarray(samples, np.float32)
    # Smooth decibels, not factors: otherwise a step of 60 dB would last as long as the smoothing. The rise begins where
    # the loud part has ended, which it would overdrive.
    low = minimum_filter1d(gain, SMOOTH_BLOCKS, mode="nearest")
    smooth = 10 ** uniform_filter1d(np.log10(low), SMOOTH_BLOCKS, mode="nearest")
    lifted = np.empty(len(samples), np.float32)
    for at in range(count):
        part = slice(at * BLOCK, (at + 1) * BLOCK)
        ramp = np.linspace(smooth[max(at - 1, 0)], smooth[at], BLOCK, dtype=np.float32)
        lifted[part] = np.clip(samples[part] * ramp[: len(samples[part])], -1, 1)
    return lifted


def probabilities(samples: np.ndarray) -> np.ndarray:
    """Return the probability of speech every `STEP_S`, float32 [n]."""
    from faster_whisper.vad import get_vad_model

    detector = get_vad_model()
    found = []
    for start in range(0, len(samples), CHUNK_STEPS * STEP):
        part = samples[start : start + CHUNK_STEPS * STEP]
        padded = np.pad(np.asarray(part, np.float32), (0, -len(part) % STEP))
        found.append(np.asarray(detector(padded), np.float32).reshape(-1))
    return np.concatenate(found) if found else np.empty(0, np.float32)


def spans(probability: np.ndarray, duration_s: float) -> list[Span]:
    """Return the spans of speech in seconds, ascending and disjoint.

    Args:
        probability: See `probabilities`.
        duration_s: Length of the sound.
    """
    found: list[Span] = []
    begin: int | None = None
    last = 0
    for step, value in enumerate([*probability.tolist(), *[0.0] * round(PAUSE_S / STEP_S + 1)]):
        if begin is None:
            if value >= BEGIN_SPEECH:
                begin, last = step, step
        elif value >= END_SPEECH:
            last = step
        elif (step - last) * STEP_S > PAUSE_S:
            found.append(Span(begin * STEP_S, (last + 1) * STEP_S))
            begin = None
    kept = (span for span in found if span.seconds > SHORTEST_S)
    return [Span(max(0.0, span.start - PAD_S), min(duration_s, span.end + PAD_S)) for span in kept]


def passages(spoken: Sequence[Span], probability: np.ndarray) -> list[Passage]:
    """Join speech over pauses shorter than `CONTEXT_S`, up to a length of `PASSAGE_S`."""
    joined: list[list[Span]] = []
    for span in (part for whole in spoken for part in _cut(whole, probability)):
        near = bool(joined) and span.start - joined[-1][-1].end < CONTEXT_S
        if near and span.end - joined[-1][0].start <= PASSAGE_S:
            joined[-1].append(span)
        else:
            joined.append([span])
    return [Passage(tuple(each)) for each in joined]


def _cut(span: Span, probability: np.ndarray) -> Iterator[Span]:
    """Cut a span into parts that fit into a window."""
    while span.seconds > WINDOW_S - 2 * MARGIN_S:
        last = round((span.start + WINDOW_S - 2 * MARGIN_S) / STEP_S)
        first = last - round(CUT_WITHIN_S / STEP_S)
        at = (first + int(np.argmin(probability[first:last])) + 0.5) * STEP_S
        yield Span(span.start, at)
        span = Span(at, span.end)
    yield span


def windows(found: Sequence[Passage], spoken_in: Sequence[str], duration_s: float) -> list[Window]:
    """Pack passages of one language in order, as many as fit into `WINDOW_S`.

    Pauses of `CONTEXT_S` and more are shortened to two margins.

    Args:
        found: The passages, ascending.
        spoken_in: The language of each.
        duration_s: Length of the sound.
    """
    packed: list[Window] = []
    for passage, language, piece in zip(found, spoken_in, around(found, duration_s), strict=True):
        alone = Window(language, (passage,), (piece,))
        grown = packed[-1].followed_by(alone) if packed else None
        if grown is None:
            packed.append(alone)
        else:
            packed[-1] = grown
    return packed


def around(found: Sequence[Passage], duration_s: float, margin_s: float = MARGIN_S) -> list[Span]:
    """Return each passage with a margin that ends in the middle of a short pause, so that no word is in two of them."""
    if not found:
        return []
    inner = [passage.span for passage in found]
    edges = [0.0, *((one.end + two.start) / 2 for one, two in pairwise(inner)), duration_s]
    return [
        Span(max(before, span.start - margin_s), min(after, span.end + margin_s))
        for span, before, after in zip(inner, edges[:-1], edges[1:], strict=True)
    ]


def sureness(probability: np.ndarray, spoken: Sequence[Span]) -> float:
    """Return the mean probability of speech within spans, 0..1."""
    bounds = [(int(span.start / STEP_S), int(np.ceil(span.end / STEP_S))) for span in spoken]
    return float(np.concatenate([probability[start:end] for start, end in bounds]).mean())


def languages(likely: Sequence[Mapping[str, float]], stay: float) -> list[str]:
    """Return the most likely sequence of languages in passages where people seldom change it (Viterbi).

    Args:
        likely: For each passage, the probability of each language.
        stay: How many times more likely the language stays than changes to one particular other language.

    Returns:
        One language per passage.
    """
    names = sorted({max(each, key=lambda name: each[name]) for each in likely})
    logs = np.log([[max(each.get(name, 0.0), LEAST_LIKELY) for name in names] for each in likely])
    score = np.zeros(len(names))
    back: list[np.ndarray] = []
    for each in logs:
        change = score.max() - np.log(stay)
        back.append(np.where(score >= change, np.arange(len(names)), score.argmax()))
        score = np.maximum(score, change) + each
    course: list[int] = []
    at = int(score.argmax()) if names else 0
    for came in reversed(back):
        course.append(at)
        at = int(came[at])
    return [names[language] for language in course[::-1]]
