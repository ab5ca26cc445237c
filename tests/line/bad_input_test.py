#!/usr/bin/env python3
"""Bad input is ordinary: a clear error with its exit code, or a quarantined row with reason, position and
original bytes; nothing lost; never a crash or a hang.

    bad_input_test.py PROGRAM
"""

import gzip
import json
import os
import shutil
import subprocess
import sys

from project import CORRUPT, NOT_FOUND, REFUSED, STATE, USAGE, Project, Server, new_folder, remove

ASSAY_YAML = "project: bad\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: {clock: data}\n"
PROJECT_YAML = """
sources:
  events: {files: {path: data, format: FORMAT, record_max: 1MB}}
bronze:
  events:
    source: events
    event_time: {column: ts}
    columns:
      user_id: string!
      amount: float64
      n: int64
      ts: timestamp!
silver:
  clean:
    from: events
    sql: SELECT user_id, amount, n, ts AS event_time FROM events
entities:
  user: {key: user_id, type: string}
feature_views:
  spend:
    entity: user
    from: clean
    slide: 10m
    features:
      total: {agg: sum, of: amount, over: [1h]}
      seen: {agg: count, over: [1h]}
services:
  v1: [spend]
"""
GOOD_JSON = '{"user_id": "u%d", "amount": 1.5, "n": 1, "ts": "2026-01-01T10:%02d:00Z"}\n'


def new_project(program, root, name, file_format="json", yaml=PROJECT_YAML):
    folder = root / name
    folder.mkdir()
    project = Project(program, folder)
    project.write("assay.yaml", ASSAY_YAML)
    project.write("project.yaml", yaml.replace("FORMAT", file_format))
    (folder / "data").mkdir()
    return project


def quarantine(project):
    return project.sql('SELECT reason, "column", payload::VARCHAR AS payload, line, file FROM lake.bronze.events_quarantine '
                       "ORDER BY position")


def bronze_account(project):
    return next(stage for stage in project.json("status") if stage["stage"] == "bronze")


def malformed_json(program, root):
    project = new_project(program, root, "json")
    bad = [b'{"user_id": "u1", ', b"not json", b'{"user_id": 5, "ts": "2026-01-01T10:00:00Z"}', b'{"amount": 1, "ts": "2026-01-01T10:00:00Z"}',
           b'{"user_id": "u1", "n": "many", "ts": "2026-01-01T10:00:00Z"}', b'{"user_id": "u1", "ts": "yesterday"}',
           b'{"user_id": "u\xff", "ts": "2026-01-01T10:00:00Z"}', b'{"user_id": "u1", "ts": "2099-01-01T00:00:00Z"}',
           b'{"user_id": "' + b"x" * 10_000_000 + b'", "ts": "2026-01-01T10:00:00Z"}']
    good = [(GOOD_JSON % (i, i)).encode() for i in range(10)]
    project.write("data/a.jsonl", b"".join(good[:5]) + b"\n".join(bad) + b"\n" + b"".join(good[5:]))
    project.write("data/b.jsonl", b"")
    project.run("apply")
    project.run("run")
    rows = quarantine(project)
    assert [row["reason"] for row in rows] == ["malformed", "malformed", "wrong_type", "missing_required", "wrong_type",
                                               "wrong_type", "invalid_utf8", "future_event_time", "too_large"], rows
    assert [row["line"] for row in rows] == list(range(6, 15)), "line numbers"
    assert rows[1]["payload"] == "not json" and rows[3]["column"] == "user_id", rows
    account = bronze_account(project)
    assert account["in"] == 19 and account["out"] == 10 and account["quarantined"] == 9, account


def malformed_csv(program, root):
    project = new_project(program, root, "csv", "csv")
    project.write("data/a.csv", "user_id,amount,n,ts\nu1,1.5,1,2026-01-01T10:00:00Z\nu2,1.5\n\"u3,1,1,2026-01-01T10:00:00Z\n"
                  "u4,abc,1,2026-01-01T10:00:00Z\n,1,1,2026-01-01T10:00:00Z\nu6,1,1,2026-01-01T10:05:00Z\n")
    project.run("apply")
    project.run("run")
    account = bronze_account(project)
    assert account["in"] == account["out"] + account["quarantined"] and account["out"] >= 1, account
    assert {"malformed", "wrong_type", "missing_required"} >= {row["reason"] for row in quarantine(project)}


def damaged_files(program, root):
    lines = "".join(GOOD_JSON % (i, i % 60) for i in range(2000)).encode()
    project = new_project(program, root, "gz")
    project.write("data/a.jsonl.gz", gzip.compress(lines)[:-200])
    project.run("apply")
    _, error = project.run("run", expect=CORRUPT)
    assert "a.jsonl.gz" in error, error
    kept = project.sql("SELECT count(*) AS n FROM lake.bronze.events")[0]["n"]
    assert 0 < kept < 2000, kept
    _, error = project.run("run", expect=CORRUPT)
    assert project.sql("SELECT count(*) AS n FROM lake.bronze.events")[0]["n"] == kept, "damage read twice"

    project = new_project(program, root, "parquet", "parquet")
    project.write("lines.jsonl", lines)
    project.run("apply")
    project.run("sql", "--to", "whole.parquet", "SELECT * FROM 'lines.jsonl'")
    project.write("data/a.parquet", (project.folder / "whole.parquet").read_bytes()[:-100])
    _, error = project.run("run", expect=CORRUPT)
    assert "a.parquet" in error, error


