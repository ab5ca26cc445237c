#!/usr/bin/env python3
"""The project of docs/composition.md, from files to serving: the population, derived views, lookups, holidays.

    composition_test.py PROGRAM
"""

import csv
import json
import random
import re
import sys
from datetime import datetime, timedelta, timezone

from project import Project, Server, SOURCE, USAGE, new_folder, remove

ASSAY = """
project: composed
serving: {clock: data}
sources:
  orders: {files: data/orders/*.csv}
  users: {files: data/users/*.csv}
  holidays: {files: data/holidays/*.csv}
services:
  everyone_v1: [everyone]
models:
  big_spender:
    service: offers
    labels: {from: orders, column: price > 50}
    train: {trees: 5, depth: 3}
"""
START = datetime(2025, 12, 20, tzinfo=timezone.utc)


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_data(project, seed, orders):
    rng = random.Random(seed)
    lines = ["order_id,user_id,price,ts"]
    for number in range(orders):
        at = START + timedelta(seconds=rng.randrange(9 * 86400))
        lines.append(f"{seed}-{number},u{rng.randrange(6)},{rng.randrange(100)}.5,{text(at)}")
    project.write(f"data/orders/{seed}.csv", "\n".join(lines) + "\n")


def make(program, folder):
    project = Project(program, folder)
    project.write("assay.yaml", ASSAY)
    page = (SOURCE / "docs/composition.md").read_text()
    blocks = re.findall(r"\n```yaml\n(.*?)\n```", page, re.DOTALL)
    assert len(blocks) >= 5, len(blocks)
    for number, block in enumerate(blocks):
        project.write(f"part{number}.yaml", block + "\n")
    rng = random.Random(3)
    moves = ["user_id,country,ts"]
    for _ in range(30):
        moves.append(f"u{rng.randrange(5)},{rng.choice(['DE', 'AT', ''])},{text(START + timedelta(seconds=rng.randrange(9 * 86400)))}")
    moves += [f"u0,DE,{text(START)}", f"u1,AT,{text(START)}"]
    project.write("data/users/moves.csv", "\n".join(moves) + "\n")
    project.write("data/holidays/days.csv", "country,day,holiday,announced\n"
                  "DE,2025-12-25,Weihnachten,2025-01-01T00:00:00Z\nAT,2025-12-25,Christtag,2025-01-01T00:00:00Z\n"
                  "DE,2025-12-27,Sondertag,2025-12-27T12:00:00Z\n")
    write_data(project, 1, 500)
    return project


def said(project, service, at=None, **keys):
    """What `assay get` answers, by feature."""
    words = [word for key, value in keys.items() for word in ("--entity", f"{key}={value}")]
    if at is not None:
        words += ["--at", text(at)]
    return {one["feature"]: (one["value"], one["status"]) for one in project.json("get", service, *words)}


def check_training_set(project):
    """Each row of the set is what `assay get --at` answers."""
    rng = random.Random(5)
    labels = [(f"u{rng.randrange(7)}", START + timedelta(seconds=rng.randrange(9 * 86400))) for _ in range(60)]
    project.write("labels.csv", "user_id,event_time\n" + "".join(f"{user},{text(at)}\n" for user, at in labels))
    project.run("training-set", "offers", "--labels", "labels.csv", "--to", "set.csv")
    with open(project.folder / "set.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert any(row["mean_z"] for row in rows) and {row["is_holiday"] for row in rows} == {"true", "false"}, rows
    for (user, at), row in list(zip(labels, rows))[:5]:
        for name, (value, _) in said(project, "offers", at, user_id=user).items():
            plain = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            assert row[name] == plain or float(row[name]) == float(plain), (name, value, row)


def main(program):
    root = new_folder("composition")
    try:
        project = make(program, root)
        project.run("apply")
        project.run("run")
        write_data(project, 2, 300)
        project.run("run")
        for service in ("offers", "at_home", "everyone_v1"):
            report = project.json("verify", service, "--sample", 5000, "--instants", 40)
            assert report["differ"] == 0 and report["values"] >= 5000, report

        # The population at an instant is that of its time, and nothing is asked with.
        midway = START + timedelta(days=4)
        value, status = said(project, "everyone_v1", midway)["spent_24h"]
        total = project.sql(f"SELECT sum(price) AS total FROM lake.bronze.orders WHERE event_time >= TIMESTAMPTZ '{text(midway - timedelta(days=1))}' "
                            f"AND event_time < TIMESTAMPTZ '{text(midway)}' AND known_time <= TIMESTAMPTZ '{text(midway)}'")
        assert status == "PRESENT" and float(value) == float(total[0]["total"]), (value, total)

        # A holiday of the local day, in the country of the time, once it is announced.
        for user, at, name in (("u0", datetime(2025, 12, 20, 1), None), ("nobody", datetime(2025, 12, 25, 12), None)):
            answer = said(project, "offers", at, user_id=user)
            assert answer["is_holiday"][0] is False and answer["holiday_name"][0] is name, answer
        home = said(project, "at_home", START + timedelta(hours=1), user_id="nobody")
        assert home["home_arrivals_24h"] == (None, "NOT_FOUND"), home

        check_training_set(project)
        project.run("train", "big_spender")
        with Server(project) as server:
            for service, entities in (("offers", {"user_id": ["u1", "nobody"]}), ("everyone_v1", {})):
                status, body = server.request("/get-online-features", {"feature_service": service, "entities": entities})
                assert status == 200, (status, body)
                assert len(json.loads(body)["results"][-1]["values"]) == (2 if entities else 1), body
            status, body = server.request("/get-online-features", {"features": ["compared:mean_z"], "entities": {"user_id": ["u1"]}})
            assert status == 200, (status, body)

        features = {(row["view"], row["feature"]): row for row in project.json("feature", "list")}
        assert "model `big_spender`" in features["everyone", "dev_24h"]["used_by"], features["everyone", "dev_24h"]
        out, err = project.run("explain", "compared:mean_z", "--entity", "user_id=u1", "--at", text(midway))
        assert "derived as zscore(" in out + err, out + err

        # What a model's features are made from cannot go unnoticed.
        page = project.folder / "part1.yaml"
        page.write_text(page.read_text().replace("dev: {agg: stddev", "deviation: {agg: stddev"))
        out, err = project.run("validate", expect=USAGE)
        assert "all_dev_24h" in out + err, out + err
        print("docs/composition.md: verified, trained on and served")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
