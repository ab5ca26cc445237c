#!/usr/bin/env python3
"""Streams of real events through a real Kafka broker, in their own order, into `assay up`, which is killed twice meanwhile while
they are sent; then the broker is stopped and started, and killed and started; then two processes share the topic: every table
and every online value is what `assay run` makes of the same events in files.

    ASSAY_DATASETS=FOLDER real_streams_test.py PROGRAM TOPIC_WRITER [--events 200000] [STREAM...]

The broker's address is in ASSAY_TEST_KAFKA, its folder in ASSAY_TEST_KAFKA_DIR (tools/servers/kafka.sh with ...); tests/line/real_streams.py says what the folder
holds.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from datasets import folder
from kafka_test import BROKERS, check_balance, content, start_up, stop
from project import SOURCE, Project, new_folder, remove
from real_streams import STREAMS

PARTITIONS = 3
KILLS = 2
PIECES = KILLS + 5  # in which the events are sent
ASSAY = """project: {name}
lake: ./lake
catalog: ./catalog.db
online: embedded:./online
serving: {{clock: data}}
"""


def make_project(program, place, definitions, source):
    project = Project(program, place)
    project.write("assay.yaml", ASSAY.format(name="stream"))
    project.write("project.yaml", f"sources:\n  events: {source}\n{definitions}")
    project.run("apply")
    return project


def run_files(program, place, name, count):
    """The events in a file, and what `assay run` makes of them: the project, the events, what it has."""
    definitions, lines_of = STREAMS[name]
    project = make_project(program, place, definitions, "{files: {path: data, format: json}}")
    lines = lines_of(project, count)
    assert lines, f"{name} has no events"
    project.write("data/events.jsonl", "".join(line + "\n" for _, line in lines))
    project.run("run", "--quiet", timeout=1800)
    return project, lines, content(project, dict(os.environ))


class Writer:
    """Sends events to a topic in their order."""

    def __init__(self, program, topic, lines):
        self.lines = lines
        self.sent = 0
        self.process = subprocess.Popen([program, BROKERS, topic, str(PARTITIONS)], stdin=subprocess.PIPE, text=True)

    def send_piece(self):
        end = min(self.sent + len(self.lines) // PIECES, len(self.lines))
        self.send_up_to(end)

    def send_up_to(self, end):
        for key, line in self.lines[self.sent:end]:
            self.process.stdin.write(f"{key}\t{line}\n")
        self.process.stdin.flush()
        self.sent = end

    def finish(self):
        self.send_up_to(len(self.lines))
        self.process.stdin.close()
        assert self.process.wait(timeout=600) == 0


def broker(*words):
    subprocess.run([SOURCE / "tools/servers/kafka.sh", words[0], os.environ["ASSAY_TEST_KAFKA_DIR"], *words[1:]], check=True,
                   stdout=subprocess.DEVNULL, timeout=300)


def kill_broker():
    file = Path(os.environ["ASSAY_TEST_KAFKA_DIR"]) / "kafka.pid"
    pid = int(file.read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    while (Path("/proc") / str(pid) / "exe").exists():  # a zombie has none
        time.sleep(0.1)
    file.unlink()


def wait_for_rows(project, rows):
    """Until bronze has so many."""
    deadline = time.monotonic() + 600
    log = project.folder / "lake/bronze/events/_delta_log/00000000000000000000.json"
    while not log.exists() or project.sql("SELECT count(*) AS n FROM lake.bronze.events")[0]["n"] < rows:
        assert time.monotonic() < deadline, "what was sent did not come to bronze"
        time.sleep(0.5)


def disturb(project, env, writer, chance):
    """While pieces are sent a process is killed again and again; the next one sees the broker go and come twice."""
    for _ in range(KILLS):
        process = start_up(project, env, chance.choice(["200ms", "2s"]))
        writer.send_piece()
        time.sleep(chance.uniform(0.5, 3))
        process.send_signal(signal.SIGKILL)
        _, error = process.communicate()
        assert process.returncode == -signal.SIGKILL, f"it ended by itself: {error[-2000:]}"
    process = start_up(project, env)
    wait_for_rows(project, 1)  # it has found the topic: brokers that go from now on are waited for
    for end in (lambda: broker("stop"), kill_broker):
        writer.send_piece()
        time.sleep(chance.uniform(0, 1))
        end()
        writer.send_piece()  # kept by who sends, until there is a broker again
        time.sleep(chance.uniform(0, 2))
        broker("start", BROKERS.split(":")[1])
    stop(process)


def share(project, env, writer, rows):
    """Two processes share the topic while the rest comes, until bronze has its rows."""
    processes = [start_up(project, env, "200ms", "--share") for _ in range(2)]
    writer.send_piece()
    time.sleep(2)
    writer.finish()
    wait_for_rows(project, rows)
    for process in processes:
        stop(process)


def test_stream(options, root, name):
    env = {**os.environ, "KAFKA_BROKERS": BROKERS}
    began = time.monotonic()
    files, lines, expected = run_files(options.program, root / f"{name}_files", name, options.events)
    batch_seconds = time.monotonic() - began
    topic = f"{name}_{os.getpid()}"
    writer = Writer(options.writer, topic, lines)
    source = f'{{kafka: {{brokers: "{BROKERS}", topics: {topic}}}}}'
    project = make_project(options.program, root / f"{name}_topic", STREAMS[name][0], source)
    # What is scrubbed is scrubbed alike.
    shutil.copytree(files.folder / ".assay", project.folder / ".assay", dirs_exist_ok=True)
    began = time.monotonic()
    disturb(project, env, writer, random.Random(name))
    share(project, env, writer, expected["bronze/events"]["n"])
    project.run("run", "--quiet", env=env, timeout=1800)
    seconds = time.monotonic() - began
    found = content(project, env)
    for table in [t for t in found if t not in expected]:  # processes that share keep a quarantine table where nothing was refused
        assert table == "bronze/events_quarantine" and found.pop(table)["n"] == 0, table
    assert found == expected, {t: (expected.get(t), found.get(t)) for t in expected if expected[t] != found.get(t)}
    check_balance(project, env)
    project.run("verify", "v1", env=env, timeout=1800)
    rows = {table: each["n"] for table, each in expected.items() if isinstance(each, dict)}
    steps = sum(n for table, n in rows.items() if table.startswith("gold/"))
    late = sum(n for table, n in rows.items() if table.endswith("_late"))
    print(f"| {name} | {len(lines):,} | {rows['bronze/events']:,} | {steps:,} | {late:,} | {len(expected)} equal | {batch_seconds:.0f} s | "
          f"{seconds:.0f} s |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("writer")
    parser.add_argument("streams", nargs="*", default=list(STREAMS))
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    assert BROKERS, "ASSAY_TEST_KAFKA is not set; run it by tools/servers/kafka.sh with"
    folder()  # says so when there is none
    root = new_folder("streams")
    try:
        print(f"{PARTITIONS} partitions; {KILLS} kills, the broker stopped once and killed once, then two processes that share\n")
        print("| stream | events sent | rows in bronze | steps in gold | late | contents | batch | disturbed |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for name in options.streams:
            test_stream(options, root, name)
    finally:
        remove(root)


if __name__ == "__main__":
    main()
