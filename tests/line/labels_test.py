#!/usr/bin/env python3
"""Bad labels for a training set: each is an error that names the file, the column and what to do, or has a stated
status and is counted in the report.

    labels_test.py PROGRAM
"""

import csv
import json
import sys

from project import CORRUPT, NOT_FOUND, REFUSED, USAGE, Project, new_folder, remove

ASSAY_YAML = """project: labels
serving: {clock: data}
sources:
  events: {files: {path: data, format: csv}}
bronze:
  events:
    source: events
    event_time: {column: ts}
    columns: {user_id: string!, amount: float64, ts: timestamp!}
entities: {user: {key: user_id}}
feature_views:
  spend:
    entity: user
    from: events
    features: {total: {agg: sum, of: amount, over: 1h}, n: {agg: count, over: 1h}}
services: {v1: [spend]}
"""
GOOD = "user_id,event_time\nu1,2026-01-01T10:20:00Z\n"


def training_set(project, labels, *words, name="labels.csv", expect=0):
    """Rows of the set and its report; or what the command says on its way out."""
    if labels is not None:
        project.write(name, labels)
    (project.folder / "set.csv").unlink(missing_ok=True)
    _, error = project.run("training-set", "v1", "--labels", name, "--to", "set.csv", "--report", "report.json", "--statuses", *words,
                           expect=expect)
    if expect:
        assert not (project.folder / "set.csv").exists()
        return error
    with open(project.folder / "set.csv", newline="") as file:
        return list(csv.DictReader(file)), json.loads((project.folder / "report.json").read_text())


def said(project, labels, *parts, words=(), name="labels.csv", expect=USAGE):
    """The command fails and its message, of one line, has all the parts."""
    error = training_set(project, labels, *words, name=name, expect=expect)
    assert all(part in error for part in parts), (parts, error)
    assert len(error.strip().splitlines()) == 1, error


def columns_and_files(project):
    said(project, "user,event_time\nu1,2026-01-01T10:20:00Z\n", "no column `user_id`, an entity key", "`user`")
    said(project, "user_id,at\nu1,2026-01-01T10:20:00Z\n", "timestamp column `event_time`", "they have `user_id`, `at`")
    said(project, "user_id,event_time,total_1h\nu1,2026-01-01T10:20:00Z,1\n", "already have a column `total_1h`")
    said(project, "", "labels.csv is empty")
    said(project, None, "there is no file nothing.csv", name="nothing.csv", expect=NOT_FOUND)
    said(project, GOOD + "u1,2026-01-01T10:20:00Z,more\n", "labels.csv", "as many cells")
    said(project, GOOD * 1 + "u1,2026-01-01T10:20:00Z\n" * 30_000 + "u1,2026-01-01T10:20:00Z,more\n", "labels.csv, line 30003",
         "2 cells expected, found 3", expect=CORRUPT)
    said(project, "user_id,event_time\nu1,yesterday\n", "types that service v1 needs", "yesterday")
    (project.folder / "latin.csv").write_bytes(GOOD.encode() + "Müller,2026-01-01T10:20:00Z\n".encode("latin-1"))
    said(project, None, "latin.csv is not UTF-8", "save it as UTF-8", name="latin.csv", expect=CORRUPT)
    (project.folder / "wide.csv").write_bytes(GOOD.encode("utf-16"))
    said(project, None, "wide.csv", name="wide.csv", expect=CORRUPT)
    said(project, GOOD + '"u1,2026-01-01T10:20:00Z\nu1,2026-01-01T10:20:00Z\n', "labels.csv is no CSV", "quotes that do not end", expect=CORRUPT)
    assert len(training_set(project, GOOD + "x" * 3_000_000 + "\n", expect=CORRUPT)) < 1_000
    assert training_set(project, GOOD + '"u,1",2026-01-01T10:20:00Z\n')[1]["rows"] == 2
    said(project, "PAR1 and no Parquet at all", "read labels.parquet", name="labels.parquet", expect=CORRUPT)
    rows, report = training_set(project, "user_id,event_time\n")
    assert rows == [] and report["rows"] == 0, report
    assert all(view["steps_read_by"] == "row_groups" for view in report["views"]), report