def damaged_store(program, root):
    """An online store that a restart of the machine finds damaged is set aside, and made anew from the lake."""
    project = new_project(program, root, "store")
    project.write("data/a.jsonl", "".join(GOOD_JSON % (i % 50, i % 60) for i in range(2000)))
    project.run("apply")
    project.run("run")
    hashes = project.hashes()
    online = project.folder / "online"
    log = bytearray((online / "log.1").read_bytes())
    log[log.rindex(b"u49")] ^= 1
    (online / "log.1").write_bytes(log)
    (online / "checkpoint").unlink(missing_ok=True)
    shutil.copy(online / "head", online / "head.copy")  # what a restart leaves of it is not believed
    (online / "head.copy").rename(online / "head")
    for words in (["run"], ["materialize", "spend", "--anew"]):
        _, error = project.run(*words, expect=CORRUPT)
        assert "log.1" in error and "`assay materialize --anew` sets the folder" in error, (words, error)
    _, error = project.run("materialize", "--anew")
    assert "online.damaged-1" in error and "start servers again" in error, error
    assert project.hashes() == hashes
    assert bytearray((project.folder / "online.damaged-1/log.1").read_bytes()) == log, "nothing of it is lost"
    _, error = project.run("materialize", "--anew", expect=USAGE)
    assert "name it" in error, error


def lost_data_files(program, root):
    """Every command that reads a missing or damaged file of a table says which, and who examines the lake."""
    project = new_project(program, root, "lost")
    project.write("data/a.jsonl", "".join(GOOD_JSON % (i % 5, i) for i in range(50)))
    project.write("labels.csv", "user_id,event_time\nu1,2026-01-01T12:00:00Z\n")
    project.run("apply")
    project.run("run")
    files = [path for zone in ("silver/clean", "gold/spend") for path in (project.folder / "lake" / zone).glob("*/*.parquet")
             if "_delta_log" not in str(path)]
    whole = {path: path.read_bytes() for path in files}
    reads = [["get", "v1", "--entity", "user_id=u1", "--at", "2026-01-01T11:00:00Z"], ["verify", "v1"],
             ["explain", "v1:total_1h", "--entity", "user_id=u1", "--at", "2026-01-01T11:00:00Z"],
             ["training-set", "v1", "--labels", "labels.csv", "--to", "rows.parquet"], ["backfill", "spend"],
             ["sql", "SELECT sum(amount) FROM lake.silver.clean"]]
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(whole[path][:-30])):
        for path in files:
            damage(path)
        for words in reads:
            _, error = project.run(*words, expect=CORRUPT)
            assert any(path.name in error for path in files) and "`assay lake doctor`" in error and "LINE 1" not in error, (words, error)
        for path in files:
            path.write_bytes(whole[path])

    # A log without its first entry, or with an entry cut short: what to do, and who says more.
    log = project.folder / "lake/silver/clean/_delta_log"
    first = log / f"{0:020}.json"
    newest = log / f"{1:020}.json"
    texts = {path: path.read_bytes() for path in (first, newest)}
    first.unlink()
    _, error = project.run("lake", "show", "silver/clean", expect=CORRUPT)
    assert first.name in error and "backup" in error and "`assay lake doctor silver/clean`" in error, error
    out, _ = project.run("lake", "doctor", "silver/clean", expect=CORRUPT)
    assert "missing_version" in out and first.name in out, out
    first.write_bytes(texts[first])
    newest.write_bytes(b"")
    _, error = project.run("sql", "SELECT 1 FROM lake.silver.clean", expect=CORRUPT)
    assert newest.name in error and "backup" in error and "VERSION AS OF 0" in error, error
    newest.write_bytes(texts[newest])
    project.run("lake", "doctor")


