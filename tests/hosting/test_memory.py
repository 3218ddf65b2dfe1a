"""A host that runs out of memory takes less at once, then says so, and lives on."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resources.errors import ModelMemory, is_out_of_memory
from resources.hosting.messages import Stream
from tests.kit.host_kit import EchoResource, handle, home
from vid_assets.errors import is_outside

__all__ = ["home"]
CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB"


def hungry(model: EchoResource, room: int, words: str = "", rows: tuple[int, ...] = tuple(range(16))) -> pl.DataFrame:
    pictures = Stream(np.zeros((16, 3, 5, 3), np.float32), None, rows)
    return model.call("hungry", {"frames": pictures}, {"room": room, "words": words}, "v")


@pytest.mark.parametrize(
    "words", ["", CUDA, "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory"]
)
def test_the_batch_is_halved_until_it_fits_and_stays_so(home: Path, words: str) -> None:
    model = handle(home, batch=16)
    first = hungry(model, 16, words)
    assert set(first["batch"]) == {16}
    answer = hungry(model, 5, words)
    assert answer["row"].to_list() == list(range(16))
    assert set(answer["batch"]) == {4}
    assert set(hungry(model, 16, words)["batch"]) == {4}
    with pytest.raises(ModelMemory, match="it ran out of memory, also with the smallest batch") as caught:
        hungry(model, 0, words)
    assert is_outside(caught.value)
    assert set(hungry(model, 16, words)["pid"]) == set(first["pid"])


def test_requests_that_do_not_fit_together_are_halved_too(home: Path) -> None:
    model = handle(home, {"batch": 4, "window_ms": 400.0}, batch=16)
    hungry(model, 16)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda rows: hungry(model, 4, rows=rows), [(0, 1), (2, 3), (4, 5), (6, 7)]))
    assert [answer["row"].to_list() for answer in answers] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    # no request had to be split
    assert {batch for answer in answers for batch in answer["batch"]} == {16}


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (MemoryError(), True),
        (np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype(np.float64)), True),
        (RuntimeError(CUDA), True),
        (
            RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
            True,
        ),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_libraries_say_about_memory(error: Exception, is_it: bool) -> None:
    assert is_out_of_memory(error) is is_it
