"""Amounts of words, objects, colours, pace and sounds that a video adds to the trends of its archive.

- word: how often it is said or shown on screen; at least three letters, without function words;
- object: number of different ones seen (tracks);
- colour: share of the sampled pictures in which it is the most frequent one;
- pace: shot boundaries per minute, and mean motion energy;
- sound: share of the time.

The view `trends` over these rows gives the archive's trends: the items that rise or fall from month to month, with the
videos behind them. The view is computed for each query, so it is always up to date.

The month is that of the file's date. A word is a string: the analyzer knows no phrases, inflections or meanings.
Function words are the English ones. Whatever the earlier analyzers miss is missing here too.
"""

import re
from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Answer, Column, Undefined, Video
from vid_assets.drawing import bar_chart

WORD = re.compile(r"[^\W\d_]{3,}(?:['’][^\W\d_]+)?")
MOST_WORDS = 200
FUNCTION_WORDS = frozenset({
    "about", "above", "after", "again", "against", "all", "also", "and", "any", "are", "aren't", "because", "been",
    "before", "being", "below", "between", "both", "but", "can", "cannot", "could", "couldn't", "did", "didn't",
    "does", "doesn't", "doing", "don't", "down", "during", "each", "few", "for", "from", "further", "had", "hadn't",
    "has", "hasn't", "have", "haven't", "having", "her", "here", "hers", "herself", "him", "himself", "his", "how",
    "i'm", "into", "isn't", "it's", "its", "itself", "just", "let's", "more", "most", "mustn't", "myself", "nor",
    "not", "now", "off", "once", "only", "other", "ought", "our", "ours", "ourselves", "out", "over", "own", "same",
    "she", "should", "shouldn't", "some", "such", "than", "that", "that's", "the", "their", "theirs", "them",
    "themselves", "then", "there", "there's", "these", "they", "they're", "this", "those", "through", "too",
    "under", "until", "upon", "very", "was", "wasn't", "we're", "we've", "were", "weren't", "what", "when", "where",
    "which", "while", "who", "whom", "why", "will", "with", "won't", "would", "you", "you've", "your", "yours",
    "yourself", "yourselves", "i've",
})  # fmt: skip

Items = dict[str, float]


def words_of(texts: list[str]) -> Counter[str]:
    """Count of each word in the texts, in lower case, without function words."""
    words = (match.lower().replace("’", "'") for text in texts for match in WORD.findall(text))
    return Counter(word for word in words if word not in FUNCTION_WORDS)


def run(
    video: Video,
    speech_transcription: pl.DataFrame | None,
    text_overlay: pl.DataFrame | None,
    object_detection: pl.DataFrame | None,
    color_analysis: pl.DataFrame | None,
    temporal_flow: pl.DataFrame | None,
    audio_environment: pl.DataFrame | None,
) -> Answer:
    """One row per item, the largest amounts of each kind first; missing inputs add nothing."""
    tables = (speech_transcription, text_overlay, object_detection, color_analysis, temporal_flow, audio_environment)
    if all(table is None for table in tables):
        return Undefined("none of the analyzers that it depends on has an answer")
    found: dict[str, Items] = {}
    texts = [] if speech_transcription is None else speech_transcription["word"].to_list()
    texts += [] if text_overlay is None else text_overlay["text"].drop_nulls().to_list()
    found["word"] = {word: float(count) for word, count in words_of(texts).most_common(MOST_WORDS)}
    if object_detection is not None:
        counts = object_detection.group_by("label").agg(pl.col("track").n_unique())
        found["object"] = {label: float(count) for label, count in counts.iter_rows()}
    if color_analysis is not None and color_analysis.height:
        names = Counter(color_analysis["colour_name"].to_list())
        found["colour"] = {name: count / color_analysis.height for name, count in names.items()}
    if temporal_flow is not None and temporal_flow.height:
        found["pace"] = {"shot boundaries a minute": 60 * float(temporal_flow["boundaries"].sum()) / video.duration_s}
        moved = temporal_flow["motion_energy"].drop_nulls().to_list()
        found["pace"] |= {"motion energy": float(np.mean(moved))} if moved else {}
    if audio_environment is not None and audio_environment.height:
        lengths = audio_environment.group_by("kind").agg(seconds=(pl.col("end_s") - pl.col("start_s")).sum())
        whole = float(lengths["seconds"].sum())
        found["sound"] = {kind: seconds / whole for kind, seconds in lengths.iter_rows()}
    rows = [
        {"kind": kind, "item": item, "amount": amount}
        for kind, items in found.items()
        for item, amount in sorted(items.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, *_inputs: object) -> NDArray[np.uint8] | None:
    """The ten most frequent words and objects."""
    shown = table.filter(pl.col("kind").is_in(["word", "object"])).group_by("kind", maintain_order=True).head(10)
    if shown.is_empty():
        return None
    return bar_chart({f"{kind} {item}": amount for kind, item, amount in shown.select("kind", "item", "amount").rows()})


TABLE = {
    "kind": Column(pl.String, "text", "word, object, colour, pace or sound."),
    "item": Column(pl.String, "text", "The word, object, colour, measure or sound."),
    "amount": Column(pl.Float64, "by kind", "Count, tracks, share of pictures, measure, or share of the time.", ge=0),
}

# Sources of the counted words, objects, colours and sounds; any of them may be missing.
SOURCES = (
    "speech_transcription",
    "text_overlay",
    "object_detection",
    "color_analysis",
    "temporal_flow",
    "audio_environment",
)

ANALYZER = Analyzer(
    name="trend_analysis",
    version="1",
    group="archive",
    inputs=("video", *SOURCES),
    optional=frozenset(SOURCES),
    run=run,
    table=TABLE,
    preview=preview,
)
