"""The formats, and what each needs; imported by the command line before anything heavy."""

from enum import StrEnum
from typing import NamedTuple


class Format(StrEnum):
    """What to write."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    SRT = "srt"
    VTT = "vtt"
    TTML = "ttml"
    EDL = "edl"
    OTIO = "otio"
    FCPXML = "fcpxml"
    CHAPTERS = "chapters"
    CHAPTERS_VTT = "chapters-vtt"
    CHAPTERS_TXT = "chapters-txt"
    COCO = "coco"
    KEYFRAMES = "keyframes"


TABLES = (Format.CSV, Format.JSONL, Format.PARQUET)
SUBTITLES = (Format.SRT, Format.VTT, Format.TTML)
TIMELINES = (Format.EDL, Format.OTIO, Format.FCPXML)
CHAPTERS = (Format.CHAPTERS, Format.CHAPTERS_VTT, Format.CHAPTERS_TXT)
# Written as one text per video.
TEXTS = (*SUBTITLES, *TIMELINES, *CHAPTERS)
SUFFIXES = {
    Format.CHAPTERS: ".ffmetadata",
    Format.CHAPTERS_VTT: ".chapters.vtt",
    Format.CHAPTERS_TXT: ".chapters.txt",
}

SHOTS, SCENES, SPEECH = "cut_analysis", "scene_segmentation", "speech_transcription"
# What each format is made of: the default first. Subtitles are made of any table with times and texts.
SOURCES = {
    **dict.fromkeys(SUBTITLES, (SPEECH,)),
    **dict.fromkeys((*TIMELINES, Format.KEYFRAMES), (SHOTS, SCENES)),
    **dict.fromkeys(CHAPTERS, (SCENES, "cues")),
    Format.COCO: ("object_detection",),
}


def suffix(format: Format) -> str:
    """Return how the file names of a text format end."""
    return SUFFIXES.get(format, f".{format}")


class Written(NamedTuple):
    """What became of one video.

    Attributes:
        files: Number of files written.
        notes: What the reader should know about them.
        missing: What could not be written, and why.
    """

    files: int
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
