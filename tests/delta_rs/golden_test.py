#!/usr/bin/env python3
"""Reads the tables that delta-rs tests itself with, and compares with what delta-rs reads.

    golden_test.py ASSAY

Per column: how many values, their sum or length, the smallest and the largest. A table that we cannot read
must be one of REFUSED, with those words; one that delta-rs reads otherwise must be in DIFFERS, with what is
right. Needs the Python of requirements.txt in $ASSAY_VENV; fetches the tables (tools/fetch_delta_tables.sh).
"""

import decimal
import json
import os
import subprocess
import sys
import tempfile

NO_FILE = "No files found"  # the archive has the log of these tables, not their data files
REFUSED = {
    "checkpoint_with_partitions": NO_FILE,
    "checkpoints": NO_FILE,
    "checkpoints_vacuumed": NO_FILE,
    "delta-live-table": "schemaString is missing",
    "latest_not_checkpointed": NO_FILE,
    "simple_table_features": "reader version 5 is not supported",
    "spark-shredded-variant-preview-delta": "not supported: variantShredding-preview, variantType",
    "spark-variant-checkpoint": "not supported: variantType-preview",
    "spark-variant-stable-feature-checkpoint": "not supported: variantType",
    "table-with-domain-metadata": NO_FILE,
    "with_checkpoint_no_last_checkpoint": NO_FILE,
}
# DataFusion holds INT96 in nanoseconds, which end in 2262; these are 9999-12-31 and the day before.
DIFFERS = {"table_with_edge_timestamps": {"BIG_DATE": (253402128000000000, 253402214400000000)}}
COMPARED = 40
INTEGERS = ("byte", "short", "integer", "long")


def expressions(name, kind):
    """Pairs of SQL, ours and DataFusion's, that must give the same."""
    c = '"' + name.replace('"', '""') + '"'
    both = [f"count({c})"]
    pairs = []
    if kind in INTEGERS:
        both += [f"CAST(sum({c}) AS BIGINT)", f"CAST(min({c}) AS BIGINT)", f"CAST(max({c}) AS BIGINT)"]
    elif kind == "boolean":
        both += [f"CAST(sum(CASE WHEN {c} THEN 1 ELSE 0 END) AS BIGINT)"]
    elif kind == "string":
        both += [f"min({c})", f"max({c})", f"CAST(sum(length({c})) AS BIGINT)"]
    elif kind in ("float", "double"):
        both += [f"CAST(min({c}) AS DOUBLE)", f"CAST(max({c}) AS DOUBLE)"]
    elif kind == "date":
        both += [f"CAST(min({c}) AS VARCHAR)", f"CAST(max({c}) AS VARCHAR)"]
    elif kind.startswith("timestamp"):
        pairs += [(f"epoch_us({of}({c}))", f"CAST({of}({c}) AS BIGINT)") for of in ("min", "max")]
    elif kind.startswith("decimal"):
        both += [f"CAST(min({c}) AS VARCHAR)", f"CAST(max({c}) AS VARCHAR)"]
    elif kind == "binary":
        pairs += [(f"lower(hex({of}({c})))", f"encode({of}({c}), 'hex')") for of in ("min", "max")]
    return [(each, each) for each in both] + pairs


def plain(value, kind):
    if value is not None and kind.startswith("decimal") and isinstance(value, str):
        return decimal.Decimal(value)
    return value


def theirs(folder):
    """A function that asks delta-rs, in a process of its own: the fields for None, else values of SQL."""
    script = """
import json, sys
from deltalake import DeltaTable, QueryBuilder
table = DeltaTable(sys.argv[1])
fields = json.loads(table.schema().to_json())["fields"]
asked = json.loads(sys.stdin.read()) if len(sys.argv) > 2 else None
if asked is None:
    print(json.dumps(fields))
else:
    rows = QueryBuilder().register("t", table).execute("SELECT " + ", ".join(asked) + " FROM t").read_all()
    print(json.dumps([rows.column(i)[0].as_py() for i in range(len(asked))], default=str))
"""
    python = os.path.join(os.environ["ASSAY_VENV"], "bin", "python")

    def run(asked):
        words = [python, "-c", script, folder] + (["ask"] if asked else [])
        done = subprocess.run(words, input=json.dumps(asked), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return json.loads(done.stdout)

    return run


def main():
    assay = os.path.abspath(sys.argv[1])
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    data = os.path.join(top, "build", "delta_tables")
    subprocess.run([os.path.join(top, "tools", "fetch_delta_tables.sh"), data], check=True)
    failures = []
    compared = 0
    with tempfile.TemporaryDirectory() as project:
        with open(os.path.join(project, "assay.yaml"), "w") as file:
            file.write(f"project: golden\nlake: {os.path.join(data, 'tables')}\n")

        def ours(key, asked):
            zone, _, rest = key.partition("/")
            name = f'lake."{zone}"."{rest}"' if rest else f'lake.main."{zone}"'
            text = "SELECT " + ", ".join(f"{each} AS c{i}" for i, each in enumerate(asked)) + f" FROM {name}"
            done = subprocess.run([assay, "sql", text, "--output", "json"], cwd=project, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip())
            row = json.loads(done.stdout)
            row = row[0] if isinstance(row, list) else row
            return [row[f"c{i}"] for i in range(len(asked))]

        for key in tables_of(os.path.join(data, "tables")):
            try:
                compared += compare(key, os.path.join(data, "tables", key), ours)
            except RuntimeError as error:
                failures.append(f"{key}: {error}")
    if compared != COMPARED:
        failures.append(f"{COMPARED} tables should have been compared")
    print(f"{compared} tables read as delta-rs reads them, {len(REFUSED)} refused as they should be")
    print("\n".join(failures))
    return 1 if failures else 0


def tables_of(folder):
    keys = []
    for path, folders, _ in os.walk(folder):
        if "_delta_log" in folders:
            keys.append(os.path.relpath(path, folder))
            folders.clear()
    return sorted(keys)


def compare(key, folder, ours):
    """1 when compared and equal, 0 when refused as it should be."""
    peer = theirs(folder)
    if key in REFUSED:
        try:
            ours(key, ["count(*)"])
        except RuntimeError as error:
            if REFUSED[key] in str(error):
                return 0
            raise
        raise RuntimeError("was read, but should have been refused: " + REFUSED[key])
    names, kinds, mine, other = ["rows"], [""], ["count(*)"], ["count(*)"]
    for field in peer(None):
        kind = field["type"] if isinstance(field["type"], str) else ""
        for left, right in expressions(field["name"], kind):
            names.append(f"{left} of {field['name']}")
            kinds.append(kind)
            mine.append(left)
            other.append(right)
    got, wanted = ours(key, mine), peer(other)
    for column, right in DIFFERS.get(key, {}).items():
        for of, value in zip(("min", "max"), right):
            wanted[names.index(f'epoch_us({of}("{column}")) of {column}')] = value
    differences = [f"{name}: {a}, delta-rs {b}" for name, kind, a, b in zip(names, kinds, got, wanted)
                   if plain(a, kind) != plain(b, kind)]
    if differences:
        raise RuntimeError("; ".join(differences))
    return 1


if __name__ == "__main__":
    sys.exit(main())
