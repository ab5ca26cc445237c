"""delta-rs at the work of a benchmark; prints the seconds that the work itself took.

    delta_rs_peer.py append SOURCE TARGET COLUMN     rows of one table, in memory, into a partitioned one
    delta_rs_peer.py compact TABLE MEGABYTES
"""

import sys
import time

from deltalake import DeltaTable, QueryBuilder, write_deltalake


def append(source, target, column):
    rows = QueryBuilder().register("t", DeltaTable(source)).execute("SELECT * FROM t")
    rows = rows.read_all() if hasattr(rows, "read_all") else rows
    begin = time.perf_counter()
    write_deltalake(target, rows, partition_by=[column], mode="append")
    return time.perf_counter() - begin


def compact(table, megabytes):
    table = DeltaTable(table)
    begin = time.perf_counter()
    table.optimize.compact(target_size=int(megabytes) << 20)
    return time.perf_counter() - begin


if __name__ == "__main__":
    work = {"append": append, "compact": compact}[sys.argv[1]]
    print(f"{work(*sys.argv[2:]):.3f}")
