"""What a search of texts finds, by another way than the one under test."""

import re
import unicodedata

_ALONE = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_BARE = ("LATIN", "GREEK", "CYRILLIC")


def split(text: str) -> list[str]:
    """The words of a text, by another way than the one under test."""
    found = ""
    for letter in unicodedata.normalize("NFC", text.lower()).replace("ς", "σ"):
        name = unicodedata.name(letter, "")
        if name.startswith(_BARE):
            letter = unicodedata.normalize("NFD", letter)[0]
        if "\u0300" <= letter <= "\u036f":
            continue
        is_word = unicodedata.category(letter)[0] in "LMN"
        found += f" {letter} " if name.startswith(_ALONE) else letter if is_word else " "
    return found.split()


def is_found(query: str, text: str | None) -> bool:
    """Whether a search finds the text, as the documentation says it."""
    parts = [(part, split(part)) for part in re.findall(r'"[^"]*"|[^"\s]+', query)]
    asked = [(part, words) for part, words in parts if words]
    if text is None or not asked:
        return False
    there = split(text)
    return all(_has(there, words, whole=part.startswith('"')) for part, words in asked)


def _has(there: list[str], words: list[str], *, whole: bool) -> bool:
    for place in range(len(there) - len(words) + 1):
        run = there[place : place + len(words)]
        last = run[-1] == words[-1] if whole else run[-1].startswith(words[-1])
        if last and run[:-1] == words[:-1]:
            return True
    return False
