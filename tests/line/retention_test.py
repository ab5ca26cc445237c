#!/usr/bin/env python3
"""`keep` on the flights project: what is dropped, what is said of it, and SIGKILL between its commits.

    retention_test.py PROGRAM
"""

import argparse
import os
import shutil
import signal
import subprocess

from project import CORRUPT, OK, flights_project, new_folder, remove

DAYS = 12
OUT_OF_RANGE = None  # any failure: its code is told by its words


def change(project, before, after):
    path = project.folder / "flights.yaml"
    text = path.read_text()
    assert before in text, before
    path.write_text(text.replace(before, after, 1))


def keep_eight_days(project):
    change(project, "    event_time: {column: date}", "    keep: 8d\n    event_time: {column: date}")
    change(project, "    allowed_lateness: 1h", "    allowed_lateness: 1h\n    keep: 8d")
    change(project, "    ttl: 7d", "    ttl: 7d\n    keep: 1d")
    project.run("apply")


def first_day(project, table, column):
    return project.sql(f"SELECT CAST(min({column}) AS VARCHAR) AS day FROM lake.{table}")[0]["day"]


def retentions(project, table):
    return [row for row in project.json("lake", "history", table) if "retention=" in row["parameters"]]


def check_what_is_said(project):
    output, talk = project.run("run")
    assert "dropped (`keep`)" in talk, talk
    assert first_day(project, "bronze.flights", "dt") == "2001-01-04"
    assert first_day(project, "silver.departures", "event_date") == "2001-01-04"
    for table in ("bronze/flights", "silver/departures", "gold/route_delays"):
        assert len(retentions(project, table)) == 1, table
    assert retentions(project, "bronze/flights")[0]["operation"] == "DELETE"
    kept = {(row["stage"], row["name"]): row["kept_from"] for row in project.json("status")}
    assert kept["bronze", "flights"].startswith("2001-01-04"), kept
    assert kept["bronze", "airports"] is None and kept["online", "route_delays"] is None, kept
    assert project.json("lake", "expire", "--dry-run") == []
    _, talk = project.run("run")
    assert "dropped" not in talk, talk


def check_old_instants(project):
    key = ["--entity", "origin=ORD", "--entity", "destination=ATL"]
    _, talk = project.run("explain", "route_delays:route_late_share_7d", *key, "--at", "2001-01-06T12:00:00Z",
                          expect=None)
    assert "keep" in talk and "2001-01-1" in talk, talk


def run_killed_at(project, point):
    env = {**os.environ, "ASSAY_NOW": "2026-01-01T00:00:00Z", "ASSAY_FAIL_POINT": point}
    return subprocess.run([project.program, "run", "--quiet"], cwd=project.folder, env=env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def check_kills(project, root):
    pristine = root / "pristine"
    shutil.copytree(project.folder, pristine)
    now = {"ASSAY_NOW": "2026-01-01T00:00:00Z"}
    project.run("run", env=now)
    expected = project.hashes()
    killed = 0
    for point in ("lake.retention.before_commit:1", "lake.retention.before_commit:3", "flow.retention.after_table:1",
                  "flow.retention.after_table:2"):
        shutil.rmtree(project.folder)
        shutil.copytree(pristine, project.folder)
        assert run_killed_at(project, point) == -signal.SIGKILL, point
        killed += 1
        for table in ("bronze/flights", "silver/departures"):
            assert len(retentions(project, table)) <= 1
        project.run("run", env=now)
        assert project.hashes() == expected, point
        project.run("lake", "doctor")
    print(f"{killed} kills between the commits of a retention, {len(expected)} equal contents each time")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    options = parser.parse_args()
    root = new_folder("retention")
    try:
        project = flights_project(options.program, root / "project", DAYS)
        keep_eight_days(project)
        check_kills(project, root)
        shutil.rmtree(project.folder)
        shutil.copytree(root / "pristine", project.folder)
        check_what_is_said(project)
        check_old_instants(project)
        output, _ = project.run("verify")
    finally:
        remove(root)


if __name__ == "__main__":
    main()
