"""Data sent between a handle and a host: names of mapped files, row numbers, and small tables. Never pictures."""

import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resources.errors import ModelError, to_exception
from resources.hosting.messages import IDENTITY, Request, Stream


@dataclass(frozen=True, slots=True)
class Answer:
    """A host's answer: a table, or an error.

    Attributes:
        meta: Figures of the call and of the host.
        frame: The table, as Arrow IPC bytes; empty with an error.
        error: Class name, culprit, problem and fix; None with a table.
    """

    meta: Mapping[str, Any]
    frame: bytes = b""
    error: tuple[str, str, str, str] | None = None


@contextmanager
def packed(
    method: str, streams: Mapping[str, Stream], args: Mapping[str, Any], video_id: str, deadline_s: float, spill: Path
) -> Iterator[bytes]:
    """Yield the bytes of a request. Arrays without a file are in a temporary file under `spill` during the block."""
    spilled: list[Path] = []
    try:
        arrays = {}
        for name, stream in streams.items():
            path = stream.path
            if path is None:
                with tempfile.NamedTemporaryFile(dir=spill, prefix="spill-", suffix=".npy", delete=False) as file:
                    path = Path(file.name)
                    spilled.append(path)
                    np.save(file, np.ascontiguousarray(stream.array), allow_pickle=False)
            arrays[name] = {
                "path": str(path.absolute()),
                "shape": list(stream.array.shape),
                "dtype": str(stream.array.dtype),
                "rows": None if stream.rows is None else [int(row) for row in stream.rows],
            }
        order = {"method": method, "arrays": arrays, "args": dict(args), "video_id": video_id, "deadline_s": deadline_s}
        yield json.dumps(order).encode()
    finally:
        for path in spilled:
            path.unlink(missing_ok=True)


def opened(order: Mapping[str, Any]) -> Request:
    """Return the request with its arrays mapped.

    Raises:
        ModelError: A file is gone or differs from the caller's file, or a row is not in it.
    """
    arrays, picked = {}, {}
    for name, ask in order["arrays"].items():
        try:
            array = np.load(ask["path"], mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise ModelError(ask["path"], "the array's file no longer exists", "decode the video again") from error
        if list(array.shape) != ask["shape"] or str(array.dtype) != ask["dtype"]:
            problem = f"holds {array.dtype} {list(array.shape)}, the request declares {ask['dtype']} {ask['shape']}"
            raise ModelError(ask["path"], problem, "pass the file that the array was mapped from")
        arrays[name] = array
        if ask["rows"] is not None:
            wrong = [row for row in ask["rows"] if not 0 <= row < len(array)]
            if wrong:
                raise ModelError(
                    ask["path"], f"has no row {wrong[0]}, only {len(array)} rows", "ask for rows that exist"
                )
            picked[name] = ask["rows"]
    return Request(order["video_id"], arrays, picked, order["args"])


def stamped(frame: pl.DataFrame, request: Request, revision: str) -> bytes:
    """Return the frame with the request's identity as the first columns, as Arrow IPC.

    Raises:
        ModelError: A ``row`` of the frame was not requested: the host mixed up its batch.
    """
    if "row" in frame.columns and len(request.picked) == 1:
        (asked,) = request.picked.values()
        strange = set(frame["row"].to_list()) - set(asked)
        if strange:
            raise ModelError(
                f"row {min(strange)}",
                f"answered for video {request.video_id!r}, which did not ask for it",
                "fix the host",
            )
    identity = [
        pl.lit(value, pl.String).alias(name) for name, value in zip(IDENTITY, (request.video_id, revision), strict=True)
    ]
    buffer = io.BytesIO()
    frame.select(*identity, pl.all()).write_ipc(buffer)
    return buffer.getvalue()


def to_bytes(answer: Answer) -> bytes:
    """Return the header length, the header as JSON, then the table."""
    header = json.dumps({"meta": dict(answer.meta), "error": answer.error}).encode()
    return len(header).to_bytes(4, "big") + header + answer.frame


def from_bytes(data: bytes) -> Answer:
    """Reverse `to_bytes`."""
    size = int.from_bytes(data[:4], "big")
    header = json.loads(data[4 : 4 + size])
    return Answer(header["meta"], data[4 + size :], tuple(header["error"]) if header["error"] else None)


def read_frame(answer: Answer, video_id: str) -> pl.DataFrame:
    """Return the table of an answer.

    Raises:
        ResourceError: The answer is an error.
        ModelError: The table belongs to another video.
    """
    if answer.error is not None:
        raise to_exception(answer.error)
    frame = pl.read_ipc(io.BytesIO(answer.frame))
    strange = frame.filter(pl.col("video_id") != video_id)
    if len(strange):
        problem = f"it answered for video {strange['video_id'][0]!r} instead"
        raise ModelError(f"call for video {video_id!r}", problem, "report it: the host mixed up its batch")
    return frame
