"""Commits eight videos one by one, beside others: ``python -m benchmarks.archive_writer WAREHOUSE FIRST``."""

import sys

from benchmarks.archive import changes
from resources.warehouse.resource import Warehouse

if __name__ == "__main__":
    warehouse, first = Warehouse(path=sys.argv[1]), int(sys.argv[2])
    for number in range(first, first + 8):
        warehouse.commit(changes([number]))
