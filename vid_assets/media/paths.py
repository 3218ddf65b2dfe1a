r"""How the path of a file stands in tables, logs and pages, and how it leads back to the file.

A file name is bytes, and need not be UTF-8; Python keeps the bytes that are not as lone surrogates, which neither
SQLite, nor Parquet, nor a page in UTF-8 can hold. A path therefore has two written forms, both valid UTF-8:

- *stored*: a local path as it is where it is UTF-8, and otherwise as a file URI (RFC 8089) with percent-encoded bytes,
  ``file:///films/caf%E9.mp4``. A remote file is stored as its URL. `stored` writes this form, `path_of` reads it.
- *shown*: on one line, everything that is not printable as an escape: ``/films/caf\xe9.mp4``. It is for people only.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

_URI = "file://"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")


def stored(path: str | Path) -> str:
    """The path as tables and the archive's index hold it; `path_of` gives it back, byte by byte."""
    text = str(path)
    return text if is_utf8(text) else Path(text).absolute().as_uri()


def path_of(text: str) -> Path:
    """The local path that `stored` wrote."""
    return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_URI)))) if text.startswith(_URI) else Path(text)


def is_remote(text: str) -> bool:
    """Whether a stored path is the URL of a remote file."""
    return _URL.match(text) is not None and not text.startswith(_URI)


def name_of(text: str) -> str:
    """The file name of a stored path or URL, as it is where it is UTF-8, otherwise with its other bytes escaped."""
    return readable(text.rsplit("/", 1)[-1] if is_remote(text) else path_of(text).name)


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8: it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    r"""The text with every lone surrogate escaped, a byte of a file name as ``\xe9``; the rest stays as it is."""
    return text if is_utf8(text) else "".join(_escaped(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def shown(path: str | Path) -> str:
    """The path on one line, with everything that is not printable escaped: breaks, controls, marks of direction."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(path))


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return rf"\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
