#!/usr/bin/env python3
"""`assay materialize VIEW --anew` beside a server: it answers from the old rows until the new ones take their place, in one step,
also when the command is killed on the way.

    anew_test.py PROGRAM
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import time

from project import Project, Server, new_folder, remove
from redis_server import RedisServer

ASSAY = "project: anew\nlake: ./lake\ncatalog: ./catalog.db\nonline: \"%s\"\nserving: {clock: data}\n"
DEFINITIONS = """
sources:
  events: {files: {path: data, format: csv}}
bronze:
  events: {source: events, event_time: {column: ts}, columns: {user_id: string!, amount: float64, ts: timestamp!}}
silver:
  clean: {from: events, sql: "SELECT user_id, amount, ts AS event_time FROM events", allowed_lateness: 1h}
entities:
  user: {key: user_id, type: string}
feature_views:
  spend: {entity: user, from: clean, slide: 10m, features: {n: {agg: count, over: [1h]}, total: {agg: sum, of: amount, over: [30d]}}}
  newest: {entity: user, from: clean, features: {amount: latest}}
services: {v1: [spend, newest]}
"""
USERS = [f"u{number}" for number in range(40)] + ["nobody"]
QUESTION = {"feature_service": "v1", "entities": {"user_id": USERS}}
# At each of these nothing has taken the place of what is served.
BEFORE = ["flow.online.before_apply:1", "online.apply.before_commit:1", "online.apply.after_commit:1", "flow.online.before_replace:1",
          "online.replace.before_commit:1"]
AFTER = ["flow.online.after_replace:1"]
LOG = ["online.log.before_sync:1", "online.log.after_sync:1", "online.log.publishing:1"]  # of what is filled, or thrown away


def events(first_day, last_day):
    lines = [f"u{(7 * hour + day) % 40},{hour + day / 8},2026-01-{day:02}T{hour % 24:02}:{hour % 60:02}:00Z"
             for day in range(first_day, last_day + 1) for hour in range(240)]
    return "user_id,amount,ts\n" + "\n".join(lines) + "\n"


def make(program, folder, online):
    """What is served is of three days; the lake has two more."""
    project = Project(program, folder)
    project.write("assay.yaml", ASSAY % online)
    project.write("project.yaml", DEFINITIONS)
    project.write("data/one.csv", events(1, 3))
    project.run("apply")
    project.run("run", "--quiet")
    project.write("data/two.csv", events(4, 5))
    kill_at(project, "flow.online.before_apply:1", "run", "--quiet")
    return project


def kill_at(project, point, *words):
    done = subprocess.run([project.program, *words], cwd=project.folder, env={**os.environ, "ASSAY_FAIL_POINT": point},
                          capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, f"{point}: {done.returncode}\n{done.stderr[-2000:]}"


def ask(server):
    status, body = server.request("/get-online-features", QUESTION)
    assert status == 200, (status, body)
    assert server.request("/ready")[0] == 200
    return body


def of_view(body, view):
    """What an answer has of one view: values, statuses and times of its features."""
    answer = json.loads(body)
    names = answer["metadata"]["feature_names"]
    features = {"spend": ("n_1h", "total_30d"), "newest": ("amount",)}[view]
    return [answer["results"][names.index(feature)] for feature in features]


def check_kills(project, server, points, view):
    """Where it is killed, what was served is served on; the next try begins again."""
    old = ask(server)
    for point in points:
        kill_at(project, point, "materialize", view, "--anew")
        assert ask(server) == old, point
    return old


def check_beside(project, server, view, old):
    """Old answers without a gap, then new ones."""
    process = subprocess.Popen([project.program, "materialize", view, "--anew"], cwd=project.folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "ASSAY_SLOW_POINT": "flow.online.before_apply:300"})
    seen = [ask(server)]
    while process.poll() is None:
        seen.append(ask(server))
    assert process.returncode == 0, process.stderr.read()
    process.stderr.close()
    new = of_view(ask(server), view)
    assert new != of_view(old, view), "the lake had more"
    values = [of_view(body, view) for body in seen]
    replaced = values.index(new) if new in values else len(values)
    assert all(value == new for value in values[replaced:])
    assert all(body == old for body in seen[:replaced]), "as of the old instant, all of it"


def check_store(program, root, name, online, expected, points=()):
    project = make(program, root / name, online)
    with Server(project) as server:
        for view in ("newest", "spend"):
            old = check_kills(project, server, [*BEFORE, *points], view)
            check_beside(project, server, view, old)
        now = ask(server)
        for point in AFTER:
            kill_at(project, point, "materialize", "spend", "--anew")
            assert ask(server) == now, "made of the same rows"
        kill_at(project, "flow.online.before_replace:1", "materialize", "spend", "--anew")
        project.run("run", "--quiet")  # throws away what is left of it
        assert ask(server) == now
    assert project.hashes() == expected, name
    project.run("verify", "v1")


def redis_says(redis, *words):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(redis.folder / "redis.sock"))
        connection.sendall(b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)]))
        return connection.recv(1 << 20)


def check_no_room(program, root, redis):
    """A fill that fails for want of room leaves none of its rows, and runs go on."""
    project = make(program, root / "no_room", f"{redis.url}&prefix=no_room")
    process = subprocess.Popen([program, "materialize", "spend", "--anew"], cwd=project.folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "ASSAY_SLOW_POINT": "flow.online.before_replace:3000"})
    deadline = time.monotonic() + 60
    while b"~spend" not in redis_says(redis, "SMEMBERS", "no_room:views"):
        assert time.monotonic() < deadline and process.poll() is None, "it does not fill"
        time.sleep(0.01)
    assert redis_says(redis, "CONFIG", "SET", "maxmemory", "1") == b"+OK\r\n"
    said = process.communicate(timeout=60)[1]
    assert process.returncode != 0 and "room for the view a second time" in said and "what was filled takes room" not in said, said
    assert redis_says(redis, "CONFIG", "SET", "maxmemory", "0") == b"+OK\r\n"
    assert b"~" not in redis_says(redis, "SMEMBERS", "no_room:views")
    rows = redis_says(redis, "KEYS", "no_room:row:*").split(b"\r\n")
    assert len({row.split(b":")[2] for row in rows if row.startswith(b"no_room:row:")}) == 2, "of two views"
    project.run("run", "--quiet")
    return project.hashes()


def check_shards(program, root, expected):
    """Each shard has the old or the new rows when the command is killed between two; the next try, or run, brings all to one state."""
    for end in (["materialize", "newest", "--anew"], ["run", "--quiet"]):
        folder = root / f"shards_{end[0]}"
        project = make(program, folder, f"sharded:{folder}/one,{folder}/two,{folder}/three")
        with Server(project) as server:
            old = of_view(ask(server), "newest")
            kill_at(project, "online.replace.next_shard:2", "materialize", "newest", "--anew")
            time.sleep(3)  # the newest instant of shards is looked at each second: it is that of the new rows, whichever shards have them
            between = of_view(ask(server), "newest")
            project.run(*end)
            deadline = time.monotonic() + 60
            while (new := of_view(ask(server), "newest")) == old:
                assert time.monotonic() < deadline, "it has the old rows"
                time.sleep(0.1)
            for column in range(len(new)):
                for row in range(len(USERS)):
                    values = [part[column]["values"][row] for part in (old, between, new)]
                    assert values[1] in (values[0], values[2]), values
        project.run("run", "--quiet")
        assert project.hashes() == expected, end


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    program = parser.parse_args().program
    root = new_folder("anew")
    redis = RedisServer(root / "redis")
    try:
        twin = Project(program, root / "twin")
        twin.write("assay.yaml", ASSAY % "embedded:./online")
        twin.write("project.yaml", DEFINITIONS)
        twin.write("data/one.csv", events(1, 3))
        twin.run("apply")
        twin.run("run", "--quiet")
        twin.write("data/two.csv", events(4, 5))
        twin.run("run", "--quiet")
        expected = twin.hashes()
        redis.start()
        check_store(program, root, "hash_log", "embedded:./online", expected, LOG)
        check_store(program, root, "lmdb", "lmdb:./online", expected)
        check_store(program, root, "redis", redis.url, expected)
        assert check_no_room(program, root, redis) == expected
        check_shards(program, root, expected)
    finally:
        redis.kill()
        remove(root)


if __name__ == "__main__":
    main()