def times(project):
    numbers = "user_id,event_time\nu1,1767262800\n"
    said(project, numbers, "whole numbers", "--time-unit")
    said(project, GOOD, "--time-unit is for whole numbers", words=("--time-unit", "ms"))
    for unit, factor in (("s", 1), ("ms", 1000), ("us", 1_000_000)):
        rows, _ = training_set(project, f"user_id,event_time\nu1,{1767262800 * factor}\n", "--time-unit", unit)
        assert rows[0]["total_1h"] == "1.5" and rows[0]["event_time"] == "2026-01-01T10:20:00.000000Z", rows
    rows, _ = training_set(project, "user_id,event_time\nu1,2026-01-01T11:20:00+01:00\nu1,2026-01-01 10:20:00\n")
    assert [row["event_time"] for row in rows] == ["2026-01-01T10:20:00.000000Z"] * 2 and rows[0] == rows[1], rows


def rows_with_a_status(project):
    """Null keys and times, the future, duplicates, no order: each row has its answer and the report counts them."""
    labels = ["u2,2026-01-01T10:40:00Z", ",2026-01-01T10:20:00Z", "u1,", "u1,2090-01-01T00:00:00Z", "u1,2026-01-01T10:20:00Z",
              "u1,1950-01-01T00:00:00Z", "u1,2026-01-01T10:20:00Z"]
    rows, report = training_set(project, "user_id,event_time\n" + "\n".join(labels) + "\n")
    assert [row["n_1h__status"] for row in rows] == ["PRESENT", "NOT_FOUND", "NOT_FOUND", "PRESENT", "PRESENT", "NOT_FOUND", "PRESENT"], rows
    assert [row["total_1h"] for row in rows] == ["2.5", "", "", "", "1.5", "", "1.5"] and rows[3]["n_1h"] == "0", rows
    assert rows[4] == rows[6], rows
    counts = {"rows": 7, "rows_without_match": 3, "rows_with_null_key_or_time": 2, "rows_in_the_future": 1, "rows_with_key_and_time_of_another": 1}
    assert {name: report[name] for name in counts} == counts, report


def parquet(project):
    def write(name, query):
        project.run("sql", "--to", name, query)

    time = "TIMESTAMPTZ '2026-01-01T10:20:00Z' AS event_time"
    write("a.parquet", f"SELECT 'u1' AS user_id, {time}")
    write("other_type.parquet", f"SELECT 7 AS user_id, {time}")
    write("less.parquet", "SELECT 'u1' AS user_id")
    write("more.parquet", f"SELECT 'u1' AS user_id, {time}, 1 AS extra")
    for name, part in (("other_type", "`user_id` is of type"), ("less", "has no `event_time`"), ("more", "has `extra`")):
        said(project, None, "must have the same columns", f"{name}.parquet", part, words=("--labels", f"{name}.parquet"), name="a.parquet")
    # Few bytes that say they are many rows.
    write("blown_up.parquet", f"SELECT 'u1' AS user_id, {time} FROM range(3000000)")
    assert (project.folder / "blown_up.parquet").stat().st_size < 20_000
    said(project, None, "3000000 rows", "--rows-max allows: 1000000", words=("--rows-max", "1000000"), name="blown_up.parquet", expect=REFUSED)
    whole = (project.folder / "a.parquet").read_bytes()
    (project.folder / "cut.parquet").write_bytes(whole[:len(whole) // 2] + whole[-8:])
    said(project, None, "cut.parquet", name="cut.parquet", expect=CORRUPT)
    for place in range(4, len(whole) - 8):  # never a complaint about the user's types
        damaged = bytearray(whole)
        damaged[place] ^= 0x5A
        (project.folder / "damaged.parquet").write_bytes(damaged)
        if place % 7 == 0:
            out, error = project.run("training-set", "v1", "--labels", "damaged.parquet", "--to", "set.csv", expect=None)
            assert "types that service" not in error, (place, error)
    rows, _ = training_set(project, None, "--labels", "a.parquet", name="a.parquet")
    assert [row["total_1h"] for row in rows] == ["1.5", "1.5"], rows


def labels_stay(project):
    """A set that would go where its labels are is refused."""
    project.write("labels.csv", GOOD)
    for to in ("labels.csv", "./labels.csv", "data/../labels.csv"):
        _, error = project.run("training-set", "v1", "--labels", "labels.csv", "--to", to, expect=USAGE)
        assert "--to would write over the labels in labels.csv" in error, error
    assert (project.folder / "labels.csv").read_text() == GOOD


def main(program):
    root = new_folder("labels")
    try:
        project = Project(program, root)
        project.write("assay.yaml", ASSAY_YAML)
        project.write("data/a.csv", "user_id,amount,ts\nu1,1.5,2026-01-01T10:00:00Z\nu2,2.5,2026-01-01T10:30:00Z\n")
        project.run("apply")
        project.run("run")
        for check in (columns_and_files, times, rows_with_a_status, parquet, labels_stay):
            check(project)
            print(f"{check.__name__}: ok", flush=True)
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
