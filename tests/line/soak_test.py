#!/usr/bin/env python3
"""`assay up` on a real Kafka broker for as long as is wanted, at a steady rate of events: prints its memory and what it lags behind,
in records and in time, minute by minute, and fails when memory or lag grow, or when a record is lost or doubled.

    soak_test.py PROGRAM [--minutes 30] [--rate 5000] [--users 10000] [--dedup-for 24h] [--seed 1]

The broker's address is in ASSAY_TEST_KAFKA (tools/servers/kafka.sh with ...); ASSAY_SOAK_MINUTES and ASSAY_SOAK_RATE set the first two.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import time
import urllib.request

from kafka_test import BROKERS, check_balance, make_project
from project import new_folder, remove

PARTITIONS = 4
SAMPLE_SECONDS = 5
# Memory may be so much more in the last third of the time than in the second one, and lag so many seconds of the rate.
GROWTH_MAX = 1.15
LAG_SECONDS_MAX = 5


def read_metrics(address):
    """Name and labels as /metrics has them: value."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}


def values(metrics, name, /, **labels):
    found = [value for key, value in metrics.items()
             if key.split("{")[0] == name and all(f'{label}="{wanted}"' in key for label, wanted in labels.items())]
    assert found, f"/metrics has no {name}"
    return found


def total(metrics, name, /, **labels):
    return sum(values(metrics, name, **labels))


def largest(metrics, name, /, **labels):
    return max(values(metrics, name, **labels))


def memory_megabytes(pid):
    """Memory of the process's own, and pages of files that it has mapped: those are the system's to take back."""
    with open(f"/proc/{pid}/status") as file:
        text = file.read()
    return tuple(int(re.search(rf"{name}:\s+(\d+) kB", text).group(1)) / 1024 for name in ("RssAnon", "RssFile"))


