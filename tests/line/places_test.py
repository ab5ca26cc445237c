#!/usr/bin/env python3
"""SIGKILL at fail points that a line's own runs do not pass: a replay of quarantine, the manifest of plain Parquet files. And every
fail point of the program is one at which some test kills.

    places_test.py PROGRAM
"""

import argparse
import os
import re
import signal
import subprocess

from project import SOURCE, Project, new_folder, remove

ASSAY = "project: places\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: {clock: data}\n"
DEFINITIONS = """
sources:
  events: {files: {path: data, format: csv}}
bronze:
  events:
    source: events
    event_time: {column: ts}
    known_time: {delay: 20m}
    columns: {user_id: string!, amount: float64, ts: timestamp!}
silver:
  clean:
    from: events
    sql: SELECT user_id, amount, ts AS event_time FROM events
    allowed_lateness: 1h
    format: parquet
entities:
  user: {key: user_id, type: string}
feature_views:
  spend:
    entity: user
    from: clean
    slide: 10m
    features: {n: {agg: count, over: [1h]}}
services: {v1: [spend]}
"""
THEN, LATER = "2026-01-01T12:00:00Z", "2026-01-05T00:00:00Z"


def make(program, folder):
    project = Project(program, folder)
    project.write("assay.yaml", ASSAY)
    project.write("project.yaml", DEFINITIONS)
    lines = [f"u{hour % 3},{hour},2026-01-0{1 + hour // 24}T{hour % 24:02}:00:00Z" for hour in range(72)]
    project.write("data/one.csv", "user_id,amount,ts\n" + "\n".join(lines) + "\n")
    project.run("apply")
    return project


def kill_at(project, point, *words, now):
    env = {**os.environ, "ASSAY_NOW": now, "ASSAY_FAIL_POINT": point}
    done = subprocess.run([project.program, *words], cwd=project.folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, f"{point}: {done.returncode}\n{done.stderr[-2000:]}"


def end_all(project):
    """What is in quarantine is accepted by now, and what is accepted goes through the line."""
    project.run("quarantine", "replay", "events", env={"ASSAY_NOW": LATER})
    project.run("run", "--quiet", env={"ASSAY_NOW": LATER})


def check_kills(program, root):
    undisturbed = make(program, root / "undisturbed")
    undisturbed.run("run", "--quiet", env={"ASSAY_NOW": THEN})
    end_all(undisturbed)
    expected = undisturbed.hashes()
    assert expected["bronze/events"][0] == 72, expected
    points = (("flow.bronze.replayed:1", ("quarantine", "replay", "events"), LATER),
              ("lake.manifest.before_latest:1", ("run",), THEN),
              ("lake.manifest.before_latest:2", ("run",), LATER))
    for point, words, now in points:
        project = make(program, root / point.replace(":", "_"))
        if now == LATER:
            project.run("run", "--quiet", env={"ASSAY_NOW": THEN})
        if words == ("run",) and now == LATER:
            project.run("quarantine", "replay", "events", env={"ASSAY_NOW": LATER})
            point = point.replace(":2", ":1")
        kill_at(project, point, *words, now=now)
        project.run("run", "--quiet", env={"ASSAY_NOW": now})
        end_all(project)
        assert project.hashes() == expected, point
        assert project.sql("SELECT count(*) AS n FROM lake.bronze.events_quarantine")[0]["n"] == 0, point
        files = f"read_parquet('{project.folder}/lake/silver/clean/*/*.parquet', hive_partitioning = true)"
        assert project.sql(f"SELECT count(*) AS n FROM {files}")[0]["n"] == 72, point
        project.run("lake", "doctor")
    print(f"{len(points)} kills, {len(expected)} equal contents each time")


def check_that_each_is_killed_at():
    """A test names each place, as text of its own: who adds one adds a kill."""
    there, named = set(), ""
    for path in (SOURCE / "src").rglob("*.cc"):
        if not path.name.endswith(("_test.cc", "_fuzz.cc")):
            there |= set(re.findall(r'fail_point\("([a-z_.]+)"\)', path.read_text()))
    tests = [*(SOURCE / "src").rglob("*_test.cc"), *(SOURCE / "src").rglob("*.h"), *(SOURCE / "tests").rglob("*.cc"),
             *(SOURCE / "tests").rglob("*.h"), *(SOURCE / "tests/line").rglob("*.py")]
    named = "".join(path.read_text() for path in tests)
    missing = sorted(name for name in there if not re.search(rf'"{re.escape(name)}[":]', named))
    assert there and not missing, f"no test kills at {missing}"
    print(f"{len(there)} fail points, each named by a test that kills there")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    program = os.path.abspath(parser.parse_args().program)
    check_that_each_is_killed_at()
    root = new_folder("places")
    try:
        check_kills(program, root)
    finally:
        remove(root)


if __name__ == "__main__":
    main()
