"""Words and letters: which count, and how many edits part two sequences of them."""

import re
from collections.abc import Sequence


def edits(one: Sequence[object], other: Sequence[object]) -> int:
    """Levenshtein distance: insertions, deletions and substitutions."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def bare(word: str) -> str:
    """Letters only, in lower case."""
    return re.sub(r"[^a-z']", "", word.lower())
