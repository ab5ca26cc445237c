"""Streams of real events, for real_streams_test.py: what each project is, and its events in their own order.

The folder that ASSAY_DATASETS names holds one folder each, with the files as published: gharchive-2015-01-01-00 (the hourly
file of GH Archive), soccer-events-a (github koenvo/wyscout-soccer-match-event-dataset), taobao-behaviour-a (Tianchi's user
behaviour, by github jason-wang1/UserBehaviorAnalysis) and rees46-2019-10-sample (github pantiukhin-dot/lab2_BD). None is copied
here.
"""

import gzip
import json

from datasets import SOCCER, SOCCER_ROWS, folder

GHARCHIVE = """
bronze:
  events:
    source: events
    key: [id]
    event_time: {column: created_at}
    known_time: {delay: 2s}
    columns:
      id: string!
      type: string!
      created_at: timestamp!
      actor: {type: "struct<id:int64,login:string>", required: true}
      repo: {type: "struct<id:int64,name:string>", required: true}
      payload: string
    partition_by: [dt]
silver:
  activity:
    from: events
    sql: |
      SELECT actor.id AS actor, actor.login AS login, repo.name AS repo, type,
             CAST(json_extract_string(payload, '$.size') AS BIGINT) AS commits, created_at AS event_time FROM events
entities:
  actor: {key: actor, type: int64}
  repo: {key: repo, type: string}
feature_views:
  people:
    entity: actor
    from: activity
    slide: 10s
    session: {gap: 5m, over: 1d}
    features:
      events: {agg: count, over: [1m, 10m, 1h]}
      pushes: {agg: count, where: "type = 'PushEvent'", over: [10m, 1h]}
      commits: {agg: sum, of: commits, over: [10m, 1h]}
      kinds: {agg: distinct, of: type, over: [1h]}
      last_repo: {agg: last, of: repo, over: [1h]}
      visits: {session: count}
      login: latest
  places:
    entity: repo
    from: activity
    slide: 1m
    features:
      touched: {agg: count, over: [10m, 1h]}
      people: {agg: approx_distinct, of: actor, over: [1h]}
      most: {agg: max, of: commits, over: [1h]}
services:
  v1: [people, places]
"""

TAOBAO = """
bronze:
  events:
    source: events
    event_time: {column: ts, unit: s}
    known_time: {delay: 1s}
    columns: {user_id: int64!, item_id: int64!, category_id: int64!, behavior: string!, ts: {type: timestamp, unit: s, required: true}}
    checks: [{column: behavior, in_set: [pv, buy, cart, fav]}]
    partition_by: [dt, hr]
silver:
  behaviour:
    from: events
    sql: SELECT user_id, item_id, category_id, behavior, ts AS event_time FROM events
entities:
  user: {key: user_id, type: int64}
  item: {key: item_id, type: int64}
feature_views:
  shoppers:
    entity: user
    from: behaviour
    slide: 10s
    features:
      views: {agg: count, where: "behavior = 'pv'", over: [5m, 1h]}
      bought: {agg: count, where: "behavior = 'buy'", over: [1h]}
      rate: {ratio: [bought, views], over: [1h]}
      categories: {agg: distinct, of: category_id, over: [30m]}
      behavior: latest
      away: {since: last_event}
  items:
    entity: item
    from: behaviour
    slide: 5m
    features:
      seen: {agg: count, over: [10m, 1h]}
      wanted: {agg: count, where: "behavior <> 'pv'", over: [1h]}
services:
  v1: [shoppers, items]
"""

REES46 = """
bronze:
  events:
    source: events
    event_time: {column: ts}
    known_time: {delay: 3s}
    columns:
      ts: timestamp!
      event_type: string!
      product_id: int64!
      category_code: string
      brand: string
      price: float64
      user_id: int64!
      user_session: {type: string, pii: id, scrub: hmac}
    partition_by: [dt, hr]
silver:
  shop:
    from: events
    sql: SELECT event_type, product_id, category_code, brand, price, user_id, user_session, ts AS event_time FROM events
entities:
  user: {key: user_id, type: int64}
  product: {key: product_id, type: int64}
feature_views:
  shoppers:
    entity: user
    from: shop
    slide: 10s
    session: {gap: 30m, over: 1d}
    features:
      views: {agg: count, where: "event_type = 'view'", over: [10m, 1h]}
      spend: {agg: sum, of: price, where: "event_type = 'purchase'", over: [1h]}
      mean_price: {agg: mean, of: price, over: [1h]}
      brand: {agg: mode, of: brand, over: [1h]}
      visits: {session: count}
      category_code: latest
  products:
    entity: product
    from: shop
    slide: 1m
    features:
      looks: {agg: count, over: [10m, 1h]}
      dearest: {agg: max, of: price, over: [1h]}
services:
  v1: [shoppers, products]
"""

TAOBAO_ROWS = """
SELECT * FROM read_csv('{data}/taobao-behaviour-a/UserBehavior.csv.zst', header = false,
  columns = {{user_id: 'BIGINT', item_id: 'BIGINT', category_id: 'BIGINT', behavior: 'VARCHAR', ts: 'BIGINT'}})
"""

REES46_ROWS = """
SELECT replace(event_time, ' UTC', 'Z') AS ts, event_type, CAST(product_id AS BIGINT) AS product_id, category_code, brand,
       CAST(price AS DOUBLE) AS price, CAST(user_id AS BIGINT) AS user_id, user_session
FROM read_csv('{data}/rees46-2019-10-sample/2019-Oct.csv', all_varchar = true)
"""

# Without the source, and with the one key that says which events are the same.
SOCCER_EVENTS = SOCCER[SOCCER.index("bronze:"):].replace("{{", "{").replace("}}", "}")


def soccer_lines(project, count):
    rows = SOCCER_ROWS.replace("ORDER BY played, e.id", "ORDER BY played, e.id LIMIT {count}")
    return sql_lines(project, rows.format(data=folder(), part="Italy", count=count), "player")


def gharchive_lines(_, count):
    with gzip.open(folder() / "gharchive-2015-01-01-00/2015-01-01-0.json.gz", "rt", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for _, line in zip(range(count), file)]
    return [(json.loads(line)["actor"]["id"], line) for line in lines]


def sql_lines(project, sql, key):
    """Rows of a statement in their order, as (key, JSON)."""
    project.run("sql", "--to", "rows.json", sql, timeout=1800)
    rows = json.loads((project.folder / "rows.json").read_text())
    (project.folder / "rows.json").unlink()
    return [(row[key], json.dumps(row)) for row in rows]


def taobao_lines(project, count):
    return sql_lines(project, TAOBAO_ROWS.format(data=folder()) + f" LIMIT {count}", "user_id")


def rees46_lines(project, count):
    return sql_lines(project, REES46_ROWS.format(data=folder()) + f" LIMIT {count}", "user_id")


# Name: definitions without the source, and its events: (key, JSON) in the order in which they are sent. Events of one key are in
# one partition, so of the entity that the key is "last" and "latest" are the same as in files.
STREAMS = {
    "gharchive": (GHARCHIVE, gharchive_lines),
    "soccer": (SOCCER_EVENTS, soccer_lines),
    "taobao": (TAOBAO, taobao_lines),
    "rees46": (REES46, rees46_lines),
}
