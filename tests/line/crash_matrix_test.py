#!/usr/bin/env python3
"""`assay up` on a real Kafka broker and whatever may befall it: SIGKILL at random moments and at every named place that a line
passes, a broker and a Redis server that go and come back, clocks that jump, a disk that is full, processes that join and leave.
Three lines of the live shop go through it, one on the embedded store, one on a Redis server, one of several processes; each has
a twin that nothing befalls, which reads the same events from files by `assay run`. After each act what both hold is compared:
every table, quarantine and late rows among them, and every online value are equal to the bit, each record sent is in the account of the
bronze table, and `assay verify` compares values of both kinds. Prints a table of what was done and counted.

    crash_matrix_test.py PROGRAM TOPIC_WRITER [--kills 18] [--events 60000] [--seed 1]

The broker's address is in ASSAY_TEST_KAFKA (tools/servers/kafka.sh with ...); ASSAY_KAFKA_KILLS sets --kills, which is how
many times the first line is killed at random moments; the others in proportion. A full disk is a small file system of the
test's own, which it must be allowed to mount: where it is not, the table says so.
"""

import argparse
import functools
import os
import random
import re
import shutil
import signal
import subprocess
import time
import zlib

from kafka_test import BROKERS, check_balance, content, make_project
from project import REFUSED, SOURCE, new_folder, remove
from redis_server import RedisServer
from small_disk import SmallDisk, may_mount

PARTITIONS = 3
USERS = 200
# Events come up to a quarter of an hour behind others: more are late than with the shop's own hour.
ALLOWED_MINUTES = 1
# A process that does not come to what is waited for has failed.
PATIENCE_S = 180
# Each place that these lines pass; the tests of src/flow kill at the others.
POINTS = ("files.step", "lake.write.before_sync", "lake.commit.before_put", "lake.commit.after_put", "lake.checkpoint.before_put",
          "lake.checkpoint.before_hint", "online.apply.before_commit", "online.log.before_sync", "online.log.after_sync",
          "online.log.publishing", "online.log.shown", "online.apply.after_commit", "flow.online.before_apply",
          "flow.reads.after_journal", "flow.reads.after_apply", "flow.reads.before_remove", "flow.bronze.between_commits",
          "flow.bronze.after_commit", "flow.silver.between_commits", "flow.silver.after_commit", "flow.gold.before_commit")
REDIS_POINTS = ("online.apply.before_commit", "online.apply.after_commit", "flow.online.before_apply", "flow.reads.after_journal",
                "flow.reads.after_apply", "flow.reads.before_remove", "flow.gold.before_commit")
SHARE_POINTS = ("flow.share.before_take", "flow.share.between_takings", "flow.share.before_give_up")
# Clocks of processes that follow one another, forward and back. None is behind the events, which would be refused as of the future.
INSTANTS = ("2036-01-01T00:00:00Z", "2026-01-01T01:00:00Z", "2030-06-01T12:00:00Z", "2026-01-02T00:00:00Z")


