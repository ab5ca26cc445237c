#!/usr/bin/env python3
"""Every engine reads our tables and sees what we see; printed as a table.

    matrix_test.py PROGRAM TABLE_WRITER [--engines delta-rs,datafusion,polars,duckdb,chdb,spark,trino]

Each table is read at its latest version and by version, before and after checkpoint, log clean-up, compaction,
vacuum and an added column. Number of rows and a hash of their contents must equal those of the rows that were
written, computed by another program than ours, and those of our own reading. Exits 1 when one differs.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SERVERS = SOURCE / "tools" / "servers"
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from make_tables import Lake, expected_select  # noqa: E402

IN_PYTHON = ["delta-rs", "datafusion", "polars", "duckdb", "chdb"]
# What an engine cannot give: Trino knows milliseconds only; chdb has no null lists and maps.
LOSSES = {"trino": ["milliseconds"], "chdb": ["nested_nulls"]}


def python_of_engines():
    done = subprocess.run([SERVERS / "engines.sh", "install"], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


class Matrix:
    def __init__(self, lake, engines, folder):
        self.lake, self.engines, self.folder = lake, engines, folder
        self.python = python_of_engines()
        self.lines = []      # (table, phase, version, {engine: answer})
        self.failures = 0

    def read(self, engine, requests):
        requests = [{**request, "losses": LOSSES.get(engine, [])} for request in requests]
        asked, answered = self.folder / f"{engine}.requests.json", self.folder / f"{engine}.answers.json"
        asked.write_text(json.dumps(requests))
        answered.unlink(missing_ok=True)
        if engine == "trino":
            return self.read_trino(requests)
        command = [SERVERS / "spark.sh", "run", HERE / "spark_read.py", asked, answered] if engine == "spark" else \
            [self.python, HERE / "read_tables.py", engine, asked, answered]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        if not answered.exists():
            return {request["name"]: {"error": done.stderr[-300:]} for request in requests}
        return json.loads(answered.read_text())

    def read_trino(self, requests):
        from trino_client import Trino, answer
        done = subprocess.run([SERVERS / "trino.sh", "start", self.folder / "trino", self.lake.folder / "lake"],
                              stdout=subprocess.PIPE, text=True, timeout=1800)
        if done.returncode != 0:
            return {request["name"]: {"error": "Trino did not start"} for request in requests}
        answers = {}
        try:
            trino = Trino(done.stdout.split()[-1])
            trino.query("CREATE SCHEMA IF NOT EXISTS delta.default")
            for table in {request["table"] for request in requests}:
                trino.query(f"CALL delta.system.register_table('default', '{table}', 'local:///bronze/{table}')")
            for request in requests:
                try:
                    answers[request["name"]] = answer(trino, request["table"], request)
                except Exception as failure:
                    answers[request["name"]] = {"error": str(failure)[:300]}
            for table in {request["table"] for request in requests}:
                trino.query(f"CALL delta.system.unregister_table('default', '{table}')")
        finally:
            subprocess.run([SERVERS / "trino.sh", "stop", self.folder / "trino"])
        return answers

    def phase(self, phase, wanted):
        """Read tables at versions with all engines; wanted: (table, version or None, SQL of its rows)."""
        requests = []
        for table, version, select in wanted:
            name = f"{table}@{'latest' if version is None else version}"
            truth, ours = self.folder / f"{name}.truth.parquet", self.folder / f"{name}.ours.parquet"
            columns = self.write_truth(select, truth)
            self.lake.copy_of(table, version, ours)
            requests.append({"name": name, "table": table, "path": self.lake.path(table), "version": version,
                             "columns": columns, "truth": str(truth), "ours": str(ours)})
        answers = {}
        for engine in ["assay", *self.engines]:
            answers[engine] = self.read("parquet", [{**r, "path": r["ours"]} for r in requests]) \
                if engine == "assay" else self.read(engine, requests)
        for losses in sorted({tuple(LOSSES.get(engine, [])) for engine in ["assay", *self.engines]}):
            answers[losses] = self.truth(requests, losses)
        for request in requests:
            self.judge(phase, request, answers)

    def write_truth(self, select, target):
        """The rows a table must have, by DuckDB alone; gives the columns with their types."""
        script = ("import duckdb, json, sys\nc = duckdb.connect()\nc.execute(\"SET TimeZone = 'UTC'; SET enable_progress_bar = false\")\n"
                  "select, target = sys.argv[1:]\n"
                  "c.execute(f\"COPY ({select}) TO '{target}' (FORMAT parquet)\")\n"
                  "print(json.dumps({r[0]: r[1] for r in c.execute(f\"DESCRIBE {select}\").fetchall()}))\n")
        done = subprocess.run([self.python, "-c", script, select, str(target)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)

    def truth(self, requests, losses):
        asked, answered = self.folder / "truth.requests.json", self.folder / "truth.answers.json"
        asked.write_text(json.dumps([{**r, "path": r["truth"], "losses": list(losses)} for r in requests]))
        subprocess.run([self.python, HERE / "read_tables.py", "parquet", asked, answered], check=True)
        return json.loads(answered.read_text())

    def judge(self, phase, request, answers):
        cells = {}
        name = request["name"]
        for engine in ["assay", *self.engines]:
            right, given = answers[tuple(LOSSES.get(engine, []))][name], answers[engine].get(name, {"error": "none"})
            good = given == right and "hash" in given
            cells[engine] = "=" if good else "ERROR" if "error" in given else "DIFFERS"
            if not good:
                self.failures += 1
                print(f"{phase} {name} {engine}: {given}, not {right}", file=sys.stderr)
        truth = answers[()][name]
        self.lines.append([request["table"], phase, name.split("@")[1], str(truth.get("rows")), truth.get("hash", "?"),
                           *cells.values()])

    def print(self):
        heads = ["table", "phase", "version", "rows", "hash", "assay", *self.engines]
        lines = [heads, *self.lines]
        widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("table_writer")
    parser.add_argument("--engines", default=",".join(IN_PYTHON))
    parser.add_argument("--tables", default="types,nested,numbers,flights,soccer")
    parser.add_argument("--keep", help="folder to work in, kept")
    arguments = parser.parse_args(words)
    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="assay_engines_")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lake = Lake(Path(arguments.program).resolve(), Path(arguments.table_writer).resolve(), folder / "project")
        matrix = Matrix(lake, [e for e in arguments.engines.split(",") if e], folder)
        tables = arguments.tables.split(",")
        for table in tables:
            lake.fill(table)
        matrix.phase("written", [(table, version, expected_select(table, 2 if version is None else version))
                                 for table in tables for version in (1, None)])
        done = [lake.maintain(table) for table in tables][0]
        phase = "maintained"
        matrix.phase(phase, [(table, version, expected_select(table, version))
                             for table in tables for version in (lake.version(table), None)])
        matrix.print()
        print(f"maintained: a column and rows added, then {', '.join(done)}")
        print(f"{len(matrix.lines)} versions, {len(matrix.engines) + 1} engines, {matrix.failures} differences")
        return 1 if matrix.failures else 0
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
