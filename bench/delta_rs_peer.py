"""delta-rs at the work of a benchmark; prints the seconds that the work itself took, by the clock and of processors.

    delta_rs_peer.py append SOURCE TARGET COLUMN CODEC     rows of one table, in memory, into a partitioned one
    delta_rs_peer.py compact TABLE MEGABYTES
"""

import sys
import time

from deltalake import DeltaTable, QueryBuilder, WriterProperties, write_deltalake


def took(work):
    begin, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - processor


def append(source, target, column, codec):
    rows = QueryBuilder().register("t", DeltaTable(source)).execute("SELECT * FROM t")
    rows = rows.read_all() if hasattr(rows, "read_all") else rows
    return took(lambda: write_deltalake(target, rows, partition_by=[column], mode="append",
                                        writer_properties=WriterProperties(compression=codec)))


def compact(table, megabytes):
    table = DeltaTable(table)
    return took(lambda: table.optimize.compact(target_size=int(megabytes) << 20))


if __name__ == "__main__":
    work = {"append": append, "compact": compact}[sys.argv[1]]
    print("{:.3f} {:.3f}".format(*work(*sys.argv[2:])))
