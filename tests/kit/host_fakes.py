"""Hosts without weights worth the name, for tests of what keeps and calls hosts. Host processes import this file."""

import ctypes
import os
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from resources.hosting.host import Host, Request, served


class EchoHost(Host):
    """Answers with what it got. Options: ``load_s``, ``fail``, ``crash``, ``note`` (a file that gets a line a load)."""

    def load(self) -> None:
        if "note" in self.options:
            with Path(self.options["note"]).open("a") as file:
                file.write(f"{os.getpid()}\n")
        time.sleep(self.options.get("load_s", 0))
        if self.options.get("crash"):
            os._exit(3)
        if self.options.get("fail"):
            raise OSError("no such adapter\nsecond line")

    @served
    def echo(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """The mean of each row asked for, and how it was asked."""
        time.sleep(max(request.args.get("sleep_s", 0) for request in requests))
        if any(request.args.get("bad") for request in requests):
            raise ValueError("bad input\nwith details")
        return [
            pl.DataFrame(
                {
                    "row": request.rows("frames"),
                    "mean": [float(picture.mean()) for picture in request.take("frames")],
                    "batch": [len(requests)] * len(request.rows("frames")),
                    "pid": [os.getpid()] * len(request.rows("frames")),
                    "threads": [os.environ["OMP_NUM_THREADS"]] * len(request.rows("frames")),
                },
                schema_overrides={"row": pl.Int64, "mean": pl.Float64},
            )
            for request in requests
        ]

    @served
    def hungry(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Computes ``batch`` pictures at a time, of all requests together; ``room`` of them fit into memory."""
        batch, words = self.options["batch"], requests[0].args.get("words")
        if min(batch, sum(len(request.rows("frames")) for request in requests)) > requests[0].args["room"]:
            raise RuntimeError(words) if words else MemoryError
        return [
            pl.DataFrame({"row": rows, "batch": [batch] * len(rows), "pid": [os.getpid()] * len(rows)})
            for rows in (request.rows("frames") for request in requests)
        ]

    @served
    def hang(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Sleeps in native code, which nothing can interrupt."""
        ctypes.CDLL(None).sleep(60)
        return [pl.DataFrame() for _ in requests]

    @served
    def mixed(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Names a row that nobody asked for."""
        return [pl.DataFrame({"row": [77]}) for _ in requests]

    @served
    def short(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Forgets to answer."""
        return []

    def secret(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Is not served."""
        return [pl.DataFrame() for _ in requests]


class ModulesHost(Host):
    """Tells which modules its process has imported."""

    def load(self) -> None:
        pass

    @served
    def modules(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        import sys

        return [pl.DataFrame({"name": sorted(sys.modules)}) for _ in requests]
