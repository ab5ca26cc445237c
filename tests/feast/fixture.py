"""A project with a value of every type that Feast has, the rows behind it, and what its answers must be.

The rows are written by the test and known to the checks that run inside Feast's client, which compute what is
expected by themselves: the newest row of a key.
"""

import base64
import json

PROJECT = "feast_client"
NOW = "2026-04-10T00:00:00Z"  # the newest instant in the data; `serving.clock: data` answers for it

DEFINITIONS = """
project: feast_client
lake: ./lake
catalog: ./catalog.db
online: embedded:./online
serving: {clock: data}

sources:
  profiles: {files: {path: data/profiles, format: json}}
  orders: {files: {path: data/orders, format: json}}
  rates: {files: {path: data/rates, format: json}}
  lists: {files: {path: data/lists, format: json}}
  visits: {files: {path: data/visits, format: json}}

bronze:
  profiles:
    source: profiles
    event_time: {column: ts}
    columns:
      user_id: int64!
      age: int64
      n32: int32
      score: float64
      f32: float32
      name: string
      active: bool
      seen: timestamp
      blob: bytes
      tags: list<string>
      vec: float32[2]
      ids: list<int64>
      ts: timestamp!
  orders:
    source: orders
    event_time: {column: ts}
    columns:
      user_id: int64!
      region: string!
      spend: float64!
      items: int64!
      ts: timestamp!
  rates:
    source: rates
    event_time: {column: ts}
    columns:
      fx_rate: float64!
      ts: timestamp!
  lists:
    source: lists
    event_time: {column: ts}
    columns:
      user_id: int64!
      bools: list<bool>
      blobs: list<bytes>
      n32s: list<int32>
      n64s: list<int64>
      reals: list<float64>
      f32s: list<float32>
      words: list<string>
      times: list<timestamp>
      ts: timestamp!
  visits:
    source: visits
    event_time: {column: ts}
    columns:
      shop: int32!
      day: timestamp!
      code: string!
      spent: float64
      ts: timestamp!

silver:
  profile_rows:
    from: profiles
    sql: SELECT user_id, age, n32, score, f32, name, active, seen, blob, tags, vec, ids, ts AS event_time FROM profiles
    allowed_lateness: 365d
  order_rows:
    from: orders
    sql: SELECT user_id, region, spend, items, ts AS event_time FROM orders
    allowed_lateness: 365d
  rate_rows:
    from: rates
    sql: SELECT fx_rate, ts AS event_time FROM rates
    allowed_lateness: 365d
  list_rows:
    from: lists
    sql: SELECT user_id, bools, blobs, n32s, n64s, reals, f32s, words, times, ts AS event_time FROM lists
    allowed_lateness: 365d
  visit_rows:
    from: visits
    sql: SELECT shop, day, code, spent, ts AS event_time FROM visits
    allowed_lateness: 365d

entities:
  user: {key: user_id, type: int64, description: Who buys}
  user_region: {keys: {user_id: int64, region: string}}
  visit: {keys: {shop: int32, day: timestamp, code: string}}

feature_views:
  profile:
    entity: user
    from: profile_rows
    description: What a user said of himself
    owner: ann@example.com
    tags: [team_growth]
    features: {age: latest, n32: latest, score: latest, f32: latest, name: latest, active: latest, seen: latest,
               blob: latest, tags: latest, vec: latest, ids: latest}
  activity:
    entity: user
    from: order_rows
    ttl: 30d
    features:
      orders: {agg: count, over: [24h, 90d]}
      amount: {agg: sum, of: spend, over: [90d]}
  basket:
    entity: user_region
    from: order_rows
    features: {spend: latest, items: latest}
  global_stats:
    entity: none
    from: rate_rows
    features: {fx_rate: latest}
  lists:
    entity: user
    from: list_rows
    features: {bools: latest, blobs: latest, n32s: latest, n64s: latest, reals: latest, f32s: latest, words: latest,
               times: latest}
  visits:
    entity: visit
    from: visit_rows
    features: {spent: latest}

on_demand:
  offer:
    request: {discount: float64}
    features:
      offered: {expr: "score * (1.0 - discount)"}

services:
  svc: ["profile:name,age,score", "activity:orders_90d,amount_90d"]
  offers: ["profile:score", offer]
  others: ["activity:orders_90d", {view: "profile:name,age", by: {user_id: orders_90d}, prefix: other_}]
"""

BIG = 2**53 + 1
TEXT = 'Zoë "q" \\ \n\t東京 😀'

