"""Speech to words with times: Whisper on CTranslate2 (faster-whisper), its word times clipped to where speech is heard.

Whisper aligns words through the decoder's attention, which lets a word's time reach across the pause before or after it
(Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022; the alignment is the one of its
reference code). A voice activity detector (Silero VAD, MIT, inside faster-whisper) says where speech is: only there is
it decoded, and each word is cut back to the stretch of speech that it lies in.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from resources.hosting.host import Host, Request, served
from resources.tasks.speech import SPEECH

SAMPLE_RATE = 16000
SCHEMA = SPEECH.schema
# A pause shorter than this belongs to a word (the closure of a stop consonant); a longer one separates words.
PAUSE_MS = 160
# Speech that no word covers belongs to the word beside it, unless it is so long that a word is missing there.
FILL_S = 0.6
# Probability from which speech begins, and below which it ends. At Silero's own 0.5 a short word alone is missed one
# time in six; what this lets in besides, the decoder calls no speech. An end of less than 0.3 bridges pauses.
BEGIN_SPEECH, END_SPEECH = 0.35, 0.3
# Speech closer together than this is decoded in one go: Whisper needs its context.
CONTEXT_S = 2.0
MARGIN_S = 0.3
# The alignment says where a word begins and ends late by this much: the mean over eighteen edges within phrases, read
# off the spectrogram, of phrases said slower, faster, in other orders and over noise.
LATE_S = 0.07
# A word that lies farther than this from any speech was made up by the decoder.
FAR_S = 0.3
# Whisper decodes half a minute at a time into 224 tokens, its prompt among them. The fastest speakers need 8 a second.
WINDOW_S = 30.0
MOST_TOKENS = 220
TOKENS_A_SECOND = 8.0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds."""

    start: float
    end: float

    def overlap(self, other: "Span") -> float:
        """Seconds that both have in common; negative: the seconds between them."""
        return min(self.end, other.end) - max(self.start, other.start)


class WhisperHost(Host):
    """The Whisper weights."""

    def load(self) -> None:
        """Loads the weights and the voice activity detector."""
        import ctranslate2
        from faster_whisper import WhisperModel

        if self.spec.gpu_share and ctranslate2.get_cuda_device_count():
            self.device = "cuda:0"
        self._model = WhisperModel(
            str(self.folder),
            device=self.device.partition(":")[0],
            compute_type=self.precision,
            cpu_threads=self.threads,
            local_files_only=True,
        )
        self._transcribe(np.zeros(SAMPLE_RATE, np.float32))

    @served
    def transcribe(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """The words of each request's ``audio``."""
        return [self._transcribe(request.arrays["audio"], **request.args) for request in requests]

    def _transcribe(self, samples: np.ndarray, language: str = "", beam_size: int = 5) -> pl.DataFrame:
        spoken = speech(samples)
        if not spoken:
            return pl.DataFrame(schema=SCHEMA)
        parts = passages(spoken, len(samples) / SAMPLE_RATE)
        sounds = [samples[round(part.start * SAMPLE_RATE) : round(part.end * SAMPLE_RATE)] for part in parts]
        language = language or self._language(max(sounds, key=len))
        words: list[tuple[int, str, Span, float, float]] = []
        number = 0
        for part, sound in zip(parts, sounds, strict=True):
            segments, _ = self._model.transcribe(
                np.ascontiguousarray(sound, np.float32),
                language=language,
                beam_size=beam_size,
                # One temperature: the fallback to sampling would make answers random.
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
                # CTranslate2 takes half of it.
                max_new_tokens=2 * most_tokens(part.end - part.start),
            )
            for segment in segments:
                for word in segment.words or ():
                    shift = part.start - LATE_S
                    place = Span(shift + float(word.start), shift + float(word.end))
                    words.append((number, word.word.strip(), place, word.probability, segment.no_speech_prob))
                number += 1
        places = placed([place for _, _, place, _, _ in words], spoken)
        rows = [
            (segment, word, place.start, place.end, probability, no_speech, language)
            for (segment, word, _, probability, no_speech), place in zip(words, places, strict=True)
            if place is not None and word
        ]
        return pl.DataFrame(rows, SCHEMA, orient="row")

    def _language(self, sound: np.ndarray) -> str:
        """ISO 639-1 code of what is spoken."""
        if not self._model.model.is_multilingual:
            return "en"
        return self._model.detect_language(np.ascontiguousarray(sound, np.float32))[0]


def speech(samples: np.ndarray) -> list[Span]:
    """Where speech is heard, in seconds, ascending.

    Args:
        samples: float32 [n], -1..1, mono at 16 kHz.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        threshold=BEGIN_SPEECH, neg_threshold=END_SPEECH,
        min_silence_duration_ms=PAUSE_MS, min_speech_duration_ms=60, speech_pad_ms=20,
    )  # fmt: skip
    found = get_speech_timestamps(np.ascontiguousarray(samples, np.float32), options)
    return [Span(each["start"] / SAMPLE_RATE, each["end"] / SAMPLE_RATE) for each in found]


def passages(spoken: Sequence[Span], duration_s: float) -> list[Span]:
    """What to decode: stretches of speech joined over short pauses, with a margin."""
    joined: list[Span] = []
    for span in spoken:
        if joined and span.start - joined[-1].end < CONTEXT_S:
            joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return [Span(max(0.0, span.start - MARGIN_S), min(duration_s, span.end + MARGIN_S)) for span in joined]


def most_tokens(seconds: float) -> int:
    """Tokens that a passage may take, of those for half a minute at most: more are the decoder going in circles."""
    return min(MOST_TOKENS, 16 + round(TOKENS_A_SECOND * min(seconds, WINDOW_S)))


def placed(words: Sequence[Span], spoken: Sequence[Span]) -> list[Span | None]:
    """The times of words, kept to where speech is heard.

    Each word is cut to the stretch of speech that it shares most with. The words of one stretch then fill it: what the
    alignment left between two of them it gave to a punctuation mark, and what it left at the ends lies in a pause by
    mistake.

    Args:
        words: The times that the decoder's alignment gave them, in the order spoken.
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
