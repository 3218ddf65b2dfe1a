"""DuckDB with a lake attached."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resources.errors import WarehouseError, WarehouseUnreachable
from resources.warehouse.lake.address import Address, first_line
from resources.warehouse.views import literal

if TYPE_CHECKING:
    import duckdb

LAKE = "lake"
# Writers take turns, but a compaction or another program may commit in between.
_RETRIES = 100
_sessions: dict[tuple[Address, bool, int], "duckdb.DuckDBPyConnection"] = {}
_opening = threading.Lock()


@contextmanager
def session(address: Address, data: str, *, make: bool = False) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Yield a connection to the lake, and close it.

    Args:
        address: The lake.
        data: Where it keeps its files.
        make: Whether to make the lake if the database has none.

    Raises:
        WarehouseUnreachable: The catalogue or the files cannot be reached.
        WarehouseError: An extension is missing, or of another version.
    """
    import duckdb

    connection = connect(address, data, make=make)
    try:
        yield connection
    except (duckdb.IOException, duckdb.HTTPException, duckdb.ConnectionException) as error:
        _forget(address)
        raise _lost(address, error) from error
    finally:
        connection.close()


def connect(address: Address, data: str, *, read_only: bool = False, make: bool = False) -> "duckdb.DuckDBPyConnection":
    """Return a connection to the lake with times in UTC; see `session`. This process keeps the lake attached."""
    import duckdb

    key = (address, read_only, os.getpid())
    with _opening:
        try:
            if key not in _sessions:
                _sessions[key] = _attached(address, data, read_only=read_only, make=make)
            made = _sessions[key].cursor()
            made.execute(f"USE {LAKE}; SET TimeZone = 'UTC'")
        except duckdb.Error as error:
            _sessions.pop(key, None)
            raise _lost(address, error) from error
        return made


def _lost(address: Address, error: Exception) -> WarehouseUnreachable:
    fix = "start the database, and see that this machine can write the lake's files; what a run staged is kept"
    # DuckDB repeats the connection string, with its password
    return WarehouseUnreachable(address.shown, first_line(error).replace(address.connection, "the catalogue"), fix)


def _forget(address: Address) -> None:
    """Attach the lake anew the next time."""
    with _opening:
        for key in [key for key in _sessions if key[0] == address]:
            del _sessions[key]


def engine(data: str) -> "duckdb.DuckDBPyConnection":
    """Return DuckDB with what it needs for a lake with its files in `data`, and no lake attached.

    Raises:
        WarehouseError: An extension is missing, or of another version.
    """
    import duckdb

    # nothing is fetched without being asked for
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    connection.execute("SET enable_progress_bar = false")
    objects = data.startswith("s3://")
    for extension in ("ducklake", "postgres_scanner", *(("httpfs", "aws") if objects else ())):
        _load(connection, extension)
    if objects:
        connection.execute(_secret())
    return connection


def _attached(address: Address, data: str, *, read_only: bool, make: bool) -> "duckdb.DuckDBPyConnection":
    connection = engine(data)
    connection.execute(f"SET ducklake_max_retry_count = {_RETRIES}")
    options = ["DATA_INLINING_ROW_LIMIT 0", f"DATA_PATH {literal(data)}" if make else "CREATE_IF_NOT_EXISTS false"]
    if read_only:
        options.append("READ_ONLY")
    connection.execute(f"ATTACH {literal(address.text)} AS {LAKE} ({', '.join(options)})")
    return connection


def _load(connection: "duckdb.DuckDBPyConnection", name: str) -> None:
    """Load an extension: of the package ``duckdb-extension-...``, or one that was installed into DuckDB."""
    import duckdb

    package = find_spec(f"duckdb_extension_{name}")
    places = package.submodule_search_locations if package is not None else None
    for place in places or ():
        file = Path(place) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.is_file():
            connection.execute(f"LOAD {literal(str(file))}")
            return
    try:
        connection.execute(f"LOAD {name}")
    except duckdb.Error as error:
        raise WarehouseError(
            f"DuckDB {duckdb.__version__}",
            f"it has no extension {name}",
            f"pip install 'vid_assets[cluster]', or fetch it on this machine: duckdb -c 'INSTALL {name}'",
        ) from error


def _secret() -> str:
    """Return the statement that takes the credentials for S3 from where Amazon's tools have them."""
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", ""))
    options = ["TYPE s3", "PROVIDER credential_chain"]
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        options.append(f"REGION {literal(region)}")
    if endpoint.netloc:
        encrypted = "true" if endpoint.scheme == "https" else "false"
        options += [f"ENDPOINT {literal(endpoint.netloc)}", "URL_STYLE 'path'", f"USE_SSL {encrypted}"]
    return f"CREATE SECRET ({', '.join(options)})"


@contextmanager
def transaction(connection: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """Commit the block as a whole, or nothing of it."""
    import duckdb

    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
