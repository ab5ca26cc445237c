#!/usr/bin/env python3
"""A disk that is full: the whole project, lake and online store, on a file system of 48 MB of the test's own. `assay run` ends, and
`assay up` waits, with an error that says so, whatever was being written, memory-mapped files of the online store among it; when
there is room again everything is what an undisturbed project has.

    full_disk_test.py PROGRAM [--rounds 12] [--seed 1]

It must be allowed to mount: it fails, and says so, where it is not.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from project import REFUSED, Project, new_folder, remove
from small_disk import SmallDisk, may_mount

ASSAY = "project: full\nlake: ./lake\ncatalog: ./catalog.db\nonline: {online}\nserving: {{clock: data}}\n"
DEFINITIONS = """
sources:
  events: {files: {path: data, format: csv}}
bronze:
  events:
    source: events
    key: [n]
    event_time: {column: ts}
    known_time: {delay: 20m}
    columns: {n: int64!, user_id: string!, amount: float64, note: string, ts: timestamp!}
silver:
  clean: {from: events, sql: "SELECT user_id, amount, note, ts AS event_time FROM events", allowed_lateness: 1h}
entities:
  user: {key: user_id, type: string}
feature_views:
  spend:
    entity: user
    from: clean
    slide: 10m
    features: {n: {agg: count, over: [1h]}, total: {agg: sum, of: amount, over: [1h, 24h]}, note: {latest: note}}
services: {v1: [spend]}
"""
DISK_MB = 48
ROWS = 4_000


def make(program, folder, online):
    project = Project(program, folder)
    project.write("assay.yaml", ASSAY.format(online=online))
    project.write("project.yaml", DEFINITIONS)
    project.write("data/0.csv", "n,user_id,amount,note,ts\n")
    project.run("apply")
    return project


def events(round_number, seed):
    """Notes that do not compress, so that files are as large as they are many."""
    chance = random.Random(f"{seed}/{round_number}")
    lines = ["n,user_id,amount,note,ts"]
    for i in range(ROWS):
        n = round_number * ROWS + i
        hour, minute, second = n // 3_600 % 24, n // 60 % 60, n % 60
        lines.append(f"{n},u{chance.randrange(1_500)},{chance.randrange(1_000)}.25,{chance.getrandbits(240):060x},"
                     f"2026-01-{1 + n // 86_400:02}T{hour:02}:{minute:02}:{second:02}Z")
    return "\n".join(lines) + "\n"


def run_rounds(program, disk, plain, online, options):
    """Each round has new events and less room than it needs, as much as chance leaves; then room again."""
    chance = random.Random(options.seed)
    project = make(program, disk.folder / "project", online)
    undisturbed = make(program, plain / "undisturbed", online)
    refused = 0
    for number in range(options.rounds):
        text = events(number, options.seed)
        for each in (project, undisturbed):
            each.write(f"data/{number + 1:03}.csv", text)
        disk.fill(int(2 ** chance.uniform(12, 22)))
        done = subprocess.run([project.program, "run", "--quiet"], cwd=project.folder, capture_output=True, text=True,
                              check=False, timeout=300)
        disk.make_room()
        if done.returncode != 0:
            is_said = "No space left" in done.stderr or "disk is full" in done.stderr
            assert done.returncode == REFUSED and is_said, (done.returncode, done.stderr[-2000:])
            refused += 1
        project.run("lake", "doctor")
    for each in (project, undisturbed):
        each.run("run", "--quiet")
    assert project.hashes() == undisturbed.hashes(), (project.hashes(), undisturbed.hashes())
    assert refused >= options.rounds // 3, refused
    shutil.rmtree(project.folder)
    shutil.rmtree(undisturbed.folder)
    return refused


def wait_for(what, is_it, seconds=120):
    deadline = time.monotonic() + seconds
    while not is_it():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)


def run_up(program, disk, plain, options):
    """The disk is full while the line runs: it waits, says so, and goes on by itself."""
    project = make(program, disk.folder / "up", "embedded:./online")
    undisturbed = make(program, plain / "up", "embedded:./online")
    log = plain / "up.log"
    with open(log, "w") as file:
        process = subprocess.Popen([project.program, "up", "--flush-every", "200ms", "--poll-every", "200ms"], cwd=project.folder,
                                   stdout=subprocess.DEVNULL, stderr=file)

    def waits():
        return log.read_text().count('"line_waits"')

    def bring(number):
        """A file that is there as a whole, from a disk that has room."""
        text = events(number, options.seed)
        undisturbed.write(f"data/{number + 1:03}.csv", text)
        os.symlink(undisturbed.folder / f"data/{number + 1:03}.csv", project.folder / f"data/{number + 1:03}.csv")

    def is_read(count):
        return any(s["in"] == count * ROWS for s in project.json("status") if s["stage"] == "bronze")

    try:
        bring(0)
        wait_for("the first rows", lambda: is_read(1))
        for number in range(1, options.rounds // 3):
            before = waits()
            disk.fill(0)
            bring(number)
            wait_for("a line that waits", lambda: waits() > before)
            assert process.poll() is None, log.read_text()[-2000:]
            disk.make_room()
            wait_for("the rows that came when it was full", lambda: is_read(number + 1))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0, log.read_text()[-2000:]
    finally:
        process.kill()
        process.wait()
    for each in (project, undisturbed):
        each.run("run", "--quiet")
    assert project.hashes() == undisturbed.hashes(), (project.hashes(), undisturbed.hashes())
    return waits()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    if not may_mount():
        sys.exit("this test mounts a small file system: run it as root, or where users may make namespaces (unshare --user --mount)")
    root = new_folder("full")
    plain = root / "plain"
    plain.mkdir()
    try:
        with SmallDisk(root / "disk", DISK_MB) as disk:
            for online in ("hashlog:./online", "lmdb:./online"):
                refused = run_rounds(options.program, disk, plain, online, options)
                print(f"{online}: a full disk ended {refused} of {options.rounds} runs, each with an error that says so; afterwards "
                      "everything is there once", flush=True)
            waits = run_up(options.program, disk, plain, options)
            print(f"`assay up` waited {waits} times for room, and lost nothing", flush=True)
    finally:
        remove(root)


if __name__ == "__main__":
    main()
