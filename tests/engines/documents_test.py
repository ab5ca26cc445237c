#!/usr/bin/env python3
"""The ways to read our tables that docs/lake.md quotes work, and count the rows that we count.

    documents_test.py PROGRAM [--kinds python,spark,trino]
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from matrix_test import SERVERS, SOURCE, python_of_engines  # noqa: E402

PAGE = SOURCE / "docs" / "lake.md"


def run(command, folder):
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=1800)
    # chdb may abort at the end of its process, when all is printed.
    answered = done.stdout.strip() and "terminate called without an active exception" in done.stderr
    if done.returncode != 0 and not answered:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    return done.stdout


def trino_counts(body, folder):
    from trino_client import Trino
    address = run([SERVERS / "trino.sh", "start", folder / "trino", folder / "lake"], folder).split()[-1]
    try:
        trino = Trino(address)
        trino.query("CREATE SCHEMA IF NOT EXISTS delta.default")
        answers = [trino.query(statement)[1] for statement in body.strip().rstrip(";").split(";\n")]
        return [row[0] for rows in answers[1:] for row in rows]
    finally:
        subprocess.run([SERVERS / "trino.sh", "stop", folder / "trino"])


def counts(kind, body, folder, python):
    """What a quoted program prints."""
    if kind == "trino":
        return trino_counts(body, folder)
    script = folder / "quoted.py"
    if kind == "spark":  # its launcher works in a folder of its own
        script.write_text(f"import os\nos.chdir({str(folder)!r})\n"
                          + body.replace('"lake/', f'"{folder}/lake/'))
        out = run([SERVERS / "spark.sh", "run", script], folder)
    else:
        script.write_text(body)
        out = run([python, script], folder)
    return [int(word) for word in out.split()]


def main(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kinds", default="python")
    arguments = parser.parse_args(words)
    program = Path(arguments.program).resolve()
    root = Path(tempfile.mkdtemp(prefix="assay_lake_page_")).resolve()
    try:
        run([program, "init", "mine", "--template", "flights"], root)
        folder = root / "mine"
        for command in ("apply", "run"):
            run([program, command], folder)
        right = [int(run([program, "sql", f"SELECT count(*) AS n FROM lake.silver.departures{at}", "--output", "csv"],
                         folder).split()[1]) for at in ("", " VERSION AS OF 1")]
        python = python_of_engines()
        read = 0
        for kind, body in re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", PAGE.read_text(), flags=re.S):
            if kind in arguments.kinds.split(","):
                given = counts(kind, body, folder, python)
                assert given == right, f"{kind} prints {given}, not {right}:\n{body}"
                read += 1
        assert read > 0
        print(f"{read} quoted programs count {right[0]} and {right[1]} rows, as we do")
        return 0
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