PROFILE_ROWS = [
    {"user_id": 1, "age": 41, "n32": 7, "score": 0.1, "f32": 0.1, "name": "Ann", "active": True,
     "seen": "2026-01-01T00:00:00Z", "blob": b"\x00\x01\xff", "tags": ["a", "b"], "vec": [1.0, 0.5], "ids": [1, BIG],
     "ts": "2026-01-01T00:00:00Z"},
    # Older than the row above, and later in the file: it must not win.
    {"user_id": 1, "age": 40, "n32": 6, "score": 0.2, "f32": 0.2, "name": "An", "active": False,
     "seen": "2025-01-01T00:00:00Z", "blob": b"x", "tags": ["c"], "vec": [2.0, 2.5], "ids": [2],
     "ts": "2025-12-31T00:00:00Z"},
    {"user_id": 2, "age": None, "n32": None, "score": None, "f32": None, "name": None, "active": None, "seen": None,
     "blob": None, "tags": None, "vec": None, "ids": None, "ts": "2026-01-02T03:04:05.678901Z"},
    {"user_id": 3, "age": 2**63 - 1, "n32": -(2**31), "score": -1e308, "f32": 3.4028234663852886e38, "name": TEXT,
     "active": False, "seen": "1969-12-31T23:59:59Z", "blob": b"", "tags": ["", "ü"], "vec": [-0.0, 1e-40],
     "ids": [-(2**63)], "ts": "2026-03-31T23:59:59.000001Z"},
    {"user_id": -7, "age": 0, "n32": 0, "score": 0.0, "f32": 0.0, "name": "", "active": False,
     "seen": "1970-01-01T00:00:00Z", "blob": b"x", "tags": ["x"], "vec": [0.0, 0.0], "ids": [0],
     "ts": "2026-01-01T00:00:00Z"},
    {"user_id": BIG, "age": BIG, "n32": 1, "score": 1 / 3, "f32": 0.25, "name": "big key", "active": True,
     "seen": "2100-01-01T00:00:00Z", "blob": b"y", "tags": ["y"], "vec": [1.0, 2.0], "ids": [2],
     "ts": "2026-01-01T00:00:00Z"},
]
ORDER_ROWS = [
    {"user_id": 1, "region": "eu", "spend": 1.5, "items": 3, "ts": "2026-04-01T00:00:00Z"},
    {"user_id": 1, "region": "eu", "spend": 98.45, "items": 1, "ts": "2026-04-09T12:00:00Z"},
    {"user_id": 1, "region": "", "spend": 2.5, "items": 4, "ts": "2026-04-01T00:00:00Z"},
    {"user_id": 12, "region": "Köln", "spend": 3.5, "items": 5, "ts": "2026-03-31T23:59:59.000001Z"},
    {"user_id": 4, "region": "us", "spend": 5e-324, "items": -3, "ts": "2026-01-15T00:00:00Z"},  # beyond the ttl
]
RATE_ROWS = [{"fx_rate": 1.0842, "ts": NOW}]
LISTS = ["bools", "blobs", "n32s", "n64s", "reals", "f32s", "words", "times"]
LIST_ROWS = [
    {"user_id": 1, "bools": [True, False], "blobs": [b"\x00\xff", b""], "n32s": [7, -(2**31)], "n64s": [1, BIG],
     "reals": [0.1, -1e308], "f32s": [0.1, 1e-40], "words": ["a", "", TEXT],
     "times": ["2026-01-01T00:00:00Z", "1969-12-31T23:59:59Z"], "ts": "2026-01-01T00:00:00Z"},
    {"user_id": 2, **dict.fromkeys(LISTS), "ts": "2026-01-01T00:00:00Z"},
    {"user_id": 3, **{name: [] for name in LISTS}, "ts": "2026-01-01T00:00:00Z"},
    {"user_id": -7, "bools": [None, True], "blobs": [b"x", None], "n32s": [None, 7], "n64s": [BIG, None],
     "reals": [None, 0.5], "f32s": [0.5, None], "words": [None, "a"], "times": [None, "1970-01-01T00:00:01Z"],
     "ts": "2026-01-01T00:00:00Z"},
    {"user_id": BIG, "bools": [False], "blobs": [b""], "n32s": [0], "n64s": [0], "reals": [0.0], "f32s": [-0.0],
     "words": [""], "times": ["1970-01-01T00:00:00Z"], "ts": "2026-01-01T00:00:00Z"},
]
VISIT_ROWS = [
    {"shop": 7, "day": "2026-03-01T00:00:00Z", "code": "a", "spent": 1.25, "ts": "2026-03-01T12:00:00Z"},
    {"shop": 7, "day": "2026-03-02T00:00:00Z", "code": "a", "spent": None, "ts": "2026-03-02T12:00:00Z"},
    {"shop": -1, "day": "1969-12-31T23:59:59Z", "code": "Köln", "spent": 5e-324, "ts": "2026-03-03T12:00:00Z"},
]


def json_lines(rows):
    return "".join(json.dumps(row, default=lambda value: base64.b64encode(value).decode()) + "\n" for row in rows)


def make(project):
    """The project's files, in a folder of its own."""
    project.write("assay.yaml", DEFINITIONS)
    for name, rows in [("profiles", PROFILE_ROWS), ("orders", ORDER_ROWS), ("rates", RATE_ROWS),
                       ("lists", LIST_ROWS), ("visits", VISIT_ROWS)]:
        project.write(f"data/{name}/rows.jsonl", json_lines(rows))


def newest(rows, **key):
    """The newest row of a key, or None."""
    found = [row for row in rows if all(row[name] == value for name, value in key.items())]
    return max(found, key=lambda row: row["ts"], default=None)
