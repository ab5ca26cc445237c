#!/usr/bin/env python3
"""The command line as scripts use it: help, output formats, exit codes, stdout for data, Ctrl-C.

    command_test.py PROGRAM
"""

import csv
import io
import json
import signal
import subprocess
import sys
import time

from project import NOT_FOUND, SOURCE, STATE, USAGE, Project, flights_project, new_folder, remove


def help_texts(project):
    overview, _ = project.run("--help")
    commands = [line.split("  ")[1].strip() for line in overview.splitlines() if line.startswith("  ")]
    assert len(commands) > 20, commands
    for command in commands:
        text, _ = project.run(*command.split(), "--help")
        assert "usage: assay " + command in text, command
    assert project.run("--version")[0].startswith("assay ")


def reference_pages(project):
    project.run("reference", "--check", SOURCE / "docs/reference")


def formats(project):
    rows = project.json("sql", "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c, 1.5::DOUBLE AS d")
    assert rows == [{"a": 1, "b": 'x,"y', "c": None, "d": 1.5}], rows
    text, _ = project.run("sql", "SELECT 1 AS a, 'x,\"y' AS b", "--output", "csv")
    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], ["1", 'x,"y']], text
    project.run("sql", "SELECT [1, 2] AS list, {'a': 1} AS struct, 1.10::DECIMAL(9,2) AS money")
    for words in (["status"], ["lake", "list"], ["model", "list"]):
        assert isinstance(project.json(*words), list), words


def errors(project):
    for words, code, part in [(["runn"], USAGE, "run"), (["run", "--thread", 1], USAGE, "--threads"), (["get", "nope"], NOT_FOUND, "delay_v1"),
                              (["run", "--threads", "two"], USAGE, "--threads"), (["sql", "SELEC 1"], USAGE, "SELEC"),
                              (["sql", "SELECT * FROM lake.silver.departure"], USAGE, "departure"),
                              (["sql", "SELECT 1 FROM lake.silver.departures VERSION AS OF -1"], USAGE, "whole number from 0 on"),
                              (["sql", "SELECT 1 FROM lake.silver.departures VERSION AS OF abc"], USAGE, "whole number from 0 on"),
                              (["sql", "SELECT 1", "--memory", "1"], USAGE, "--memory"),
                              (["lake", "show", "silver/departure"], NOT_FOUND, "silver/departures"),
                              (["training-set", "--labels", "none.csv", "--to", "x.csv"], NOT_FOUND, "none.csv"),
                              (["predict", "late", "--entity", "origin=ORD"], NOT_FOUND, "assay train"),
                              (["init", ".", "--template", "flights"], STATE, "exists"),
                              (["init", "x", "--template", "flight"], USAGE, "flights")]:
        out, error = project.run(*words, expect=code)
        assert out == "" and error.startswith("assay: ") and part in error, (words, out, error)
    nowhere = Project(project.program, project.folder / "data")
    _, error = nowhere.run("run", expect=NOT_FOUND)
    assert "assay.yaml" in error, error


def stopping(project):
    """Ctrl-C ends a run after its current commit; the next run goes on and ends where one run would have."""
    process = subprocess.Popen([project.program, "run", "--epoch-rows", "500"], cwd=project.folder, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    log = project.folder / "lake/bronze/flights/_delta_log"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (log.exists() and len(list(log.glob("*.json"))) > 2):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "assay run" in error, (process.returncode, error)
    project.run("run")
    assert all(stage["lag"] == 0 and stage["balanced"] is not False for stage in project.json("status"))


def same_generator(project):
    first, _ = project.run("generate", "events", "--count", 500, "--seed", 7)
    second, _ = project.run("generate", "events", "--count", 500, "--seed", 7)
    assert first == second and len(first.splitlines()) >= 500
    users, _ = project.run("generate", "users", "--count", 3)
    assert [json.loads(line)["user_id"] for line in users.splitlines()] == ["u1", "u2", "u3"]


def shop(program, root):
    project = Project(program, root)
    project.run("init", "shop", "--template", "shop")
    project.folder = root / "shop"
    project.run("apply")
    stages = {(s["stage"], s["name"]): s for s in project.json("run")}
    clicks = stages["bronze", "clicks"]
    assert clicks["duplicates"] > 100 and clicks["quarantined"] > 10, clicks
    hashed = project.sql("SELECT email FROM lake.bronze.users LIMIT 1")[0]["email"]
    assert len(hashed) == 64 and "@" not in hashed, hashed
    for path in (project.folder / "lake").rglob("*.parquet"):
        assert b"@example.com" not in path.read_bytes(), f"an e-mail address is in {path}"
    report = project.json("verify", "--sample", 20_000)
    assert report["differ"] == 0 and report["values"] >= 20_000, report
    following(project)


def following(project):
    """`assay up` without a server takes files as they come, and a stop ends it well."""
    count = "SELECT count(*) AS n FROM lake.bronze.clicks"
    before = project.sql(count)[0]["n"]
    process = subprocess.Popen([project.program, "up", "--poll-every", "100ms", "--flush-every", "100ms"], cwd=project.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = project.folder / "data/clicks"
    click = json.loads(next(folder.glob("*.jsonl")).open().readline())
    (folder / "more.jsonl").write_text(json.dumps({**click, "event_id": "a click of its own"}) + "\n")
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and project.sql(count)[0]["n"] == before:
        pass
    for command in ("up", "run"):
        assert "wait for it or stop it" in project.run(command, expect=STATE)[1], "another works on the project"
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0, (process.returncode, error)
    assert project.sql(count)[0]["n"] == before + 1
    killed = subprocess.Popen([project.program, "up"], cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert any("running" in line for line in killed.stderr), "it ended by itself"
    killed.kill()
    killed.communicate(timeout=60)
    project.run("run")  # who was killed keeps nobody out
    (folder / "broken.jsonl").write_text("no click\n" * 10)
    assert "all 10 new records of bronze.clicks were rejected" in project.run("run", expect=STATE)[1]
    project.run("run")


def main(program):
    root = new_folder("command")
    try:
        project = flights_project(program, root / "project", 2)
        for case in (help_texts, reference_pages, stopping, formats, errors, same_generator):
            case(project)
            print(case.__name__, "ok", flush=True)
        shop(program, root)
        print("shop ok")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