def wait_for(what, is_so, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def broker(*words):
    """It may take long to come where much else is done."""
    subprocess.run([SOURCE / "tools/servers/kafka.sh", words[0], os.environ["ASSAY_TEST_KAFKA_DIR"], *words[1:]], check=True,
                   stdout=subprocess.DEVNULL, timeout=700, env={"ASSAY_SERVERS_TIMEOUT": "600", **os.environ})


def start_broker():
    broker("start", BROKERS.split(":")[1])


class Events:
    """Lines that `assay generate` made up, in their order, each with its user."""

    def __init__(self, program, root, options):
        file = root / "events.jsonl"
        subprocess.run([program, "generate", "events", "--count", str(options.events), "--users", str(USERS), "--seed",
                        str(options.seed), "--malformed", "0.005", "--rate", str(options.events / 900), "--to", file], check=True,
                       stderr=subprocess.DEVNULL, timeout=600)
        # What is no event has no user, and may go anywhere.
        of_user = re.compile(r'"user_id":"(\w+)"')
        self.lines = list(self.judged_alike((found.group(1) if (found := of_user.search(line)) else "nobody", line)
                                            for line in file.read_text().splitlines()))

    @staticmethod
    def judged_alike(lines):
        """Those that are late both by all before them, which is the rule of the twin's files, and by those before them in their
        partition, which is that of topics; or by neither."""
        newest = {}
        for user, line in lines:
            found = re.search(r'"ts":(\d+)', line)
            if found is None:
                yield user, line
                continue
            time_ms, places = int(found.group(1)), ("all", zlib.crc32(user.encode()) % PARTITIONS)
            if len({time_ms < newest.get(place, time_ms) - ALLOWED_MINUTES * 60_000 for place in places}) == 1:
                newest.update({place: max(time_ms, newest.get(place, time_ms)) for place in places})
                yield user, line


def with_late_rows(project):
    text = (project.folder / "shop.yaml").read_text()
    assert text.count("allowed_lateness: 1h") == 1
    project.write("shop.yaml", text.replace("allowed_lateness: 1h", f"allowed_lateness: {ALLOWED_MINUTES}m"))
    project.run("apply", env={"KAFKA_BROKERS": BROKERS})
    return project


class Process:
    """One `assay up`; what it says is in a file."""

    def __init__(self, line, flush_every, point="", now=""):
        self.log = line.root / f"up_{len(line.processes)}.log"
        env = {**line.env, "ASSAY_FAIL_POINT": point, "ASSAY_NOW": now}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([line.project.program, "up", "--flush-every", flush_every, *line.words],
                                            cwd=line.project.folder, stdout=subprocess.DEVNULL, stderr=log, env=env)
        line.processes.append(self.process)

    def said(self):
        return self.log.read_text(errors="replace")

    def is_over(self):
        return self.process.poll() is not None

    def kill(self):
        """By SIGKILL, which it may have met already at a fail point."""
        self.process.kill()
        self.process.wait()
        assert self.process.returncode == -signal.SIGKILL, f"it ended with {self.process.returncode} by itself: {self.said()[-2000:]}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=300)
        # Asked before it listens to signals it just ends.
        assert code in (0, -signal.SIGTERM), f"assay up ended with {code}: {self.said()[-2000:]}"

    def expect_alive(self, what):
        assert not self.is_over(), f"{what}, and the line ended with {self.process.returncode}: {self.said()[-2000:]}"


class Line:
    """A line over topics, its twin over files, and who sends the same events to both."""

    def __init__(self, program, root, name, events, options, online=None, words=()):
        self.name, self.options, self.words = name, options, words
        self.env = {**os.environ, "KAFKA_BROKERS": BROKERS}
        self.chance = random.Random(f"{options.seed}/{name}")
        self.root = root / name
        self.topic = f"{name}_{os.getpid()}"
        self.events, self.sent, self.taken = events.lines, 0, 0  # sent to the topic; in the twin's files
        self.kills, self.processes, self.sender = 0, [], None
        self.step = options.events // max(240, 4 * options.kills + 200)  # of events, so that they last
        self.root.mkdir()
        self.twin = with_late_rows(make_project(program, self.root / "twin", None))
        for name in ("users", "clicks"):
            (self.twin.folder / "data" / name).mkdir(parents=True, exist_ok=True)
        self.twin.run("generate", "users", "--count", USERS, "--to", "data/users/users.jsonl")
        self.twin.run("run", "--quiet")  # makes what it scrubs with
        self.project = with_late_rows(make_project(program, self.root / "line", self.topic))
        if online is not None:
            text = re.sub(r"online: .*\n", "", (self.project.folder / "assay.yaml").read_text())
            self.project.write("assay.yaml", text + f'online: "{online}"\n')
        if "--share" in words:
            text = (self.project.folder / "shop.yaml").read_text()
            options_of_group = r'\1\n      options: {session.timeout.ms: "6000"}'
            self.project.write("shop.yaml", re.sub(r"(\n      topics: \S+)", options_of_group, text))
        # What is scrubbed is scrubbed alike.
        shutil.copytree(self.twin.folder / ".assay", self.project.folder / ".assay", dirs_exist_ok=True)
        self.project.run("apply", env=self.env)
        self.project.run("generate", "users", "--count", USERS, "--kafka", BROKERS, "--topic", f"{self.topic}_users")
        self.send()
        self.flush()  # so that the topic is there when a process begins

    def start(self, point="", now="", flush_every=None):
        # Often with views ahead of the lake, and often in a commit.
        return Process(self, flush_every or self.chance.choice(["200ms", "2s"]), point, now)

    def send(self, count=None):
        if self.sender is None:
            self.sender = subprocess.Popen([self.options.writer, BROKERS, f"{self.topic}_clicks", str(PARTITIONS)],
                                           stdin=subprocess.PIPE, text=True)
        count = self.step if count is None else count
        lines = self.events[self.sent:self.sent + count]
        assert lines, "there are no events left; more of them: --events"
        self.sender.stdin.write("".join(f"{user}\t{line}\n" for user, line in lines))
        self.sender.stdin.flush()
        self.sent += len(lines)

    def flush(self):
        """Until the broker has all that was sent."""
        if self.sender is not None:
            self.sender.stdin.close()
            assert self.sender.wait(timeout=600) == 0
            self.sender = None

    def read(self):
        """Records that the bronze table accounts for."""
        return next((s["in"] for s in self.project.json("status", env=self.env) if (s["stage"], s["name"]) == ("bronze", "clicks")),
                    0) or 0

    def wait_until_read(self, process):
        self.flush()
        deadline = time.monotonic() + PATIENCE_S
        while self.read() != self.sent:
            process.expect_alive("records came")
            assert time.monotonic() < deadline, f"{self.read()} of {self.sent} records came in: {process.said()[-2000:]}"
            time.sleep(0.2)

    def kill_at_moment(self, now=""):
        self.send()
        process = self.start(now=now)
        for _ in range(3):
            time.sleep(self.chance.uniform(0.1, 0.8))
            self.send(max(1, self.step // 5))
        time.sleep(self.chance.uniform(0, 0.3))
        process.expect_alive("nothing befell it")
        process.kill()
        self.kills += 1

    def kill_at(self, point):
        """Whether the line passed it in time."""
        self.send()
        process = self.start(f"{point}:{1 if point.startswith('lake.checkpoint') else self.chance.randint(1, 2)}", flush_every="200ms")
        deadline = time.monotonic() + 30
        while not process.is_over() and time.monotonic() < deadline:
            time.sleep(0.1)
            if self.chance.random() < 0.1:
                self.send(20)
        is_reached = process.is_over()
        process.kill()
        self.kills += 1
        return is_reached

    def end_act(self):
        """Everything that was sent is there once: numbers of the table's row."""
        self.flush()
        self.project.run("run", "--quiet", env=self.env, timeout=900)
        lines = self.events[self.taken:self.sent]
        self.twin.write(f"data/clicks/part_{self.taken:08}.jsonl", "".join(line + "\n" for _, line in lines))
        self.taken = self.sent
        self.twin.run("run", "--quiet", timeout=900)
        found, expected = (without_empty(content(project, self.env)) for project in (self.project, self.twin))
        ids = [{row["event_id"]: row["n"] for row in project.sql("SELECT event_id, count(*) AS n FROM lake.bronze.clicks GROUP BY 1")}
               for project in (self.project, self.twin)]
        lost, doubled = len(ids[1].keys() - ids[0].keys()), sum(n - 1 for n in ids[0].values())
        assert found == expected, f"{lost} lost, {doubled} doubled; " + str(
            {name: (expected.get(name), found.get(name)) for name in expected.keys() | found.keys()
             if expected.get(name) != found.get(name)})
        assert lost == doubled == 0 and self.read() == self.sent, (lost, doubled, self.read(), self.sent)
        check_balance(self.project, self.env)
        verified = self.project.json("verify", "shopper_v1", env=self.env, timeout=900)
        assert verified["differ"] == 0 and verified["values"] > 0, verified
        late = found.get("silver/events_late", {"n": 0})["n"]
        assert late > 0 or self.sent < 10_000, "no row was late"
        return (found["bronze/clicks"]["n"], found["silver/events"]["n"], late, lost, doubled, len(found), verified["values"])

    def end(self):
        """Nothing of a line that failed is left running."""
        for process in [*self.processes, *([self.sender] if self.sender is not None else [])]:
            process.kill()
            process.wait()


def without_empty(tables):
    """Processes that share topics keep a quarantine table also where nothing was refused."""
    return {name: rows for name, rows in tables.items() if not (isinstance(rows, dict) and rows["n"] == 0)}


class Table:
    """What was done and counted, a row as each act ends."""

    HEAD = ("line", "act", "what happened", "SIGKILLs", "records sent", "in bronze", "in silver", "late", "lost", "doubled", "contents equal",
            "values verified", "seconds")

    def __init__(self):
        self.kills = 0
        print("| " + " | ".join(self.HEAD) + " |\n" + "|---" * len(self.HEAD) + "|", flush=True)

    def act(self, line, name, work):
        before, began = line.kills, time.monotonic()
        what = work()
        counts = line.end_act()
        kills = line.kills - before
        self.kills += kills
        cells = (line.name, name, what, kills, line.sent, *counts, round(time.monotonic() - began))
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def at_moments(line, count):
    for _ in range(count):
        line.kill_at_moment()
    return f"{count} times"


def at_points(line, points):
    """Each point until it was reached: what a line passes depends on what it finds to do."""
    left, tries = list(points), 0
    while left:
        tries += 1
        assert tries <= 6, f"never reached: {left}"
        left = [point for point in left if not line.kill_at(point)]
    return f"{len(points)} places, each reached"


def with_jumping_clocks(line):
    for now in INSTANTS:
        line.kill_at_moment(now)
    return f"clocks at {', '.join(now[:10] for now in INSTANTS)}"


def without(line, count, stop, start, while_away=lambda: None):
    """A server goes while the line runs, which waits, and it comes back: then the line reads on by itself. Every other time
    the line is killed while the server is away."""
    for number in range(count):
        process = line.start(flush_every="200ms")
        line.send()
        line.wait_until_read(process)
        stop()
        while_away()
        time.sleep(line.chance.uniform(0.2, 2))
        is_killed = number % 2 == 1
        if is_killed:
            process.expect_alive("a server went")
            process.kill()
            line.kills += 1
        start()
        process = line.start(flush_every="200ms") if is_killed else process
        line.send()
        line.wait_until_read(process)
        process.stop()


def without_broker(line):
    for how in ("stop", "kill"):
        without(line, 2, functools.partial(broker, how), start_broker, line.send)
    return "2 times stopped, 2 times killed, and started"


def without_redis(line, redis):
    without(line, 4, redis.kill, redis.start, line.send)
    without(line, 2, redis.freeze, redis.thaw, line.send)
    return "4 times killed and started, 2 times frozen"


def on_full_disk(line, count):
    """The project is moved to a file system that is small, and full now and then while the line runs."""
    refused = 0
    with SmallDisk(line.root / "disk", 192) as disk:
        place = line.project.folder
        line.project.folder = disk.folder / "line"
        shutil.copytree(place, line.project.folder)
        for number in range(count):
            process = line.start(flush_every="200ms")
            line.send()
            line.wait_until_read(process)
            disk.fill(4096)
            line.send()
            wait_for("a line that waits", lambda: '"line_waits"' in process.said())
            process.expect_alive("the disk was full")
            if number % 2 == 1:
                process.kill()
                line.kills += 1
                started = line.start()
                # Also one that cannot begin says why; what it needs may still have had room.
                time.sleep(1)
                if started.is_over():
                    assert started.process.returncode == REFUSED, (started.process.returncode, started.said()[-2000:])
                    refused += 1
                disk.make_room()
                started.process.kill()
                started.process.wait()
                line.kills += 1
                process = line.start(flush_every="200ms")
            disk.make_room()
            line.wait_until_read(process)
            process.stop()
        shutil.rmtree(place)
        shutil.copytree(line.project.folder, place)
        line.project.folder = place
    return f"{count} times full, {refused} starts refused"


def shared(line, count):
    """Several processes come, leave, are killed and are frozen for longer than the group remembers them."""
    processes, done = [], {"frozen": 0, "killed": 0, "left": 0}
    while done["killed"] < count or not done["left"] or not done["frozen"]:
        line.send(max(1, line.step * 2 // 5))
        if len(processes) < 2 or (len(processes) < 3 and line.chance.random() < 0.5):
            processes.append(line.start(flush_every="200ms"))
        else:
            process = processes.pop(line.chance.randrange(len(processes)))
            act = "frozen" if not done["frozen"] and done["killed"] > 1 else line.chance.choice(["killed", "killed", "left"])
            if act == "killed":
                process.expect_alive("others came and went")
                process.kill()
                line.kills += 1
            elif act == "left":
                process.stop()
            else:
                process.process.send_signal(signal.SIGSTOP)
                time.sleep(9)
                process.process.send_signal(signal.SIGCONT)
                processes.append(process)
            done[act] += 1
        time.sleep(line.chance.uniform(0.2, 1.5))
    line.wait_until_read(processes[0])
    for process in processes:
        process.stop()
    return ", ".join(f"{n} {act}" for act, n in done.items())


def at_share_points(line):
    """A second process joins one that has all partitions; the one or the other is killed where they change hands."""
    left = list(SHARE_POINTS)
    for _ in range(12):
        if not left:
            break
        point = left.pop(0)
        gives = point == "flow.share.before_give_up"
        first = line.start(f"{point}:1" if gives else "", flush_every="200ms")
        line.send()
        line.wait_until_read(first)
        line.send()
        second = line.start("" if gives else f"{point}:1", flush_every="200ms")
        victim, other = (first, second) if gives else (second, first)
        deadline = time.monotonic() + 30
        while not victim.is_over() and time.monotonic() < deadline:
            time.sleep(0.1)
        if not victim.is_over():
            left.append(point)
        victim.kill()
        line.kills += 1
        line.wait_until_read(other)
        other.stop()
    assert not left, f"never reached: {left}"
    return f"{len(SHARE_POINTS)} places, each reached"


def embedded(program, root, events, options, table):
    line = Line(program, root, "embedded", events, options)
    try:
        table.act(line, "killed at random moments", lambda: at_moments(line, options.kills))
        table.act(line, "killed at fail points", lambda: at_points(line, POINTS))
        table.act(line, "broker goes and comes", lambda: without_broker(line))
        table.act(line, "clocks jump", lambda: with_jumping_clocks(line))
        if options.may_mount:
            table.act(line, "disk full", lambda: on_full_disk(line, 4))
        else:
            print("| embedded | disk full | NOT DONE: this machine lets the test mount nothing; be root, or where users may make "
                  "namespaces |", flush=True)
    finally:
        line.end()


def on_redis(program, root, events, options, table):
    redis = RedisServer(root / "redis_server")
    redis.start()
    line = None
    try:
        line = Line(program, root, "redis", events, options, redis.url)
        table.act(line, "killed at random moments", lambda: at_moments(line, options.kills // 3))
        table.act(line, "killed at fail points", lambda: at_points(line, REDIS_POINTS))
        table.act(line, "Redis goes and comes", lambda: without_redis(line, redis))
    finally:
        redis.kill()
        if line is not None:
            line.end()


def of_several(program, root, events, options, table):
    """On a Redis server where the seed is odd."""
    redis = RedisServer(root / "shared_redis") if options.seed % 2 == 1 else None
    line = None
    try:
        if redis is not None:
            redis.start()
        line = Line(program, root, "shared", events, options, None if redis is None else redis.url, words=("--share",))
        table.act(line, "processes join and leave", lambda: shared(line, options.kills // 3))
        table.act(line, "killed at fail points", lambda: at_share_points(line))
    finally:
        if redis is not None:
            redis.kill()
        if line is not None:
            line.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("writer")
    parser.add_argument("--kills", type=int, default=int(os.environ.get("ASSAY_KAFKA_KILLS", "18")))
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.program, options.writer = os.path.abspath(options.program), os.path.abspath(options.writer)
    assert BROKERS, "ASSAY_TEST_KAFKA is not set; run it by tools/servers/kafka.sh with"
    options.may_mount = may_mount()
    root = new_folder("matrix")
    began = time.monotonic()
    try:
        events = Events(options.program, root, options)
        table = Table()
        for work in (embedded, on_redis, of_several):
            work(options.program, root, events, options, table)
        print(f"crash matrix: {table.kills} SIGKILLs of `assay up`, nothing lost, nothing doubled, every value equal "
              f"({time.monotonic() - began:.0f} s, seed {options.seed})", flush=True)
    finally:
        remove(root)


if __name__ == "__main__":
    main()
