"""Dagster's storage: the folder in ``DAGSTER_HOME``, or one that is created here.

A folder without ``dagster.yaml`` gets the one of this package, which has the limits of the pools.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resources.fs import locked, write_atomically

if TYPE_CHECKING:
    import dagster as dg

SETTINGS = Path(__file__).with_name("dagster.yaml")
# A checkout keeps Dagster's storage in the first, which `make ui` uses; otherwise it is with the other data.
_CHECKOUT, _ELSEWHERE = Path("dagster_home"), Path("data/dagster_home")


def dagster_home() -> Path:
    """Return the folder of Dagster's storage; processes started from this one find it in their environment."""
    named = os.environ.get("DAGSTER_HOME")
    home = Path(named) if named else _CHECKOUT if (_CHECKOUT / "dagster.yaml").is_file() else _ELSEWHERE
    home = home.expanduser().absolute()
    home.mkdir(parents=True, exist_ok=True)
    made = home / "dagster.yaml"
    if not made.exists() or not made.stat().st_size:
        # complete or not at all: with half of it, Dagster would take its own defaults for the rest
        write_atomically(made, SETTINGS.read_bytes(), durable=True)
        if named:
            sys.stderr.write(f"DAGSTER_HOME {named}: put a dagster.yaml there, with the limits of the model pools\n")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def instance() -> "Iterator[dg.DagsterInstance]":
    """Yield Dagster's instance. Its storage exists afterwards, so that Dagster's own programs may start at once."""
    import dagster as dg

    # two that create the storage at once can both write its version, and Dagster opens it never again
    with locked(dagster_home() / ".opening"):
        opened = dg.DagsterInstance.get()
    with opened as it:
        yield it
