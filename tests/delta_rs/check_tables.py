#!/usr/bin/env python3
"""Opens Delta tables with delta-rs, a reader that is not ours, and prints what it sees.

    check_tables.py TABLE_FOLDER...

Prints one JSON object to stdout: {folder: {"version": n, "rows": n, "columns": [[name, type], ...],
"files": n}}. Rows are counted by reading every column of every file
(DataFusion), once more under a filter per column that must find each row on one side or the other:
statistics that are wrong lose rows there. Exits 1 at the first table that cannot be read or loses rows.

Needs requirements.txt and nothing else.
"""

import json
import sys

from deltalake import DeltaTable, QueryBuilder

# A value in the middle of each type, to split the rows of a column by.
MIDDLE = {
    "boolean": "true",
    "byte": "0", "short": "0", "integer": "0", "long": "0",
    "float": "CAST(0.5 AS FLOAT)", "double": "CAST(0.5 AS DOUBLE)",
    "string": "'m'",
    "date": "DATE '2001-01-15'",
    "timestamp": "TIMESTAMP '2001-01-15T12:00:00Z'",
}


def number(builder: QueryBuilder, sql: str) -> int:
    table = builder.execute(sql).read_all()
    return table.column(0)[0].as_py()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def check(folder: str) -> dict:
    table = DeltaTable(folder)
    fields = json.loads(table.schema().to_json())["fields"]
    builder = QueryBuilder().register("t", table)
    rows = number(builder, "SELECT count(*) FROM t")
    for field in fields:
        column = quoted(field["name"])
        present = number(builder, f"SELECT count({column}) FROM t")
        absent = number(builder, f"SELECT count(*) FROM t WHERE {column} IS NULL")
        if present + absent != rows:
            raise ValueError(f"{folder}: column {field['name']}: {present} values and {absent} nulls in {rows} rows")
        middle = MIDDLE.get(field["type"])
        if middle is None:
            continue
        below = number(builder, f"SELECT count(*) FROM t WHERE {column} < {middle}")
        not_below = number(builder, f"SELECT count(*) FROM t WHERE {column} >= {middle}")
        if below + not_below != present:
            raise ValueError(f"{folder}: column {field['name']}: {below} below and {not_below} not below "
                             f"{middle} of {present} values: its statistics are wrong")
    return {
        "version": table.version(),
        "rows": rows,
        "columns": [[field["name"], field["type"]] for field in fields],
        "files": len(table.file_uris()),
    }


def main(folders: list[str]) -> int:
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    print(json.dumps({folder: check(folder) for folder in folders}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
