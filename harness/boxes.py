"""The boxes of MP4 and MOV (ISO/IEC 14496-12), as a tree that can be broken and written again."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta")


@dataclass(slots=True)
class Box:
    """One box; `size` is written in place of the true one where it is set."""

    kind: bytes
    body: bytes = b""
    inner: list["Box"] = field(default_factory=list)
    size: int | None = None

    def data(self) -> bytes:
        """Return its bytes."""
        body = self.body + b"".join(box.data() for box in self.inner)
        size = 8 + len(body) if self.size is None else self.size
        return struct.pack(">I", size & 0xFFFF_FFFF) + self.kind + body

    def all(self) -> Iterator["Box"]:
        """Yield it and every box in it."""
        yield self
        for box in self.inner:
            yield from box.all()


def parsed(data: bytes) -> list[Box]:
    """Return the boxes of a whole file."""
    boxes: list[Box] = []
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + size]
        boxes.append(Box(kind, inner=parsed(body)) if kind in _PARENTS else Box(kind, body))
        at += max(size, 8)
    return boxes


def written(boxes: list[Box]) -> bytes:
    """Return the bytes of a file."""
    return b"".join(box.data() for box in boxes)
