"""Sorts requests that a host answers together. Runs only inside hosts."""

from collections.abc import Iterator, Sequence
from typing import Any

from resources.hosting.host import Request


def by_argument(requests: Sequence[Request], name: str, default: Any) -> Iterator[tuple[Any, list[int]]]:
    """Return each value of an argument, with the numbers of the requests that have it.

    Args:
        requests: The requests.
        name: The argument.
        default: Value for a request without it.
    """
    groups: dict[str, tuple[Any, list[int]]] = {}
    for number, request in enumerate(requests):
        value = request.args.get(name, default)
        groups.setdefault(repr(value), (value, []))[1].append(number)
    yield from groups.values()
