"""Which requests to a server on this machine come from its own pages, as the browser says it.

Any page in the user's browser can send requests to a loopback address. Browsers name where a request comes from in
``Origin``, which a page cannot change. ``Host`` must be a name of the server: otherwise a name of another site could be
pointed to it (DNS rebinding).
"""

from collections.abc import Collection
from urllib.parse import urlsplit

NAMES = ("localhost", "127.0.0.1", "::1")


def is_named(host: str, names: Collection[str] = NAMES) -> bool:
    """Return whether a ``Host`` header, with or without a port, is one of the names of a server."""
    try:
        return urlsplit(f"//{host}").hostname in names
    except ValueError:
        return False


def is_own(origin: str | None, host: str) -> bool:
    """Return whether an ``Origin`` header is that of the server's own pages; a request without one is no page's."""
    try:
        return origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False
