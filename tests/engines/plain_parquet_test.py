#!/usr/bin/env python3
"""Tables with `format: parquet` are read without Delta, by pattern and by manifest; printed as a table.

    plain_parquet_test.py PROGRAM

DuckDB, pyarrow and Polars read the flights project's tables after runs that replaced files. Rows and a hash of their
contents must be those of our own reading. Exits 1 when one differs.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "line"))
from matrix_test import python_of_engines  # noqa: E402
from project import flights_project, new_folder, remove  # noqa: E402

TABLES = {"silver/departures": "event_date", "gold/route_delays": "feature_date"}

# Run by the engines' own Python: FOLDER PATTERN_OR_- DATE_COLUMN OURS.parquet, prints {reader: {"rows", "hash"}}.
READ = """
import json, pathlib, sys
import duckdb, polars, pyarrow as pa, pyarrow.dataset as ds, pyarrow.parquet as pq
sys.path.insert(0, sys.argv[5])
from canonical import RowsHash
folder, pattern, date, ours = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
listed = json.loads((folder / "_manifest/latest.json").read_text())["files"]
files = [str(folder / f["path"]) for f in listed] if pattern == "-" else sorted(map(str, folder.glob(pattern)))
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
kinds = {r[0]: r[1] for r in connection.execute(f"DESCRIBE FROM '{ours}'").fetchall()}
columns = ", ".join(f'"{name}"' for name in kinds)
def by_duckdb():
    return connection.execute(f"SELECT {columns} FROM read_parquet({files!r}, hive_partitioning = true)").to_arrow_table()
def by_pyarrow():
    hive = ds.partitioning(pa.schema([(date, pa.date32())]), flavor="hive")
    return ds.dataset(files, partitioning=hive, partition_base_dir=str(folder)).to_table()
def by_polars():
    return polars.scan_parquet(files, hive_partitioning=True, hive_schema={date: polars.Date}).collect().to_arrow()
answers = {}
for name, read in {"assay": lambda: pq.read_table(ours, partitioning=None), "duckdb": by_duckdb, "pyarrow": by_pyarrow,
                   "polars": by_polars}.items():
    table, result = read(), RowsHash(kinds)
    for values in zip(*[table.column(column).to_pylist() for column in result.names]):
        result.add(values)
    answers[name] = result.result()
print(json.dumps(answers))
"""


def as_parquet(project):
    path = project.folder / "flights.yaml"
    text = path.read_text()
    for key in ("    allowed_lateness: 1h\n", "    ttl: 7d\n"):
        assert key in text
        text = text.replace(key, key + "    format: parquet\n", 1)
    path.write_text(text)
    project.run("apply")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    options = parser.parse_args()
    python = python_of_engines()
    root = new_folder("plain_parquet")
    failures = 0
    try:
        project = flights_project(options.program, root / "project", 6)
        held = sorted((project.folder / "data/flights").iterdir())[4:]
        later = [(file, file.read_bytes()) for file in held]
        for file in held:
            file.unlink()
        as_parquet(project)
        project.run("run")
        for file, content in later:
            file.write_bytes(content)
            project.run("run")  # replaces the open tail of the steps
        print(f"{'table':20}{'read by':10}{'rows':>7}  {'hash':18}{'duckdb':8}{'pyarrow':9}polars")
        for table, date in TABLES.items():
            ours = root / "ours.parquet"
            project.run("sql", "FROM lake." + table.replace("/", "."), "--to", ours)
            for way, pattern in (("manifest", "-"), ("pattern", "*/*.parquet")):
                done = subprocess.run([python, "-c", READ, project.folder / "lake" / table, pattern, date, ours, HERE],
                                      capture_output=True, text=True)
                if done.returncode != 0:
                    raise SystemExit(done.stderr)
                answers = json.loads(done.stdout)
                right = answers.pop("assay")
                cells = {name: "=" if answer == right else "DIFFERS" for name, answer in answers.items()}
                failures += sum(cell != "=" for cell in cells.values())
                print(f"{table:20}{way:10}{right['rows']:>7}  {right['hash']:18}{cells['duckdb']:8}{cells['pyarrow']:9}"
                      f"{cells['polars']}")
                for name, answer in answers.items():
                    if answer != right:
                        print(f"{table} {way} {name}: {answer}, not {right}", file=sys.stderr)
        return 1 if failures else 0
    finally:
        remove(root)


if __name__ == "__main__":
    sys.exit(main())
