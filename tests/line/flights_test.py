#!/usr/bin/env python3
"""The flights project as its user runs it: every command of the walking line on real data, six days of it.

    flights_test.py PROGRAM
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

from project import NOT_FOUND, SOURCE, STATE, USAGE, Server, flights_project, new_folder, remove

DAYS = 6
ENTITIES = {"origin": "ORD", "destination": "LAX", "departure": "2001-01-06T17:00:00Z", "distance": "1745"}
AS_FLAGS = [word for name, value in ENTITIES.items() for word in ("--entity", f"{name}={value}")]


def check_run(project):
    stages = project.json("run")
    by_name = {(stage["stage"], stage["name"]): stage for stage in stages}
    flights = by_name["bronze", "flights"]
    assert flights["in"] == flights["out"] + flights["quarantined"] > 20_000, flights
    airports = by_name["bronze", "airports"]
    assert airports["quarantined"] == 42 and airports["in"] == 3376, airports
    for stage in stages:
        assert stage["in"] == sum(stage[part] for part in ("out", "filtered", "duplicates", "late", "quarantined")), stage
    again = project.json("run")
    assert all(stage["in"] == 0 and stage["commits"] == 0 for stage in again), "a second run found something new"
    return flights["out"]


def check_windows(project):
    """One feature straight from its definition, in SQL, at several instants."""
    for at in ("2001-01-03T12:00:00Z", "2001-01-04T09:07:31Z", "2001-01-06T23:59:59Z"):
        got = {row["feature"]: row["value"] for row in project.json("get", "delay_v1", *AS_FLAGS, "--at", at)}
        want = project.sql(f"""
            WITH t AS (SELECT TIMESTAMPTZ '{at}' AS t), e AS (SELECT t, to_timestamp(floor(epoch(t) / 600) * 600) AS e FROM t)
            SELECT count(*) FILTER (WHERE event_time >= e - INTERVAL 3 HOURS) AS n3, count(*) FILTER (WHERE event_time >= e - INTERVAL 24 HOURS) AS n24,
                   avg(delay) FILTER (WHERE event_time >= e - INTERVAL 24 HOURS) AS mean24
            FROM lake.silver.departures, e WHERE origin = 'ORD' AND event_time < e AND known_time <= t""")[0]
        assert int(got["flights_3h"]) == want["n3"] and int(got["flights_24h"]) == want["n24"], (at, got, want)
        assert abs(float(got["delay_mean_24h"]) - want["mean24"]) < 1e-9, (at, got, want)


def check_training_set(project, rows):
    project.run("sql", "--to", "labels.csv", "SELECT origin, destination, departure, distance, event_time, delay "
                "FROM lake.silver.departures ORDER BY sequence")
    project.run("training-set", "delay_v1", "--labels", "labels.csv", "--to", "training.csv", "--report", "report.json")
    report = json.loads((project.folder / "report.json").read_text())
    assert report["rows"] == rows and report["views"] and report["definitions"], report
    for view in report["views"]:
        assert view["present"] + view["not_found"] + view["expired"] == rows and view["version"] >= 0, view
        assert report["definitions"][view["view"]] == view["fingerprint"], report
    with open(project.folder / "training.csv", newline="") as file:
        training = list(csv.DictReader(file))
    with open(project.folder / "labels.csv", newline="") as file:
        labels = list(csv.DictReader(file))
    assert len(training) == len(labels) == rows
    for name in ("origin", "destination", "delay"):
        assert [row[name] for row in training] == [row[name] for row in labels], "label order is not kept"
    # What the table says for one row is what `get --at` says at that instant.
    row = training[rows * 3 // 4]
    flags = [word for name in ENTITIES for word in ("--entity", f"{name}={row[name]}")]
    got = {r["feature"]: r["value"] for r in project.json("get", "delay_v1", *flags, "--at", row["event_time"])}
    for name, value in got.items():
        same = row[name] == "" if value is None else float(row[name]) == float(value)
        assert same, (name, value, row[name])


def check_serving(project):
    score = project.json("predict", "late", *AS_FLAGS)[0]["score"]
    with Server(project) as server:
        assert server.request("/health") == (200, "")
        body = {"feature_service": "delay_v1", "entities": {name: [value] for name, value in ENTITIES.items()}}
        body["entities"]["distance"] = [1745]
        status, text = server.request("/get-online-features", body)
        assert status == 200, text
        answer = json.loads(text)
        names = answer["metadata"]["feature_names"]
        assert names[:2] == ["origin", "destination"], names
        online = {row["feature"]: row["value"] for row in project.json("get", "delay_v1", *AS_FLAGS)}
        served = {name: result["values"][0] for name, result in zip(names, answer["results"])}
        for name, value in online.items():
            shown = served[name]
            assert (value is None) == (shown is None) and (value is None or float(shown) == float(value)), (name, value, shown)
        status, text = server.request("/predict", {"model": "late", "entities": body["entities"]})
        assert status == 200 and abs(json.loads(text)["predictions"][0]["score"] - score) < 1e-6, text
        assert "assay_serve" in server.request("/metrics")[1]


def check_delta_rs(project):
    """Every table, read by delta-rs: the same row counts as ours."""
    python = Path(os.environ["ASSAY_VENV"]) / "bin/python"
    ours = {row["table"]: row["rows"] for row in project.json("lake", "list")}
    done = subprocess.run([python, SOURCE / "tests/delta_rs/check_tables.py", *(project.folder / "lake" / key for key in ours)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs = {"/".join(Path(path).parts[-2:]): table["rows"] for path, table in json.loads(done.stdout).items()}
    assert theirs == ours, (theirs, ours)
    return len(ours)


def main(program):
    root = new_folder("flights")
    try:
        project = flights_project(program, root / "project", DAYS)
        _, error = project.run("get", "delay_v1", *AS_FLAGS, "--at", "2001-01-03", expect=NOT_FOUND)
        assert "assay run" in error, error
        rows = check_run(project)
        check_windows(project)
        check_training_set(project, rows)
        report = project.json("verify", "delay_v1", "--sample", 100_000)
        assert report["values"] >= 100_000 and report["differ"] == 0, report
        project.run("train", "late")
        trained = project.json("model", "list")[0]
        assert trained["auc"] > 0.5, trained
        check_serving(project)
        tables = check_delta_rs(project)
        _, error = project.run("get", "delay_v2", expect=NOT_FOUND)
        assert "delay_v1" in error, error
        _, error = project.run("get", "delay_v1", "--entity", "orign=ORD", expect=USAGE)
        assert "origin" in error, error
        text = (project.folder / "flights.yaml").read_text()
        score = project.json("predict", "late", *AS_FLAGS)
        project.write("flights.yaml", text.replace("hour(departure)", "hour(departure) + 100"))
        project.run("apply")
        _, error = project.run("predict", "late", *AS_FLAGS)  # served until the new one is complete
        assert "assay run" in error, error
        project.run("run")
        assert project.json("predict", "late", *AS_FLAGS) == score, "a model keeps the definitions it was trained under"
        project.write("flights.yaml", text)
        project.run("apply")
        project.write("flights.yaml", text.replace("over: [1h, 3h, 24h, 7d]", "over: [1h, 3h, 24h]", 1))
        _, error = project.run("run", expect=STATE)
        assert "assay apply" in error, error
        print(f"{rows} flights, {report['values']} values verified, {tables} tables equal in delta-rs, AUC {trained['auc']:.3f}")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
