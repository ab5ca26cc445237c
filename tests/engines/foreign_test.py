#!/usr/bin/env python3
"""We read what other engines wrote, and see the rows that they see themselves; printed as a table.

    foreign_test.py PROGRAM [--writers delta-rs,spark]

Exits 1 when one differs.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from matrix_test import SERVERS, python_of_engines  # noqa: E402


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, **options)
    if done.returncode != 0:
        raise SystemExit(f"{command[1]}: {done.stderr[-2000:]}")
    return done.stdout


class Foreign:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.python = python_of_engines()
        (folder / "assay.yaml").write_text("project: foreign\nlake: ./lake\n")
        self.lines = [["writer", "table", "rows", "hash", "assay", "by key"]]
        self.failures = 0

    def make(self, writer):
        target = self.folder / "lake" / writer.replace("-", "_")
        target.mkdir(parents=True)
        if writer == "delta-rs":
            return target, json.loads(run([self.python, HERE / "delta_rs_write.py", target]))
        made = self.folder / "made.json"
        run([SERVERS / "spark.sh", "run", HERE / "spark_write.py", target, made])
        return target, json.loads(made.read_text())

    def read(self, engine, requests):
        asked, answered = self.folder / "requests.json", self.folder / "answers.json"
        asked.write_text(json.dumps(requests))
        if engine == "spark":
            run([SERVERS / "spark.sh", "run", HERE / "spark_read.py", asked, answered])
        else:
            run([self.python, HERE / "read_tables.py", engine, asked, answered])
        return json.loads(answered.read_text())

    def sql(self, query, *words):
        return subprocess.run([self.program, "sql", query, *words, "--project", self.folder], capture_output=True,
                              text=True)

    def compare(self, writer):
        target, made = self.make(writer)
        requests = [{"name": name, "path": str(target / name), "version": None, "columns": columns}
                    for name, columns in made.items()]
        right = self.read("spark" if writer == "spark" else "datafusion", requests)
        ours, errors = [], {}
        for request in requests:
            file = self.folder / f"{writer}.{request['name']}.parquet"
            done = self.sql(f"SELECT * FROM lake.{target.name}.{request['name']}", "--to", str(file))
            if done.returncode == 0:
                ours.append({**request, "path": str(file)})
            else:
                errors[request["name"]] = {"error": done.stderr.strip()}
        given = {**self.read("parquet", ours), **errors}
        for name in made:
            good = given[name] == right[name] and "hash" in given[name]
            pruned = self.check_pruning(target.name, name) if good else "-"
            self.failures += (not good) + (pruned == "DIFFERS")
            self.lines.append([writer, name, str(right[name].get("rows")), right[name].get("hash", "?"),
                               "=" if good else "ERROR" if "error" in given[name] else "DIFFERS", pruned])
            if not good:
                print(f"{writer} {name}: {given[name]}, not {right[name]}", file=sys.stderr)

    def check_pruning(self, schema, name):
        """Rows found by conditions, which prune files, and rows counted without them."""
        table = f"lake.{schema}.{name}"
        for condition in ("key = 'k 3'", "key IS NULL", "id = 120", "\"at\" >= '2026-01-01 06:00:00'", "day = '2026-01-05'"):
            pruned = self.sql(f"SELECT count(*) AS n FROM {table} WHERE {condition}", "--output", "csv").stdout
            counted = self.sql(f"SELECT count(*) FILTER (WHERE {condition}) AS n FROM {table}", "--output", "csv").stdout
            if pruned != counted or not pruned:
                print(f"{table} WHERE {condition}: {pruned!r}, not {counted!r}", file=sys.stderr)
                return "DIFFERS"
        return "="


def main(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--writers", default="delta-rs")
    arguments = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="assay_foreign_")).resolve()
    try:
        foreign = Foreign(Path(arguments.program).resolve(), folder)
        for writer in arguments.writers.split(","):
            foreign.compare(writer)
        widths = [max(len(line[i]) for line in foreign.lines) for i in range(len(foreign.lines[0]))]
        for line in foreign.lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        print(f"{len(foreign.lines) - 1} tables, {foreign.failures} differences")
        return 1 if foreign.failures else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
