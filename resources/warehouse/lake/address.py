"""The address of a lake, as DuckDB writes it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from resources.errors import WarehouseError
from resources.settings import settings

_PREFIX = "ducklake:"
_POSTGRES = "ducklake:postgres:"
_SHAPE = "set VID_WAREHOUSE to a folder, or to ducklake:postgres:host=HOST dbname=DATABASE"


def is_lake(path: str) -> bool:
    """Whether this is the address of a lake, and not a folder.

    Raises:
        WarehouseError: It is a URL, which is neither.
    """
    if path.startswith(_PREFIX):
        return True
    if "://" in path:
        raise WarehouseError(f"warehouse {path}", "neither a folder nor a DuckLake", _SHAPE)
    return False


@dataclass(frozen=True)
class Address:
    """The address of a lake.

    Attributes:
        text: ``ducklake:postgres:`` and a connection string of libpq.

    Raises:
        WarehouseError: The catalogue is not in Postgres, or libpq cannot read the string.
    """

    text: str

    def __post_init__(self) -> None:
        if not self.text.startswith(_POSTGRES):
            raise WarehouseError(f"warehouse {self.text}", "only a catalogue in Postgres can have many writers", _SHAPE)
        _ = self._parts

    @property
    def connection(self) -> str:
        """Return the connection string. It may contain a password."""
        return self.text.removeprefix(_POSTGRES)

    @cached_property
    def shown(self) -> str:
        """Return the address without its password, for messages."""
        parts = {name: value for name, value in self._parts.items() if name != "password"}
        return _POSTGRES + " ".join(f"{name}={value}" for name, value in parts.items())

    @cached_property
    def local(self) -> Path:
        """Return the folder of this machine for the lake: what runs stage, and the declared types."""
        name = hashlib.sha256(self.shown.encode()).hexdigest()[:12]
        return (settings().scratch / f"lake-{name}").expanduser().absolute()

    @cached_property
    def _parts(self) -> dict[str, str]:
        try:
            from psycopg2 import ProgrammingError
            from psycopg2.extensions import parse_dsn
        except ImportError as error:
            raise WarehouseError(
                "a DuckLake", "psycopg2 is not installed", "pip install 'vid_assets[cluster]'"
            ) from error
        try:
            return parse_dsn(self.connection)
        except ProgrammingError as error:
            # the string may contain a password
            raise WarehouseError("VID_WAREHOUSE", f"libpq cannot read it: {first_line(error)}", _SHAPE) from error


def data_place(text: str) -> str:
    """Return where a lake keeps its files, as the catalogue writes it: with a slash at the end.

    Args:
        text: A folder, or a URL.
    """
    place = text if "://" in text else str(Path(text).expanduser().absolute())
    return place.rstrip("/") + "/"


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