def folders_and_disks(program, root):
    project = new_project(program, root, "vanish")
    project.write("data/a.jsonl", GOOD_JSON % (1, 1))
    project.run("apply")
    project.run("run")
    os.rename(project.folder / "data", project.folder / "gone")
    _, error = project.run("run", expect=NOT_FOUND)
    assert "data" in error, error
    os.rename(project.folder / "gone", project.folder / "data")
    project.run("run")
    project.write("data/a.jsonl", GOOD_JSON % (7, 7))
    _, error = project.run("run", expect=STATE)
    assert "a.jsonl" in error, error

    # A corrupt entry of a table's log is named, and nothing is written on top of it.
    log = sorted((project.folder / "lake/bronze/events/_delta_log").glob("*.json"))[-1]
    text = log.read_bytes()
    log.write_bytes(text[:len(text) // 2])
    _, error = project.run("lake", "show", "bronze/events", expect=CORRUPT)
    assert log.name in error, error
    log.write_bytes(text)

    # A disk that is full: a small file system of its own, where this machine lets us make one.
    small = root / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], capture_output=True, check=False).returncode == 0:
        try:
            project = new_project(program, root, "full", yaml=PROJECT_YAML)
            project.write("assay.yaml", ASSAY_YAML.replace("./lake", str(small / "lake")))
            project.write("data/a.jsonl", "".join(GOOD_JSON % (i, i % 60) for i in range(40_000)))
            project.run("apply")
            (small / "ballast").write_bytes(os.urandom(2_060_000))
            done = subprocess.run([project.program, "run"], cwd=project.folder, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == REFUSED, (done.returncode, done.stderr)
            (small / "ballast").unlink()
            project.run("run")
            assert project.sql("SELECT count(*) AS n FROM lake.silver.clean")[0]["n"] == 40_000
        finally:
            subprocess.run(["umount", small], check=False)
    else:
        print("no right to mount: the full disk is tested by the failing file system of lake_test alone")


def definitions(program, root):
    project = new_project(program, root, "words", yaml=PROJECT_YAML.replace("from: clean", "from: claen").replace("agg: sum", "agg: smu"))
    _, error = project.run("validate", expect=USAGE)
    assert "clean" in error and "sum" in error and "project.yaml:" in error, error
    project.write("project.yaml", PROJECT_YAML.replace("of: amount", "of: amuont").replace("FORMAT", "json"))
    _, error = project.run("validate", expect=USAGE)
    assert "amount" in error, error
    project.write("project.yaml", PROJECT_YAML.replace("FORMAT", "json").replace(
        "SELECT user_id, amount, n, ts AS event_time FROM events", "SELECT user_id, sum(amount) AS amount, 1 AS n FROM events GROUP BY user_id"))
    _, error = project.run("validate", expect=USAGE)
    assert "feature view" in error, error
    cycle = PROJECT_YAML.replace("FORMAT", "json").replace("entities:", """  second:
    from: events
    sql: SELECT user_id, ts AS event_time FROM events
    enrich: [{lookup: clean, on: [user_id], columns: [n]}]
entities:""").replace("FROM events\n  second", "FROM events\n    enrich: [{lookup: second, on: [user_id], columns: [user_id], prefix: x_}]\n  second", 1)
    project.write("project.yaml", cycle)
    _, error = project.run("validate", expect=USAGE)
    assert "circle" in error or "cycle" in error, error
    # A feature that changes type is told by plan and refused by apply.
    project.write("project.yaml", PROJECT_YAML.replace("FORMAT", "json"))
    project.write("assay.yaml", ASSAY_YAML.replace("./lake", "./project.yaml"))
    _, error = project.run("lake", "list", expect=STATE)
    assert "`lake:` in assay.yaml" in error, error
    project.write("assay.yaml", ASSAY_YAML)
    project.run("apply")
    project.write("project.yaml", PROJECT_YAML.replace("FORMAT", "json").replace("of: amount", "of: n"))
    out, _ = project.run("plan")
    assert "total_1h" in out and "int64" in out, out
    project.run("apply", expect=STATE)


def second_run(program, root):
    project = new_project(program, root, "twice")
    project.write("data/a.jsonl", GOOD_JSON % (1, 1))
    project.run("apply")
    import fcntl
    (project.folder / ".assay").mkdir(exist_ok=True)
    with open(project.folder / ".assay/run.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, error = project.run("run", expect=STATE)
        assert "another assay process" in error, error
    project.run("run")


def requests(program, root):
    project = new_project(program, root, "http")
    project.write("data/a.jsonl", "".join(GOOD_JSON % (i, i) for i in range(30)))
    project.run("apply")
    project.run("run")
    with Server(project) as server:
        body = {"feature_service": "v1", "entities": {"user_id": ["u1", "nobody"]}}
        status, text = server.request("/get-online-features", body)
        assert status == 200 and json.loads(text)["results"][1]["statuses"] == ["PRESENT", "NOT_FOUND"], text
        assert server.request("/get-online-features", {**body, "feature_service": "v2"})[0] == 404
        assert server.request("/get-online-features", {**body, "entities": {"user_id": [5]}})[0] in (400, 422)
        assert server.request("/get-online-features", b"{not json")[0] in (400, 422)
        assert server.request("/get-online-features", {"entities": {"user_id": ["u1"]}})[0] in (400, 422)
        assert server.request("/nothing")[0] == 404
        assert server.request("/get-online-features")[0] == 405
        big = server.raw(b"POST /get-online-features HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\n\r\n")
        assert b" 413 " in big, big[:200]
        # A request that is only half sent is cut off: this ends.
        server.raw(b"POST /get-online-features HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{half")
        assert server.request("/health")[0] == 200


def main(program):
    root = new_folder("bad")
    try:
        for case in (malformed_json, malformed_csv, damaged_files, damaged_store, lost_data_files, folders_and_disks, definitions, second_run, requests):
            case(program, root)
            print(case.__name__, "ok", flush=True)
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
