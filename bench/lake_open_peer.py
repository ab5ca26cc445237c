"""Opens a Delta table with delta-rs REPEATS times; prints files, rows, and the milliseconds of each.

    python lake_open_peer.py TABLE REPEATS
"""

import sys
import time

from deltalake import DeltaTable

table, repeats = sys.argv[1], int(sys.argv[2])
times = []
for _ in range(repeats):
    begin = time.perf_counter()
    opened = DeltaTable(table)
    files = len(opened.file_uris())
    times.append((time.perf_counter() - begin) * 1000)
print(files, opened.version(), *(f"{each:.2f}" for each in times))
