"""Ask one query several times, as a user's client does: ``python -m benchmarks.archive_query DATABASE PASSES``."""

import json
import resource
import sys
import time

import duckdb  # noqa: TID253 - it is the user's client

if __name__ == "__main__":
    query = sys.stdin.read()
    seconds, rows = [], 0
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        for _ in range(int(sys.argv[2])):
            began = time.perf_counter()
            rows = len(connection.execute(query).fetchall())
            seconds.append(time.perf_counter() - began)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "rows": rows, "memory_mb": memory_mb}))
