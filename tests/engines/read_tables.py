#!/usr/bin/env python3
"""Reads Delta tables with one engine and prints what it sees.

    read_tables.py ENGINE REQUESTS.json ANSWERS.json

ENGINE is delta-rs, datafusion, polars, duckdb, chdb or parquet (plain files: our own answers and the rows a
table was made of). A request is {"name", "path", "version", "columns": {name: DuckDB's type}, "losses"}; the
answer to its name is {"rows", "hash"} or {"error"}.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from canonical import RowsHash  # noqa: E402


def read_delta_rs(path, version):
    from deltalake import DeltaTable
    return DeltaTable(path, version=version).to_pyarrow_table()


def read_datafusion(path, version):
    import pyarrow
    from deltalake import DeltaTable, QueryBuilder
    batches = QueryBuilder().register("t", DeltaTable(path, version=version)).execute("SELECT * FROM t").read_all()
    return pyarrow.table(batches)


def read_polars(path, version):
    import polars
    return polars.scan_delta(path, version=version).collect().to_arrow()


def duckdb_extension():
    import duckdb_extension_delta
    root = Path(duckdb_extension_delta.__file__).resolve().parent
    return str(next(root.rglob("*.duckdb_extension")))


def read_duckdb(path, version):
    import duckdb
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    connection.execute(f"LOAD '{duckdb_extension()}'")
    at = "" if version is None else f", version={version}"
    return connection.execute(f"FROM delta_scan('{path}'{at})").to_arrow_table()


def read_chdb(path, version):
    import chdb
    import pyarrow
    os.chdir("/")  # it reads files below the working folder only
    at = "" if version is None else f", delta_lake_snapshot_version={version}"
    answer = chdb.query(f"SELECT * FROM deltaLakeLocal('{path}') SETTINGS output_format_arrow_string_as_string=0{at}",
                        "ArrowStream")  # it knows no difference between texts and bytes
    data = bytes(answer.bytes())
    return pyarrow.ipc.open_stream(data).read_all() if data else pyarrow.table({})


def read_parquet(path, _version):
    import pyarrow.parquet
    return pyarrow.parquet.read_table(path, partitioning=None)


READERS = {"delta-rs": read_delta_rs, "datafusion": read_datafusion, "polars": read_polars, "duckdb": read_duckdb,
           "chdb": read_chdb, "parquet": read_parquet}


def answer(engine, request):
    table = READERS[engine](request["path"], request["version"])
    result = RowsHash(request["columns"], request.get("losses", ()))
    missing = [name for name in result.names if name not in table.column_names]
    if missing or table.num_columns != len(result.names):
        return {"error": f"columns are {table.column_names}"}
    columns = [table.column(name).to_pylist() for name in result.names]
    for values in zip(*columns):
        result.add(values)
    return result.result()


def main(words):
    if len(words) != 3 or words[0] not in READERS:
        print(__doc__, file=sys.stderr)
        return 2
    engine, requests_file, answers_file = words
    answers = {}
    for request in json.loads(Path(requests_file).read_text()):
        try:
            answers[request["name"]] = answer(engine, request)
        except BaseException as failure:  # an engine's panic is its answer too
            answers[request["name"]] = {"error": f"{type(failure).__name__}: {str(failure)[:300]}"}
    Path(answers_file).write_text(json.dumps(answers))
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # threads of the engines now and then abort a process that ends by itself
