#!/usr/bin/env python3
"""What may befall a topic of a real Kafka broker while `assay up` reads it, or between two starts: it gains partitions, holds what
is no record, goes, and is made again. Each time: everything that was sent is in bronze or in quarantine once, or a clear error.

    topics_test.py PROGRAM TOPIC_WRITER

The broker's address is in ASSAY_TEST_KAFKA (tools/servers/kafka.sh with ...).
"""

import gzip
import json
import os
import subprocess
import sys
import time

from kafka_test import BROKERS, check_balance, start_up, stop
from project import NOT_FOUND, STATE, Project, new_folder, remove

ENV = {**os.environ, "KAFKA_BROKERS": BROKERS}
DEFINITIONS = """
sources:
  events: {{kafka: {{brokers: "{brokers}", topics: {topic}{more}}}}}
bronze:
  events:
    source: events
    event_time: {{column: ts}}
    columns: {{_partition: int64, n: int64!, ts: timestamp!}}
    partition_by: []
silver:
  clean: {{from: events, sql: "SELECT n, ts AS event_time FROM events"}}
entities:
  number: {{key: n, type: int64}}
feature_views:
  seen: {{entity: number, from: clean, slide: 10s, features: {{times: {{agg: count, over: [1h]}}}}}}
services: {{v1: [seen]}}
"""


