#!/usr/bin/env python3
"""The flights project with its lake on S3 (tools/servers/s3.sh starts the service around this): every command, and the
same content in every table as with a lake in a folder; then runs ended by SIGKILL at random moments.

    s3_test.py PROGRAM [--days 3] [--kills 6] [--seed 1]
"""

import argparse
import os
import random
import signal
import subprocess
import time
import uuid

from project import REFUSED, STATE, flights_project, new_folder, remove

NOW = {"ASSAY_NOW": "2026-01-01T00:00:00Z"}  # quarantine tables say when a record was received


def on_s3(program, folder, days, prefix):
    project = flights_project(program, folder, days)
    text = (project.folder / "assay.yaml").read_text()
    assert "lake: ./lake" in text
    project.write("assay.yaml", text.replace("lake: ./lake", f"lake: s3://assay/{prefix}\n"
                                             f"s3: {{endpoint: \"{os.environ['ASSAY_TEST_S3']}\"}}"))
    return project


def check_refusals(project):
    """What goes wrong with S3 is said as such, with what to do."""
    _, error = project.run("lake", "list", expect=REFUSED, env={"AWS_SECRET_ACCESS_KEY": ""})
    assert "AWS_SECRET_ACCESS_KEY" in error, error
    text = (project.folder / "assay.yaml").read_text()
    project.write("assay.yaml", text.replace("s3://assay/", "s3://no-such-bucket/"))
    _, error = project.run("lake", "list", expect=STATE)
    assert "no-such-bucket" in error, error
    project.write("assay.yaml", text)


def check_commands(project, folder):
    """What the two lakes answer is the same."""
    for words in (("sql", "SELECT origin, count(*) AS n, sum(delay) AS s FROM lake.silver.departures GROUP BY origin ORDER BY origin"),
                  ("lake", "list"), ("lake", "history", "bronze/flights"), ("status",)):
        ours, theirs = project.json(*words, env=NOW), folder.json(*words, env=NOW)
        if words[:2] == ("lake", "history"):
            ours, theirs = ([{k: v for k, v in row.items() if "time" not in k} for row in rows] for rows in (ours, theirs))
        assert ours == theirs, (words, ours, theirs)
    for one in (project, folder):
        one.run("sql", "--to", "labels.csv", "SELECT origin, destination, departure, distance, event_time, delay "
                "FROM lake.silver.departures ORDER BY sequence")
        one.run("training-set", "delay_v1", "--labels", "labels.csv", "--to", "training.csv")
    assert (project.folder / "training.csv").read_bytes() == (folder.folder / "training.csv").read_bytes()
    report = project.json("verify", "delay_v1", "--sample", 20_000)
    assert report["values"] >= 20_000 and report["differ"] == 0, report


def run_killed(project, seconds):
    process = subprocess.Popen([project.program, "run", "--quiet"], cwd=project.folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, **NOW})
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    code = process.wait()
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    root = new_folder("s3")
    try:
        folder = flights_project(options.program, root / "folder", options.days)
        folder.run("run", env=NOW)
        expected = folder.hashes()
        project = on_s3(options.program, root / "bucket", options.days, f"line/{uuid.uuid4()}")
        began = time.monotonic()
        project.run("run", env=NOW)
        whole = time.monotonic() - began
        assert not any((project.folder / "lake").iterdir()), "tables beside the bucket"  # of `apply` before
        assert not any((project.folder / ".assay/spool").iterdir()), "files are left in the spool"
        found = project.hashes()
        assert found == expected, (found, expected)
        assert all(stage["in"] == 0 for stage in project.json("run", env=NOW))
        check_commands(project, folder)
        check_refusals(project)
        print(f"{len(expected)} contents equal; a run with the lake on S3 takes {whole:.1f} s", flush=True)
        victim = on_s3(options.program, root / "victim", options.days, f"line/{uuid.uuid4()}")
        killed = sum(run_killed(victim, chance.uniform(0.2, whole / 2)) for _ in range(options.kills))
        victim.run("run", env=NOW)
        assert victim.hashes() == expected, "after kills: other content"
        assert len(list((victim.folder / ".assay/spool").iterdir())) == 0
        print(f"{killed} of {options.kills} runs killed, contents equal (seed {options.seed})")
    finally:
        remove(root)


if __name__ == "__main__":
    main()
