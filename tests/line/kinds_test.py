#!/usr/bin/env python3
"""The matrix {every kind of feature} x {batch, stream, training set, serving}, in one view: three runs make the steps
of one, online rows equal them, and what is served after each run is what the training set says of that instant.

    kinds_test.py PROGRAM
"""

import csv
import json
import random
import sys
from datetime import datetime, timedelta, timezone

from project import Project, new_folder, remove
from same_answers import compare_with_training_set, served_now

PROJECT = """
project: kinds
serving: {clock: data}
sources: {visits: {files: data/visits/*.csv}}
bronze:
  visits:
    source: visits
    event_time: ts
    known_time: seen
    future_max: 1d
    columns: {user: string!, page: string, price: float64, born: timestamp, ts: timestamp!, seen: timestamp!}
silver: {pages: {from: visits, allowed_lateness: 2h}}
entities: {user: {key: user}}
feature_views:
  behaviour:
    entity: user
    from: pages
    ttl: 30h
    slide: 10m
    tz: Europe/Berlin
    session: {gap: 30m, max: 2h, over: 24h}
    features:
      n: {agg: count, over: [1h, 24h]}
      spend: {agg: sum, of: price, over: 24h}
      page: latest
      in_session: {since: session_start}
      idle: {since: last_event}
      known: {since: first_event}
      age: {since: born}
      hourly: {rate: n, over: 24h}
      trend: {trend: n, over: [1h, 24h]}
      moves: {changes: page, over: [1h, 24h]}
      before: {previous: page, over: 24h}
      moved: {changed_at: page, over: 24h}
      paid: {lag: price, k: 2, over: 24h}
      share: {ratio: [moves_in, n], over: [1h, 24h]}
      moves_in: {agg: count, where: "page = 'cart'", over: [1h, 24h]}
      restless: {expr: "moves_1h > 1 AND idle < 600"}
GENERATED
on_demand:
  offer:
    request: {price: float64}
    features:
      dearer: {expr: "price > paid_24h"}
      hours_known: {expr: "floor(known / 3600) + hour(now()) * 0"}
services: {v1: [behaviour, offer]}
"""
# Keys of a feature that do not say what kind it is.
PARAMETERS = {"of", "where", "over", "k", "q", "description", "unit"}
USERS = [*(f"u{number}" for number in range(7)), "nobody"]
ROWS = [{"user": user, "price": 0.5 * number} for number, user in enumerate(USERS)]
START = datetime(2026, 3, 28, tzinfo=timezone.utc)  # the night after it the clocks of Berlin change


def project_text(program, folder):
    """The project, with a line for each word of `session` and `clock`; no kind of the program may lack one."""
    project = Project(program, folder)
    project.run("reference", "--write", "reference")
    schema = json.loads((folder / "reference/project.schema.json").read_text())
    keys = next(kind for kind in schema["$defs"]["feature"]["anyOf"] if kind.get("type") == "object")["properties"]
    lines = []
    for key in ("session", "clock"):
        for word in keys[key]["enum"]:
            of = ", of: page" if key == "session" and word in ("first", "last") else ""
            lines.append(f"      {key}_{word}: {{{key}: {word}{of}}}")
    found = PROJECT.replace("GENERATED", "\n".join(lines))
    for key in keys.keys() - PARAMETERS:
        assert f"{{{key}: " in found or f": {key}\n" in found, f"no feature of kind `{key}`"
    return found


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rows(seed, count=900):
    """Visits in the order in which they are known, in bursts; some are known up to 90 minutes late."""
    rng = random.Random(seed)
    found = []
    time = START
    for _ in range(count):
        time += timedelta(seconds=rng.choice([20, 240, 240, 900]))
        late = timedelta(minutes=rng.randrange(90)) if rng.random() < 0.2 else timedelta(seconds=rng.randrange(3))
        found.append([f"u{rng.randrange(7)}", rng.choice(["home", "shoes", "cart", ""]), rng.choice(["", "1.5", "0.1", "1e17"]),
                      text(START - timedelta(days=rng.randrange(9000))), text(time), text(time + late)])
    return sorted(found, key=lambda row: row[5])


def make(program, folder, definitions, parts):
    """A project that gets the rows in `parts`, a run after each; and what it serves after each run."""
    project = Project(program, folder)
    project.write("assay.yaml", definitions)
    asked = []
    for number, part in enumerate(parts):
        lines = [["user", "page", "price", "born", "ts", "seen"], *part]
        project.write(f"data/visits/{number}.csv", "".join(",".join(line) + "\n" for line in lines))
        if number == 0:
            project.run("apply")
        project.run("run", "--epoch-rows", 70)
        asked.append(served_now(project, "pages", ROWS))
    return project, asked


def training_set(project, labels):
    """Each label as the training set has it."""
    lines = ["user,price,event_time", *(f"{user},1,{text(at)}" for user, at in labels)]
    project.write("labels.csv", "\n".join(lines) + "\n")
    project.run("training-set", "v1", "--labels", "labels.csv", "--to", "set.csv")
    with open(project.folder / "set.csv", newline="") as file:
        return list(csv.DictReader(file))


def same(a, b):
    """True when two texts are the same value: CSV and JSON write times and numbers in their own ways."""
    plain = [x.lower().replace(" ", "t").removesuffix("z").removesuffix(".000000") for x in (a, b)]
    try:
        return plain[0] == plain[1] or float(a) == float(b)
    except ValueError:
        return False


def main(program):
    root = new_folder("kinds")
    try:
        visits = rows(7)
        definitions = project_text(program, root)
        once, _ = make(program, root / "once", definitions, [visits])
        thrice, asked = make(program, root / "thrice", definitions, [visits[:311], visits[311:600], visits[600:]])
        steps = {key: value for key, value in once.hashes().items() if key.startswith("gold/")}
        assert steps and all(thrice.hashes()[key] == value for key, value in steps.items()), (steps, thrice.hashes())
        for project in (once, thrice):
            report = project.json("verify", "v1", "--sample", 60000, "--instants", 400)
            assert report["differ"] == 0 and report["values"] >= 60000, report

        rng = random.Random(1)
        labels = [(f"u{rng.randrange(7)}", START + timedelta(seconds=rng.randrange(4 * 86400))) for _ in range(40)]
        answers = training_set(thrice, labels)
        assert any(row["in_session"] for row in answers) and any(row["before_24h"] for row in answers)
        for (user, at), row in list(zip(labels, answers))[:6]:
            said = {one["feature"]: one["value"] for one in thrice.json("get", "v1", "--entity", f"user={user}", "--entity", "price=1", "--at", text(at))}
            for name, value in row.items():
                if name in said and said[name] is not None:
                    assert same(str(said[name]), value), (name, said, row)
        served, statuses = compare_with_training_set(once, ROWS, asked)
        assert {"PRESENT", "NULL_VALUE", "NOT_FOUND"} <= statuses, statuses
        print(f"every kind of feature: one run as three, online as offline, {served} served values as the training set has them")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
