#!/usr/bin/env python3
"""Every aggregate over every type of column that it takes, through the whole program: `verify` finds no
difference between steps and replayed online rows, and the training set says what HTTP serves.

    aggregates_test.py PROGRAM
"""

import csv
import json
import random
import struct
import sys
from datetime import datetime

from project import SOURCE, Project, Server, new_folder, remove

ASSAY_YAML = "project: all\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: {clock: data}\n"
COLUMNS = {"amount": "float64", "small": "float32", "n": "int64", "flag": "bool", "kind": "string", "seen": "timestamp"}
PROJECT_YAML = """
sources:
  events: {files: {path: data, format: json}}
bronze:
  events:
    source: events
    event_time: {column: ts}
    columns: {user_id: string!, ts: timestamp!, COLUMNS}
silver:
  clean:
    from: events
    sql: SELECT user_id, amount, small, n, flag, kind, seen, ts AS event_time FROM events
entities:
  user: {key: user_id, type: string}
feature_views:
  everything:
    entity: user
    from: clean
    features:
FEATURES
services:
  v1: [everything]
"""
PARAMETERS = {"quantile": "q: 0.9, ", "last_n": "k: 3, ", "top_k": "k: 2, ", "top_k_counts": "k: 2, "}
USERS = [f"u{i}" for i in range(6)]


def aggregates():
    """Every choice of `agg`, as the JSON Schema has them."""
    schema = json.loads((SOURCE / "docs/reference/project.schema.json").read_text())
    feature = next(kind for kind in schema["$defs"]["feature"]["anyOf"] if kind.get("type") == "object")
    return feature["properties"]["agg"]["enum"]


def takes(aggregate, kind):
    numbers = ("sum", "mean", "variance", "stddev", "skewness", "quantile")
    if aggregate in numbers:
        return kind in ("float64", "float32", "int64", "bool")
    return kind == "bool" if aggregate in ("any", "all") else True


def features():
    lines = []
    for aggregate in aggregates():
        if aggregate == "count":
            lines.append("count_rows: {agg: count, over: [1h, 6h]}")
            lines.append("count_true: {agg: count, where: flag, over: [1h, 6h]}")
            continue
        for column, kind in COLUMNS.items():
            if takes(aggregate, kind):
                parameter = PARAMETERS.get(aggregate, "")
                lines.append(f"{aggregate}_{column}: {{agg: {aggregate}, {parameter}of: {column}, over: [1h, 6h]}}")
    lines.append("share: {ratio: [count_true, count_rows], over: [1h, 6h]}")
    return "".join(f"      {line}\n" for line in lines)


def events():
    draw = random.Random(7)
    lines = []
    for number in range(900):
        row = {"user_id": draw.choice(USERS), "ts": f"2026-01-01T{number // 60:02d}:{number % 60:02d}:00Z"}
        values = {"amount": draw.choice([0.0, -0.0, 1e300, draw.random(), draw.random() * 100]), "small": draw.random(),
                  "n": draw.choice([draw.randrange(-5, 5), 2**63 - 1, -(2**63)]), "flag": draw.random() < 0.5,
                  "kind": draw.choice("abc"), "seen": f"2026-01-01T00:00:{draw.randrange(60):02d}Z"}
        row.update({name: value for name, value in values.items() if draw.random() < 0.9})
        lines.append(json.dumps(row))
    return "\n".join(lines) + "\n"


def single(value):
    """The float32 nearest to a number, as a double."""
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def check_training_set_and_serving(project):
    now = project.sql("SELECT max(known_time)::VARCHAR AS t FROM lake.silver.clean")[0]["t"]
    project.write("labels.csv", "user_id,event_time\n" + "".join(f"{user},{now}\n" for user in USERS))
    project.run("training-set", "v1", "--labels", "labels.csv", "--to", "training.csv", "--statuses")
    rows = list(csv.DictReader(open(project.folder / "training.csv", newline="")))
    statuses = set()
    with Server(project) as server:
        status, text = server.request("/get-online-features", {"feature_service": "v1", "entities": {"user_id": USERS}})
        assert status == 200, text
        answer = json.loads(text)
    for name, result in zip(answer["metadata"]["feature_names"], answer["results"]):
        if name == "user_id":
            continue
        for row, value, status in zip(rows, result["values"], result["statuses"]):
            assert row[name + "__status"] == status, (name, row, status)
            statuses.add(status)
            if value is None:  # JSON has no NaN and no infinity
                assert row[name].lower() in ("inf", "-inf", "nan") if status == "PRESENT" else row[name] == "", (name, row[name])
            elif isinstance(value, list):
                assert value == [] or row[name].startswith("["), (name, value, row[name])
            elif isinstance(value, bool):
                assert row[name].lower() == str(value).lower(), (name, value, row[name])
            elif "Z" in row[name]:  # HTTP has times as whole seconds
                assert datetime.fromisoformat(row[name].replace("Z", "+00:00")).timestamp() == value, (name, value, row[name])
            elif isinstance(value, (int, float)):
                # A float32 has fewer digits in the file, and the same bits.
                alike = float(row[name]) == float(value) or single(row[name]) == single(value) == float(value)
                assert alike, (name, value, row[name])
            else:
                assert row[name] == value, (name, value, row[name])
    assert {"PRESENT", "OVERFLOW"} <= statuses, statuses


def main(program):
    root = new_folder("aggregates")
    try:
        project = Project(program, root)
        project.write("assay.yaml", ASSAY_YAML)
        columns = ", ".join(f"{name}: {kind}" for name, kind in COLUMNS.items())
        project.write("project.yaml", PROJECT_YAML.replace("COLUMNS", columns).replace("FEATURES\n", features()))
        project.write("data/events.jsonl", events())
        project.run("apply")
        project.run("run")
        report = project.json("verify", "v1", "--sample", 100_000)
        assert report["values"] > 10_000 and report["differ"] == 0, report
        check_training_set_and_serving(project)
        print(f"{report['values']} values of {features().count('agg:')} features compared, 0 differ")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
