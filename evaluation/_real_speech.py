"""Words in real clips whose text is known, by ours and by faster-whisper as it comes, with the same weights."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import polars as pl

from evaluation._footage import clips_with
from evaluation._models import model
from evaluation._plain_whisper import plain
from evaluation._words import bare, edits
from evaluation.figure import Calibration, Figure
from resources.tasks.speech import SPEECH
from vid_assets.analyzers.speech_transcription import run


def words_of(text: str) -> list[str]:
    """Letters only, in lower case."""
    return [word for part in text.replace("-", " ").split() if (word := bare(part))]


def right_ones(heard: Sequence[str], said: Sequence[str]) -> list[bool]:
    """For each word heard whether it was said, in the best alignment of both."""
    matched = [False] * len(heard)
    for at, _, size in SequenceMatcher(None, heard, said, autojunk=False).get_matching_blocks():
        matched[at : at + size] = [True] * size
    return matched


def of_footage() -> list[Figure | Calibration]:
    """Word error rate, that of the peers, and what a confidence is worth."""
    peers = {"faster-whisper": plain(vad_filter=False), "faster-whisper with its VAD filter": plain(vad_filter=True)}
    wrong, said_in_all = dict.fromkeys(("", *peers), 0), 0
    answers: list[tuple[float, bool]] = []
    for clip, media in clips_with("words"):
        if media.audio is None:
            continue
        said = words_of(clip.words)
        said_in_all += len(said)
        table = run(media.audio, model(SPEECH))
        rows = table.filter("understood").select("word", "confidence").rows() if isinstance(table, pl.DataFrame) else []
        heard = [(word, confidence) for text, confidence in rows for word in words_of(text)]
        names = [word for word, _ in heard]
        wrong[""] += edits(names, said)
        sure = (confidence for _, confidence in heard)
        answers += zip(sure, right_ones(names, said), strict=True)
        for name, hear in peers.items():
            wrong[name] += edits(hear(media.audio.samples), said)
    named = {"analyzer": "speech_transcription", "unit": "1"}
    calibration = Calibration("speech_transcription", "words", tuple(answers))
    return [
        Figure(what="footage: word error rate", value=wrong[""] / said_in_all, cases=said_in_all, at_most=0.05,
               **named),
        *(Figure(what=f"footage: word errors less than those of {name} ({wrong[name] / said_in_all:.3f})",
                 value=(wrong[name] - wrong[""]) / said_in_all, cases=said_in_all, at_least=0.0, **named)
          for name in peers),
        calibration.figure(),
        calibration,
    ]  # fmt: skip
