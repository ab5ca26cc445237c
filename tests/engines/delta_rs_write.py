"""Writes Delta tables with delta-rs, in forms that users have.

    delta_rs_write.py FOLDER        makes FOLDER/<name>; prints {name: columns with DuckDB's types}
"""

import datetime
import json
import sys

import pyarrow
from deltalake import DeltaTable, write_deltalake

UTC = datetime.timezone.utc


def rows(begin, end):
    ids = list(range(begin, end))
    return pyarrow.table({
        "id": pyarrow.array(ids, pyarrow.int64()),
        "key": pyarrow.array([f"k {i % 5}" if i % 6 else None for i in ids], pyarrow.string()),
        "value": pyarrow.array([i / 3 if i % 4 else None for i in ids], pyarrow.float64()),
        "good": pyarrow.array([i % 2 == 0 for i in ids], pyarrow.bool_()),
        "at": pyarrow.array([datetime.datetime(2026, 1, 1, tzinfo=UTC) + datetime.timedelta(seconds=i * 977, microseconds=i)
                             for i in ids], pyarrow.timestamp("us", "UTC")),
        "day": pyarrow.array([datetime.date(2026, 1, 1 + i % 28) for i in ids], pyarrow.date32()),
    })


COLUMNS = {"id": "BIGINT", "key": "VARCHAR", "value": "DOUBLE", "good": "BOOLEAN", "at": "TIMESTAMP", "day": "DATE"}


def appends(path):
    for part in range(12):
        write_deltalake(path, rows(part * 50, part * 50 + 50), mode="append", partition_by=["key"])


def checkpointed(path):
    appends(path)
    DeltaTable(path).create_checkpoint()
    write_deltalake(path, rows(600, 640), mode="append")


def deleted(path):
    appends(path)
    DeltaTable(path).delete("id % 3 = 0")


def merged(path):
    write_deltalake(path, rows(0, 200))
    (DeltaTable(path)
     .merge(rows(150, 250).set_column(2, "value", pyarrow.array([1.5] * 100)), "s.id = t.id", source_alias="s",
            target_alias="t")
     .when_matched_update_all().when_not_matched_insert_all().execute())


def optimized(path):
    appends(path)
    DeltaTable(path).optimize.compact()
    DeltaTable(path).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


def overwritten(path):
    write_deltalake(path, rows(0, 100))
    write_deltalake(path, rows(1000, 1100), mode="overwrite")


TABLES = {"appends": appends, "checkpointed": checkpointed, "deleted": deleted, "merged": merged,
          "optimized": optimized, "overwritten": overwritten}


def main(words):
    made = {}
    for name, make in TABLES.items():
        make(f"{words[0]}/{name}")
        made[name] = COLUMNS
    print(json.dumps(made))


main(sys.argv[1:])
