#!/usr/bin/env python3
"""A topic that is far ahead of `assay up` on a real Kafka broker, whose online store, a Redis server, answers only now and then: what
the line holds in memory is bounded, what it lags behind grows, and goes to zero once Redis is quick again. Once with a lake and once
without one; what Redis has in the end is the same. Prints memory and lag as they go.

    overload_test.py PROGRAM [--events 8000000] [--seed 1]

The broker's address is in ASSAY_TEST_KAFKA (tools/servers/kafka.sh with ...).
"""

import argparse
import os
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kafka_test import BROKERS, check_balance, make_project
from project import new_folder, remove
from redis_server import RedisServer
from soak_test import memory_megabytes, read_metrics, total

PARTITIONS = 4
USERS = 2_000
QUEUE_MEGABYTES = 8
# Of memory: an epoch on its way to the lake and the next one, what is fetched ahead, what gold takes at once, and what the allocator
# keeps. What comes is far more than that: a line that held it all would not stay below.
GROWTH_MEGABYTES_MAX = 700
PATIENCE_S = 1_500


class SlowRedis:
    """Of each two seconds it works for a tenth, until told otherwise; use as a context."""

    def __init__(self, redis):
        self.redis, self.is_over = redis, threading.Event()
        self.thread = threading.Thread(target=self.slow_down)

    def slow_down(self):
        while not self.is_over.is_set():
            self.redis.freeze()
            self.is_over.wait(1.9)
            self.redis.thaw()
            self.is_over.wait(0.1)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


class Overload:
    def __init__(self, program, root, name, redis, options):
        self.env = {**os.environ, "KAFKA_BROKERS": BROKERS}
        self.options, self.folder, self.topic = options, root / name, f"overload_{name}_{os.getpid()}"
        self.has_lake = name == "lake"
        self.project = make_project(program, self.folder, self.topic)
        text = (self.folder / "shop.yaml").read_text()
        text = re.sub(r"(\n      topics: \S+)", rf"\1\n      queue_max: {QUEUE_MEGABYTES}MB", text)
        assert "dedup_for: 24h" in text
        self.project.write("shop.yaml", text.replace("dedup_for: 24h", "dedup_for: 1m"))  # keys have a bound and tests of their own
        settings = re.sub(r"online: .*\n", "", (self.folder / "assay.yaml").read_text())
        if not self.has_lake:
            settings = re.sub(r"lake: .*\n", "", settings) + "lake: none\n"
        self.project.write("assay.yaml", settings + f'online: "{redis.url}"\n')
        self.project.run("apply", env=self.env)
        self.project.run("generate", "users", "--count", USERS, "--kafka", BROKERS, "--topic", f"{self.topic}_users")
        self.log = root / f"up_{name}.log"
        # The line begins with some events, so that its views are made.
        self.project.run(*self.sender_words(1_000, options.seed), timeout=600)
        with open(self.log, "w") as log:
            self.line = subprocess.Popen([program, "up", "--http", "127.0.0.1:0", "--address-file", "address", "--flush-every", "2s"],
                                         cwd=self.folder, stdout=subprocess.DEVNULL, stderr=log, env=self.env)
        self.address = None
        self.began = time.monotonic()

    def sender_words(self, count, seed):
        return ("generate", "events", "--count", count, "--users", USERS, "--seed", seed, "--rate", 1_000, "--kafka", BROKERS, "--topic",
                f"{self.topic}_clicks", "--partitions", PARTITIONS)

    def look(self):
        """Memory of its own in MB, records that it lags behind; printed."""
        assert self.line.poll() is None, "assay up ended: " + self.log.read_text()[-2000:]
        own, _ = memory_megabytes(self.line.pid)
        lag = total(read_metrics(self.address), "assay_flow_source_lag_records", name="clicks")
        print(f"| {time.monotonic() - self.began:.0f} | {own:.0f} | {lag:.0f} |", flush=True)
        return own, lag

    def wait_for(self, what, is_so, every=2):
        """Look until it is so; the most memory that was seen."""
        deadline, most = time.monotonic() + PATIENCE_S, 0
        while True:
            own, lag = self.look()
            most = max(most, own)
            if is_so(lag):
                return most
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(every)

    def wait_until_up(self):
        deadline = time.monotonic() + 300
        file = self.folder / "address"
        while self.address is None:
            assert time.monotonic() < deadline and self.line.poll() is None, self.log.read_text()[-2000:]
            self.address = file.read_text().strip() or None if file.exists() else None
            time.sleep(0.1)
        while "assay_flow_source_lag_records" not in str(read_metrics(self.address)):
            assert time.monotonic() < deadline and self.line.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.1)


    def read(self):
        return next(s for s in self.project.json("status", env=self.env) if (s["stage"], s["name"]) == ("bronze", "clicks"))

    def online(self):
        rows = self.project.json("lake", "hash", "--online", env=self.env, timeout=1_800)
        return {row["table"]: row["hash"] for row in rows if row["table"].startswith("online")}


