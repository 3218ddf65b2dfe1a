"""Whether this machine can write the files of a lake: asked before work is done, once in a process."""

import os
import socket
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile

from resources.errors import WarehouseUnreachable
from resources.warehouse.lake.session import engine

_PROBE_BYTES = 1 << 20


def check_writable(data: str) -> None:
    """Write something where a lake keeps its files.

    Args:
        data: The folder or URL.

    Raises:
        WarehouseUnreachable: It cannot be written.
    """
    _check(data, os.getpid())


@lru_cache(maxsize=8)
def _check(data: str, _process: int) -> None:
    if "://" in data:
        _check_objects(data)
    else:
        _check_folder(Path(data))


def _check_folder(folder: Path) -> None:
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WarehouseUnreachable(
            f"folder {folder}", f"this machine cannot write there: {error.strerror}", "mount it, or make room in it"
        ) from error


def _check_objects(data: str) -> None:
    import duckdb

    with engine(data) as connection:
        try:
            connection.execute(f"COPY (SELECT 1 AS one) TO '{data}.probe/{socket.gethostname()}.parquet'")
        except duckdb.Error as error:
            line = str(error).splitlines()[0]
            raise WarehouseUnreachable(
                data,
                f"this machine cannot write there: {line}",
                "check the bucket, AWS_ENDPOINT_URL and the credentials",
            ) from error
