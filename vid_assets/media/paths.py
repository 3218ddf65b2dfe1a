r"""The written form of a file path in tables, logs and pages, and the way back to the file.

A file name is bytes and need not be UTF-8. Python keeps other bytes as lone surrogates, which SQLite, Parquet and UTF-8
pages cannot hold. A path therefore has two written forms, both valid UTF-8:

- *stored*: a local path unchanged if it is UTF-8, and otherwise a file URI (RFC 8089) with percent-encoded bytes,
  ``file:///films/caf%E9.mp4``. A remote file is stored as its URL. `stored` writes this form, `path_of` reads it.
- *shown*: one line, with everything unprintable escaped: ``/films/caf\xe9.mp4``. It is for people only.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

_URI = "file://"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")


def stored(path: str | Path) -> str:
    """Return the path as tables and the archive's index hold it; `path_of` restores it byte for byte."""
    text = str(path)
    return text if is_utf8(text) else Path(text).absolute().as_uri()


def path_of(text: str) -> Path:
    """Return the local path that `stored` wrote."""
    return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_URI)))) if text.startswith(_URI) else Path(text)


def is_remote(text: str) -> bool:
    """Whether a stored path is the URL of a remote file."""
    return _URL.match(text) is not None and not text.startswith(_URI)


def name_of(text: str) -> str:
    """Return the file name of a stored path or URL: unchanged if it is UTF-8, otherwise with other bytes escaped."""
    return readable(text.rsplit("/", 1)[-1] if is_remote(text) else path_of(text).name)


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    r"""Return the text with every lone surrogate escaped: a byte of a file name becomes ``\xe9``."""
    return text if is_utf8(text) else "".join(_escaped(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def shown(path: str | Path) -> str:
    """Return the path on one line, with everything unprintable escaped: line breaks, controls, direction marks."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(path))


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return rf"\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
