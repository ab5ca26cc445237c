#!/usr/bin/env python3
"""What `assay verify` says when serving and training do not agree: one bit of one step in gold is changed, as a broken disk
or another writer would. Every difference is told once, with the rows behind it, and the exit code is that of lost data.

    verify_differs_test.py PROGRAM
"""

import subprocess
import sys

from project import CORRUPT, Project, new_folder, remove

ASSAY_YAML = """project: differs
lake: ./lake
serving: {clock: data}
sources:
  events: {files: {path: data, format: csv}}
bronze:
  events:
    source: events
    event_time: ts
    columns: {user_id: string!, amount: float64, ts: timestamp!}
entities: {user: {key: user_id}}
feature_views:
  spend:
    entity: user
    from: events
    features: {total: {agg: sum, of: amount, over: 1h}, n: {agg: count, over: 1h}}
services: {v1: [spend]}
"""
ROWS = "user_id,amount,ts\nu1,1.5,2026-01-01T10:00:00Z\nu1,4.5,2026-01-01T10:05:00Z\nu2,2.5,2026-01-01T10:30:00Z\n"


def change_one_bit(project):
    """Write gold's one file anew, with another total of u1 from 10:10 on."""
    [file] = (project.folder / "lake/gold/spend").rglob("*.parquet")
    size = file.stat().st_size
    project.run("sql", "SELECT * EXCLUDE (feature_date) REPLACE (CASE WHEN total_1h = 6.0 THEN 6.000000000000001 ELSE total_1h END AS total_1h) "
                "FROM lake.gold.spend ORDER BY user_id, known_time", "--to", "changed.parquet")
    changed = (project.folder / "changed.parquet").read_bytes()
    file.write_bytes(changed)
    written = 0
    for log in (project.folder / "lake/gold/spend/_delta_log").glob("*.json"):
        written += log.read_text().count(f'"size":{size},')
        log.write_text(log.read_text().replace(f'"size":{size},', f'"size":{len(changed)},'))
    assert written == 1, written


def main(program):
    root = new_folder("differs")
    try:
        project = Project(program, root)
        project.write("assay.yaml", ASSAY_YAML)
        project.write("data/a.csv", ROWS)
        project.run("apply")
        project.run("run")
        words = ("verify", "v1", "--sample", 2000)
        assert project.json(*words)["differ"] == 0
        change_one_bit(project)
        out, error = project.run(*words, expect=CORRUPT)
        assert "values compared, " in out and " 0 differ" not in out, out
        told = [line.split() for line in error.splitlines() if line.startswith("spend  ")]
        assert told and all(line[1:3] == ["total_1h", "user_id=u1"] for line in told), error
        assert len(told) == len({tuple(line) for line in told}), error  # each once, however often it was sampled
        assert all(line[4:] == ["6", "PRESENT", "6.000000000000001", "PRESENT"] for line in told), error
        # The first of them down to their rows, which say who is right.
        explained = error.count("user_id=u1: online said 6 PRESENT, offline says 6.000000000000001 PRESENT")
        assert explained == min(5, len(told)), error
        rows = [line.split() for line in error.splitlines() if line.startswith("counts ")]
        assert len(rows) == 2 * explained and {row[-1] for row in rows} == {"1.5", "4.5"}, error
        assert error.count("from these rows alone: 6,") == explained, error
        # In JSON the numbers are the same.
        done = subprocess.run([project.program, *map(str, words), "--output", "json"], cwd=root, capture_output=True, text=True, timeout=300)
        assert done.returncode == CORRUPT and '"differ":' in done.stdout.replace(" ", ""), done
        print(f"one changed bit: {len(told)} differences, {explained} of them down to their rows")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