def check(overload, sent):
    project = overload.project
    check_balance(project, overload.env)
    clicks = overload.read()
    assert clicks["in"] == sent, (clicks["in"], sent)
    if overload.has_lake:
        events = project.sql("SELECT count(*) AS n, count(DISTINCT event_id) AS d FROM lake.bronze.clicks")[0]
        assert events["n"] == events["d"] == clicks["out"], (events, clicks)
        project.run("verify", "shopper_v1", env=overload.env, timeout=1_800)


def records_sent(texts):
    return sum(int(n) for text in texts for n in re.findall(r"(\d+) records sent", text))


def overloaded(name, root, options):
    """One line, with a lake or without; gives what Redis has in the end."""
    redis = RedisServer(root / f"redis_{name}")
    redis.start()
    overload = None
    try:
        overload = Overload(options.program, root, name, redis, options)
        overload.wait_until_up()
        print(f"\n| seconds ({name}) | memory MB | lag records |\n|---|---|---|", flush=True)
        before = overload.wait_for("the events that were there", lambda lag: lag == 0, every=0.5)
        with SlowRedis(redis):
            with ThreadPoolExecutor() as beside:
                sending = beside.submit(overload.project.run, *overload.sender_words(options.events, options.seed + 1), timeout=PATIENCE_S)
                behind = []
                held = overload.wait_for("the generator", lambda lag: behind.append(lag) or sending.done())
            sent = records_sent(sending.result())
            held = max(held, overload.wait_for("a lag of many events", lambda lag: behind.append(lag) or max(behind) > 0.3 * sent))
            for _ in range(10):
                time.sleep(1)
                held = max(held, overload.look()[0])
        most = overload.wait_for("a lag of nothing", lambda lag: lag == 0)
        overload.line.terminate()
        assert overload.line.wait(timeout=600) == 0, overload.log.read_text()[-2000:]
        overload.project.run("run", "--quiet", env=overload.env, timeout=1_800)
        in_all = overload.read()["in"]
        assert in_all > sent, (in_all, sent)
        check(overload, in_all)
        print(f"{name}: memory {before:.0f} MB before, {held:.0f} MB while Redis was slow and {sent} records came, {most:.0f} MB at most "
              "while they were taken; nothing lost or doubled", flush=True)
        assert max(held, most) - before <= GROWTH_MEGABYTES_MAX, (before, held, most)
        return overload.online()
    finally:
        if overload is not None and overload.line.poll() is None:
            overload.line.kill()
            overload.line.wait()
        redis.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--events", type=int, default=8_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    assert BROKERS, "ASSAY_TEST_KAFKA is not set; run it by tools/servers/kafka.sh with"
    root = new_folder("overload")
    try:
        some = root / "some.jsonl"
        subprocess.run([options.program, "generate", "events", "--count", "10000", "--to", some], check=True, stderr=subprocess.DEVNULL)
        megabytes = options.events * some.stat().st_size / 10_000 / 1e6
        print(f"{options.events} records are {megabytes:.0f} MB; memory may grow by {GROWTH_MEGABYTES_MAX}", flush=True)
        assert megabytes > 1.5 * GROWTH_MEGABYTES_MAX, "so few that a line which holds them all would pass; more of them: --events"
        online = [overloaded(name, root, options) for name in ("lake", "none")]
        assert online[0] == online[1], online
    finally:
        remove(root)


if __name__ == "__main__":
    main()