class Soak:
    """A line, who sends to it, and what was seen of it."""

    def __init__(self, program, folder, options):
        self.env = {**os.environ, "KAFKA_BROKERS": BROKERS}
        topic = f"soak_{os.getpid()}"
        self.options = options
        self.project = make_project(program, folder, topic)
        text = (folder / "shop.yaml").read_text()
        # A day's keys: far more than memory holds of them.
        assert "dedup_for: 24h" in text
        self.project.write("shop.yaml", text.replace("dedup_for: 24h", f"dedup_for: {options.dedup_for}"))
        self.project.write("assay.yaml", (folder / "assay.yaml").read_text().replace("serving: {clock: data}\n", ""))
        self.project.run("apply", env=self.env)
        self.project.run("generate", "users", "--count", options.users, "--kafka", BROKERS, "--topic", f"{topic}_users")
        self.project.run("generate", "events", "--count", 0, "--kafka", BROKERS, "--topic", f"{topic}_clicks",
                         "--partitions", PARTITIONS)
        self.said = open(folder.parent / "up.log", "w+")
        self.line = subprocess.Popen([program, "up", "--http", "127.0.0.1:0", "--address-file", "address", "--flush-every", "10s"],
                                     cwd=folder, stdout=subprocess.DEVNULL, stderr=self.said, text=True, env=self.env)
        deadline = time.monotonic() + 120
        while not (folder / "address").exists() or not (folder / "address").read_text().strip():
            assert time.monotonic() < deadline and self.line.poll() is None, "assay up does not come up"
            time.sleep(0.1)
        self.address = (folder / "address").read_text().strip()
        self.sender = subprocess.Popen([program, "generate", "events", "--count", "1000000000", "--users", str(options.users), "--live",
                                        "--late", "0", "--rate", str(options.rate), "--seed", str(options.seed), "--kafka", BROKERS,
                                        "--topic", f"{topic}_clicks"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True)
        self.samples = []  # (megabytes of its own, of files, lag in records, in seconds)

    def last_words(self):
        self.said.seek(0)
        return self.said.read()[-2000:]

    def watch(self):
        print("| minute | memory MB | mapped files MB | lag records | records/s | lake commit s | lag p50 ms | most ms |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        began = time.monotonic()
        time.sleep(SAMPLE_SECONDS)  # a metric is there once it was counted
        before, minute = read_metrics(self.address), 0
        while time.monotonic() - began < self.options.minutes * 60:
            time.sleep(SAMPLE_SECONDS)
            assert self.line.poll() is None, "assay up ended: " + self.last_words()
            assert self.sender.poll() is None, "the sender ended: " + self.sender.stdout.read()[-2000:]
            metrics = read_metrics(self.address)
            self.samples.append((*memory_megabytes(self.line.pid), total(metrics, "assay_flow_source_lag_records", name="clicks"),
                                 largest(metrics, "assay_flow_partition_lag_seconds", name="clicks")))
            if time.monotonic() - began >= (minute + 1) * 60:
                minute += 1
                self.tell(minute, before, metrics)
                before = metrics

    def tell(self, minute, before, metrics):
        of_minute = self.samples[-(60 // SAMPLE_SECONDS):]
        read, commits, commit_seconds = (total(metrics, f"assay_flow_{name}") - total(before, f"assay_flow_{name}")
                                         for name in ("records_read_total", "commit_seconds_count", "commit_seconds_sum"))
        own, files, lag, seconds = (max(column) for column in zip(*of_minute))
        usual = statistics.median(sample[3] for sample in of_minute)
        print(f"| {minute} | {own:.0f} | {files:.0f} | {lag:.0f} | {read / 60:.0f} | "
              f"{commit_seconds / max(commits, 1):.2f} | {usual * 1000:.0f} | {seconds * 1000:.0f} |", flush=True)

    def end(self):
        """Let all that was sent come in; gives how many records that were."""
        self.sender.send_signal(signal.SIGTERM)
        said, _ = self.sender.communicate(timeout=300)
        sent = int(re.search(r"stopped after (\d+) records", said).group(1))
        deadline = time.monotonic() + 300
        while total(read_metrics(self.address), "assay_flow_source_lag_records"):
            assert time.monotonic() < deadline, "what was sent does not come in"
            time.sleep(0.5)
        self.line.send_signal(signal.SIGTERM)
        assert self.line.wait(timeout=600) == 0, self.last_words()
        self.project.run("run", "--quiet", env=self.env, timeout=1800)
        return sent

    def kill(self):
        for process in (self.sender, self.line):
            if process.poll() is None:
                process.kill()
                process.wait()


def check(soak, sent):
    project = soak.project
    check_balance(project, soak.env)
    clicks = next(s for s in project.json("status", env=soak.env) if s["stage"] == "bronze" and s["name"] == "clicks")
    assert clicks["in"] == sent, (clicks["in"], sent)
    events = project.sql("SELECT count(*) AS n, count(DISTINCT event_id) AS d FROM lake.bronze.clicks")[0]
    assert events["n"] == events["d"] == clicks["out"], (events, clicks)
    third = len(soak.samples) // 3
    second, last = soak.samples[third:2 * third], soak.samples[2 * third:]
    memory = max(own for own, *_ in last) / max(own for own, *_ in second)
    lag = max(lag for _, _, lag, _ in last)
    print(f"\n{sent:,} records sent, each in the account once; {events['n']:,} events in bronze, each once; memory of the last third "
          f"{memory:.2f} times that of the second one; at most {lag:,.0f} records behind", flush=True)
    assert memory <= GROWTH_MAX, "memory grows"
    assert lag <= soak.options.rate * LAG_SECONDS_MAX, "lag grows"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("ASSAY_SOAK_MINUTES", "30")))
    parser.add_argument("--rate", type=int, default=int(os.environ.get("ASSAY_SOAK_RATE", "5000")))
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--dedup-for", default="24h")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    assert BROKERS, "ASSAY_TEST_KAFKA is not set; run it by tools/servers/kafka.sh with"
    root = new_folder("soak")
    soak = None
    try:
        soak = Soak(options.program, root / "shop", options)
        soak.watch()
        check(soak, soak.end())
    finally:
        if soak is not None:
            soak.kill()
        remove(root)


if __name__ == "__main__":
    main()
