"""Sorting requests that a host answers together. Runs only inside hosts."""

from collections.abc import Iterator, Sequence
from typing import Any

from resources.hosting.host import Request


def by_argument(requests: Sequence[Request], name: str, default: Any) -> Iterator[tuple[Any, list[int]]]:
    """Each value that the requests give an argument, with the numbers of the requests that give it.

    Args:
        requests: The requests.
        name: The argument.
        default: What a request without it means.
    """
    groups: dict[str, tuple[Any, list[int]]] = {}
    for number, request in enumerate(requests):
        value = request.args.get(name, default)
        groups.setdefault(repr(value), (value, []))[1].append(number)
    yield from groups.values()
