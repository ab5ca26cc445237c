"""A project over a table of changes: orders that are corrected, moved to other users, cancelled and told twice."""

import random
from datetime import datetime, timedelta, timezone

from project import Project

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ASSAY_YAML = "project: orders\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: {clock: data}\n"
PROJECT_YAML = """
sources:
  orders: {files: {path: data, format: csv}}
bronze:
  orders:
    source: orders
    key: [order_id]
    on_same_key: replace
    delete_when: "op = 'd'"
    event_time: {column: ts}
    known_time: {column: seen}
    columns: {order_id: string!, op: string, user_id: string!, kind: string, amount: float64, ts: timestamp, seen: timestamp!}
    checks:
      - {column: amount, range: [-1000, 900], on_fail: quarantine}
silver:
  clean:
    from: orders
    sql: SELECT user_id, kind, amount FROM orders WHERE kind <> 'test'
    allowed_lateness: 1h
entities:
  user: {key: user_id, type: string}
feature_views:
  spend:
    entity: user
    from: clean
    slide: 10m
    ttl: 2d
    session: {gap: 30m, over: 24h}
    features:
      n: {agg: count, over: [1h, 24h]}
      total: {agg: sum, of: amount, over: [1h, 24h]}
      largest: {agg: max, of: amount, over: 24h}
      opening: {agg: first, of: amount, over: 24h}
      newest: {latest: amount}
      moves: {changes: kind, over: 24h}
      visits: {session: count}
  everyone:
    entity: none
    from: clean
    slide: continuous
    features:
      all_n: {agg: count, over: 24h}
      all_total: {agg: sum, of: amount, over: 24h}
      all_amounts: {agg: histogram, of: amount, over: 24h}
services:
  v1: [spend, everyone]
"""


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def orders_project(program, folder, files=8, lines=250, seed=3):
    """A project with so many files of so many records each, definitions applied."""
    draw = random.Random(seed)
    folder.mkdir()
    project = Project(program, folder)
    project.write("assay.yaml", ASSAY_YAML)
    project.write("project.yaml", PROJECT_YAML)
    orders, told = 0, []

    def values(seen):
        happened = seen - timedelta(seconds=draw.randrange(3 * 3600))
        return f"u{draw.randrange(30)},{draw.choice(['test', 'a', 'b', 'c', 'a', 'b'])},{draw.randrange(1000)}.25,{text(happened)}"

    for number in range(files):
        rows = []
        for place in range(lines):
            seen = START + timedelta(minutes=3 * (number * lines + place), seconds=-draw.randrange(40 * 60))
            what = draw.random()
            if what < 0.5 or orders == 0:
                orders += 1
                row = f"o{orders},c,{values(seen)},{text(seen)}"
            elif what < 0.8:
                row = f"o{draw.randint(1, orders)},u,{values(seen)},{text(seen)}"
            elif what < 0.9:
                row = f"o{draw.randint(1, orders)},d,,,,,{text(seen)}"
            else:
                row = draw.choice(told)
            told.append(row)
            rows.append(row)
        project.write(f"data/{number}.csv", "order_id,op,user_id,kind,amount,ts,seen\n" + "\n".join(rows) + "\n")
    project.run("apply")
    return project
