#!/usr/bin/env python3
"""The matrix {every aggregate over every type it takes} x {batch, stream, training set, serving}, through the
whole program. The rows come in one run into one project, in parts and small epochs into another, which is asked
over HTTP after each part. Equal bits are asked for: steps of both projects by hash, replayed online rows against
steps by `verify`, what was served against the training set of the other project at the same instants.

    aggregates_test.py PROGRAM
"""

import json
import random
import sys

from project import Project, new_folder, remove
from same_answers import compare_with_training_set, served_now

ASSAY_YAML = "project: all\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: {clock: data}\n"
COLUMNS = {"amount": "float64", "small": "float32", "n": "int64", "flag": "bool", "kind": "string", "seen": "timestamp",
           "point": "float32[3]", "wide": "float64[2]"}
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
    sql: SELECT user_id, NAMES, ts AS event_time FROM events
entities:
  user: {key: user_id, type: string}
feature_views:
  everything:
    entity: user
    from: clean
    features:
FEATURES
on_demand:
  near:
    request: {looked_at: "float32[3]"}
    features:
      near_last: {expr: "cosine(last_point_6h, looked_at)"}
      near_mean: {expr: "cosine(mean_point_6h, looked_at)"}
      unseen: {expr: "epoch(now() - last_seen_6h)"}
services:
  v1: [everything, near]
"""
USERS = [f"u{i}" for i in range(6)]
PARTS = 3
# What is asked of each user: the key, and the vector that the request brings.
ROWS = [{"user_id": user, "looked_at": [1.0, 0.5 * number, -0.25]} for number, user in enumerate(USERS)]

NUMBERS = ("float64", "float32", "int64", "bool")
PLAIN = (*NUMBERS, "string", "timestamp")
VECTORS = ("float32[3]", "float64[2]")
# Which types each aggregate takes, and its parameter. An aggregate of the program without a line here fails.
TAKES = {
    "count": ((), ""),
    "sum": (NUMBERS + VECTORS, ""), "mean": (NUMBERS + VECTORS, ""), "variance": (NUMBERS, ""), "stddev": (NUMBERS, ""), "skewness": (NUMBERS, ""),
    "min": (PLAIN, ""), "max": (PLAIN, ""), "first": (PLAIN + VECTORS, ""), "last": (PLAIN + VECTORS, ""), "mode": (PLAIN, ""),
    "distinct": (PLAIN, ""), "approx_distinct": (PLAIN, ""), "quantile": (NUMBERS, "q: 0.9, "), "histogram": (NUMBERS, ""),
    "any": (("bool",), ""), "all": (("bool",), ""),
    "last_n": (PLAIN, "k: 3, "), "top_k": (PLAIN, "k: 2, "), "top_k_counts": (PLAIN, "k: 2, "),
}


def aggregates(project):
    """Every choice of `agg`, as the program's JSON Schema has them."""
    project.run("reference", "--write", "reference")
    schema = json.loads((project.folder / "reference/project.schema.json").read_text())
    feature = next(kind for kind in schema["$defs"]["feature"]["anyOf"] if kind.get("type") == "object")
    return feature["properties"]["agg"]["enum"]


def features(names):
    lines = ["count_rows: {agg: count, over: [1h, 6h]}", "count_true: {agg: count, where: flag, over: [1h, 6h]}",
             "share: {ratio: [count_true, count_rows], over: [1h, 6h]}"]
    for aggregate in names:
        types, parameter = TAKES[aggregate]
        lines += [f"{aggregate}_{column}: {{agg: {aggregate}, {parameter}of: {column}, over: [1h, 6h]}}"
                  for column, kind in COLUMNS.items() if kind in types]
    return "".join(f"      {line}\n" for line in lines)


def events():
    """Rows in the order of their time. The last user falls silent: windows over nothing."""
    draw = random.Random(7)
    lines = []
    for number in range(900):
        row = {"user_id": draw.choice(USERS if number < 200 else USERS[:-1]), "ts": f"2026-01-01T{number // 60:02d}:{number % 60:02d}:00Z"}
        values = {"amount": draw.choice([0.0, -0.0, 1e300, 5e-324, draw.random(), draw.random() * 100]), "small": draw.random(),
                  "n": draw.choice([draw.randrange(-5, 5), 2**63 - 1, -(2**63)]), "flag": draw.random() < 0.5,
                  "kind": draw.choice("abc"), "seen": f"2026-01-01T00:00:{draw.randrange(60):02d}Z",
                  "point": [draw.choice([None, -0.0, draw.random(), 1e30]) for _ in range(3)],
                  "wide": [draw.choice([draw.random(), 1e300, -1e300]) for _ in range(2)]}
        row.update({name: value for name, value in values.items() if draw.random() < 0.9})
        lines.append(json.dumps(row) + "\n")
    return lines


def make(program, folder, names):
    project = Project(program, folder)
    project.write("assay.yaml", ASSAY_YAML)
    columns = ", ".join(f'{name}: "{kind}"' for name, kind in COLUMNS.items())
    text = PROJECT_YAML.replace("COLUMNS", columns).replace("NAMES", ", ".join(COLUMNS)).replace("FEATURES\n", features(names))
    project.write("project.yaml", text)
    return project


def main(program):
    root = new_folder("aggregates")
    try:
        names = aggregates(Project(program, root))
        lines = events()
        batch = make(program, root / "batch", names)
        batch.write("data/0.jsonl", "".join(lines))
        batch.run("apply")
        batch.run("run")
        stream = make(program, root / "stream", names)
        asked = []
        for part in range(PARTS):
            size = len(lines) // PARTS
            stream.write(f"data/{part}.jsonl", "".join(lines[part * size:(part + 1) * size]))
            if part == 0:
                stream.run("apply")
            stream.run("run", "--epoch-rows", 40)
            asked.append(served_now(stream, "clean", ROWS))
        steps = {table: value for table, value in batch.hashes().items() if table.startswith("gold/")}
        assert steps and all(stream.hashes()[table] == value for table, value in steps.items()), (steps, stream.hashes())
        values = 0
        for project in (batch, stream):
            report = project.json("verify", "v1", "--sample", 60_000)
            assert report["values"] > 10_000 and report["differ"] == 0, report
            values += report["values"]
        served, statuses = compare_with_training_set(batch, ROWS, asked)
        assert {"PRESENT", "NULL_VALUE", "OVERFLOW"} <= statuses, statuses
        print(f"{len(names)} aggregates, {len(features(names).splitlines())} features: {values} online values equal their steps, "
              f"{served} served ones the training set")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