class Line:
    """A project over a topic, and who sends to it."""

    def __init__(self, program, writer, root, name, partitions=2):
        self.writer = writer
        self.topic = f"{name}_{os.getpid()}"
        self.partitions = partitions
        self.sent = 0
        self.project = Project(program, root / name)
        self.project.write("assay.yaml", "project: topics\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\n"
                                         "serving: {clock: data}\n")
        self.define()
        self.send(40)

    def define(self, more=""):
        self.project.write("project.yaml", DEFINITIONS.format(brokers=BROKERS, topic=self.topic, more=more))
        self.project.run("apply", env=ENV)

    def write(self, *words, text=""):
        subprocess.run([self.writer, BROKERS, self.topic, *map(str, words)], input=text.encode() if isinstance(text, str) else text,
                       check=True, timeout=120)

    def send(self, count):
        lines = [f'{n}\t{{"n": {n}, "ts": "2026-01-01 00:00:{n % 60:02}"}}\n' for n in range(self.sent, self.sent + count)]
        self.write(self.partitions, text="".join(lines))
        self.sent += count

    def change_topic(self, *words):
        """The broker has answered before it has done it: until it has, it is asked again."""
        deadline = time.monotonic() + 120
        while subprocess.run([self.writer, BROKERS, self.topic, *map(str, words)], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, words
            time.sleep(0.5)

    def rows(self, table="bronze.events"):
        return self.project.sql(f"SELECT count(*) AS n, count(DISTINCT n) AS d FROM lake.{table}")[0]

    def wait_for(self, rows):
        deadline = time.monotonic() + 300
        while True:
            try:
                if self.rows()["n"] >= rows:
                    return
            except AssertionError:  # there is no table yet
                pass
            assert time.monotonic() < deadline, f"{rows} rows did not come to bronze"
            time.sleep(0.3)

    def check(self, rows):
        for table in ("bronze.events", "silver.clean"):
            assert self.rows(table)["n"] == rows, (table, self.rows(table), rows)
        check_balance(self.project, ENV)


def gains_partitions(line):
    process = start_up(line.project, ENV)
    line.wait_for(line.sent)
    line.change_topic("grow", 5)
    line.partitions = 5
    line.send(200)
    line.wait_for(line.sent)
    stop(process)
    line.check(line.sent)
    partitions = line.project.sql("SELECT count(DISTINCT _partition) AS n FROM lake.bronze.events")[0]["n"]
    assert partitions == 5, partitions
    return f"{line.sent} records, the topic grew from 2 to 5 partitions under way: each is there once"


def holds_garbage(line):
    bad = [gzip.compress(b'{"n": 1}'), b"\x28\xb5\x2f\xfd" + bytes(range(1, 9)), b"\xff\xfe", b"[1, 2"]
    bad = [b"0\t" + value.replace(b"\n", b".").replace(b"\0", b".") + b"\n" for value in bad]
    line.write(line.partitions, text=b"".join(bad))
    process = start_up(line.project, ENV)
    line.send(40)
    line.wait_for(line.sent)
    stop(process)
    line.project.run("run", "--quiet", env=ENV)
    line.check(line.sent)
    held = sum(row["records"] for row in line.project.json("quarantine", "list", env=ENV))
    assert held == len(bad), (held, len(bad))
    return f"{line.sent} records and {len(bad)} that are none: those are in quarantine, no partition stops"


def sends_dead_letters(line):
    """What is refused is read back from the dead-letter topic, with Kafka Connect's headers, by a project over that topic."""
    letters = f"{line.topic}.dlq"
    subprocess.run([line.writer, BROKERS, letters, "1"], input=b"", check=True, timeout=120)
    line.define(f", dead_letter: {letters}")
    bad = ["not json", '{"n": "x", "ts": "2026-01-01 00:00:00"}', '{"n": 1}', '{"n": 1, "ts": "2226-01-01 00:00:00"}']
    line.write(line.partitions, text="".join(f"key {at}\t{value}\n" for at, value in enumerate(bad)))
    process = start_up(line.project, ENV)
    line.send(40)
    line.wait_for(line.sent)
    stop(process)
    line.project.run("run", "--quiet", env=ENV)
    line.check(line.sent)
    reader = Project(line.project.program, line.project.folder.parent / "letters")
    reader.write("assay.yaml", "project: letters\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\n")
    reader.write("project.yaml", f"""
sources:
  letters: {{kafka: {{brokers: "{BROKERS}", topics: {letters}, format: raw}}}}
bronze:
  letters:
    source: letters
    columns: {{_key: string, _headers: string, _value: string}}
    partition_by: []
""")
    reader.run("apply", env=ENV)
    reader.run("run", "--quiet", env=ENV)
    found = {}
    for row in reader.sql("SELECT _key, _headers, _value FROM lake.bronze.letters"):
        headers = json.loads(row["_headers"])
        place = (headers.pop("__connect.errors.topic") + "/" + headers.pop("__connect.errors.partition"),
                 int(headers.pop("__connect.errors.offset")))
        found[place] = (row["_key"], row["_value"], headers)
    refused = line.project.sql("SELECT file, line, reason, \"column\", payload FROM lake.bronze.events_quarantine")
    assert len(refused) == len(bad) and found.keys() == {(row["file"], row["line"]) for row in refused}, (found, refused)
    for row in refused:
        key, value, headers = found[row["file"], row["line"]]
        at = bad.index(value)
        assert key == f"key {at}" and value == row["payload"], (key, value, row)
        of_column = f" at {row['column']}" if row["column"] else ""
        assert headers == {"__connect.errors.connector.name": "assay.events", "__connect.errors.task.id": "0",
                           "__connect.errors.stage": "VALUE_CONVERTER" if at == 0 else "TRANSFORMATION",
                           "__connect.errors.class.name": "assay.bronze.events",
                           "__connect.errors.exception.class.name": f"assay.{row['reason']}",
                           "__connect.errors.exception.message": row["reason"] + of_column}, headers
    return f"{len(bad)} records that are refused are in the dead-letter topic, with their keys, values and headers"


def goes(line):
    process = start_up(line.project, ENV)
    line.wait_for(line.sent)
    line.write("delete")
    _, error = process.communicate(timeout=300)
    assert process.returncode == NOT_FOUND and f"there is no topic {line.topic}" in error, (process.returncode, error[-2000:])
    line.check(line.sent)
    _, error = line.project.run("run", env=ENV, expect=NOT_FOUND)
    assert f"there is no topic {line.topic}" in error, error
    return "a topic that is deleted ends the line with an error; nothing that was read is lost"


def make_again(line, count):
    """The topic deleted and made again, with so many records of its own; gives how many it had."""
    line.write("delete")
    before, line.sent, line.partitions = line.sent, 0, 2
    deadline = time.monotonic() + 120
    while True:  # until the broker is done with the old one
        try:
            line.send(count)
            return before
        except subprocess.CalledProcessError:
            assert time.monotonic() < deadline, "the topic cannot be made again"
            line.sent = 0
            time.sleep(0.5)


def is_made_again(line, count=6):
    line.project.run("run", "--quiet", env=ENV)
    before = make_again(line, count)
    _, error = line.project.run("run", env=ENV, expect=None)
    assert "the topic was made anew" in error and "on_lost: skip" in error, error
    line.check(before)
    line.define(", on_lost: skip")
    line.project.run("run", "--quiet", env=ENV)
    line.check(before + count)
    return (f"a topic that is made again, with {count} records after {before}, stops the line; with `on_lost: skip` it is read from its "
            "beginning")


def is_made_again_larger(line):
    return is_made_again(line, 200)


def is_made_again_while_read(line):
    """The line may look while the topic is gone, and ends then; it never reads on in the middle of the new one and says nothing."""
    process = start_up(line.project, ENV)
    line.wait_for(line.sent)
    make_again(line, 200)
    _, error = process.communicate(timeout=300)
    assert process.returncode in (STATE, NOT_FOUND), (process.returncode, error[-2000:])
    _, error = line.project.run("run", env=ENV, expect=STATE)
    assert "the topic was made anew" in error and "on_lost: skip" in error, error
    line.define(", on_lost: skip")
    line.project.run("run", "--quiet", env=ENV)
    assert line.rows()["d"] == 200, line.rows()
    return "a topic that is made again with more records while the line reads it stops the line; with `on_lost: skip` all of it is read"


def main(program, writer):
    assert BROKERS, "ASSAY_TEST_KAFKA is not set; run it by tools/servers/kafka.sh with"
    root = new_folder("topics")
    try:
        for case in (gains_partitions, holds_garbage, sends_dead_letters, goes, is_made_again, is_made_again_larger,
                     is_made_again_while_read):
            print(case(Line(program, writer, root, case.__name__)), flush=True)
    finally:
        remove(root)


if __name__ == "__main__":
    main(*sys.argv[1:])
