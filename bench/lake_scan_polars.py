"""The peer of lake_scan_bench: delta-rs finds the files, Polars reads them. Prints rows, sum and seconds.

    lake_scan_polars.py TABLE key|time|none
"""

import datetime
import sys
import time

import polars

table, kind = sys.argv[1:]
day = [datetime.datetime(2026, 1, d, tzinfo=datetime.timezone.utc) for d in (10, 12)]
in_time = (polars.col("ts") >= day[0]) & (polars.col("ts") < day[1])
condition = {"key": in_time & (polars.col("user_id") == "u00000007"), "time": in_time,
             "none": polars.col("n") % 2 == 0}[kind]
begin = time.perf_counter()
answer = polars.scan_delta(table).filter(condition).select(polars.len(), polars.col("n").sum()).collect()
print(answer.item(0, 0), answer.item(0, 1), time.perf_counter() - begin)
