"""Projects over public data sets, made by the tests from a folder that ASSAY_DATASETS names.

Each has many kinds of features over real rows. The folder holds one folder each, with the files as published:
flights-2001q1 (npm vega-datasets 3.2.1, rows before 2001-04-01), jd-behaviour (github 4paradigm/OpenMLDB, JData 2016),
soccer-events-a (github koenvo/wyscout-soccer-match-event-dataset), mathoverflow-2009-2012 (SNAP sx-mathoverflow) and
nyc-taxi-2018-2019 (github great-expectations/great_expectations, 10,000 trips a month). None of it is copied here.
"""

import os
from pathlib import Path

from project import Project

ASSAY = """project: {name}
lake: ./lake
catalog: ./catalog.db
online: embedded:./online
serving: {{clock: data}}
"""

FLIGHTS = """
sources:
  flights: {{files: {{path: "{data}/flights-2001q1/flights-2001q1.parquet", format: parquet}}}}
bronze:
  flights:
    source: flights
    event_time: {{column: date}}
    known_time: {{expr: "date + to_seconds(greatest(distance * 15 // 2, 1800)) + to_minutes(delay)"}}
    columns: {{date: timestamp!, origin: string!, destination: string!, distance: int64!, delay: int64!}}
    partition_by: [dt]
silver:
  departures:
    from: flights
    sql: SELECT origin, destination, distance, delay, date AS event_time FROM flights
    allowed_lateness: 36h
entities:
  origin: {{key: origin, type: string}}
  route: {{keys: {{origin: string, destination: string}}}}
feature_views:
  origin_delays:
    entity: origin
    from: departures
    slide: 10m
    features:
      flights: {{agg: count, over: [1h, 24h]}}
      delay_sum: {{agg: sum, of: delay, over: [1h, 7d]}}
      delay_mean: {{agg: mean, of: delay, where: "distance > 500", over: [3h, 24h]}}
      spread: {{agg: stddev, of: delay, over: [24h]}}
      skew: {{agg: skewness, of: delay, over: [24h]}}
      worst: {{agg: max, of: delay, over: [1h, 24h]}}
      median: {{agg: quantile, q: 0.5, of: delay, over: [24h]}}
      destinations: {{agg: approx_distinct, of: destination, over: [24h]}}
      top: {{agg: mode, of: destination, over: [3h]}}
      any_late: {{agg: any, of: "delay > 60", over: [1h]}}
      trend: {{expr: "delay_mean_3h - delay_mean_24h"}}
  route_delays:
    entity: route
    from: departures
    slide: 10m
    ttl: 7d
    session: {{gap: 4h, over: 7d}}
    features:
      route_flights: {{agg: count, over: [24h, 7d]}}
      route_mean: {{agg: mean, of: "delay / 60.0", over: [24h, 7d]}}
      last_delay: {{latest: delay}}
      idle: {{since: last_event}}
      bursts: {{session: count}}
      flips: {{changes: "delay > 15", over: 24h}}
services:
  v1: [origin_delays, route_delays]
"""

JD = """
sources:
  actions: {{files: {{path: "{data}/jd-behaviour/bo_action.parquet", format: parquet}}}}
  users: {{files: {{path: "{data}/jd-behaviour/bo_user.parquet", format: parquet}}}}
bronze:
  actions:
    source: actions
    event_time: {{column: ingestionTime}}
    known_time: {{delay: 90s}}
    columns: {{ingestionTime: timestamp!, pair_id: string!, model_id: string, type: string!, cate: string, br: string}}
    partition_by: []
  users:
    source: users
    event_time: {{column: ingestionTime}}
    known_time: {{delay: 1h}}
    columns: {{ingestionTime: timestamp!, user_id: string!, age: string, sex: string, user_lv_cd: string}}
    partition_by: []
silver:
  clicks:
    from: actions
    sql: |
      SELECT split_part(pair_id, '_', 1) AS user_id, split_part(pair_id, '_', 2) AS sku_id, type, cate, br,
             ingestionTime AS event_time FROM actions
    partition_by: []
entities:
  user: {{key: user_id, type: string}}
  pair: {{keys: {{user_id: string, sku_id: string}}}}
feature_views:
  user_actions:
    entity: user
    from: clicks
    slide: 1m
    session: {{gap: 30m, max: 4h, over: 7d}}
    features:
      browsed: {{agg: count, where: "type = '1'", over: [1h, 24h, 7d]}}
      clicked: {{agg: count, where: "type = '6'", over: [1h, 24h, 7d]}}
      rate: {{ratio: [browsed, clicked], over: [1h, 24h]}}
      items: {{agg: distinct, of: sku_id, over: [24h]}}
      brand: {{agg: mode, of: br, over: [7d]}}
      first_cate: {{agg: first, of: cate, over: [24h]}}
      last_type: {{agg: last, of: type, over: [1h]}}
      visits: {{session: count}}
      pages: {{session: events}}
      entry: {{session: first, of: cate}}
      visit: {{since: session_start}}
      before: {{previous: cate, over: 24h}}
      third: {{lag: type, k: 2, over: 24h}}
  pair_actions:
    entity: pair
    from: clicks
    slide: 1h
    ttl: 7d
    features:
      pair_actions: {{agg: count, over: [24h, 7d]}}
      type: latest
      pair_idle: {{since: last_event}}
  profiles:
    entity: user
    from: users
    features: {{age: latest, sex: latest, user_lv_cd: latest}}
services:
  v1: [user_actions, pair_actions, profiles]
"""

SOCCER = """
sources:
  events: {{files: {{path: "events_*.parquet", format: parquet}}}}
bronze:
  events:
    source: events
    event_time: {{column: played}}
    known_time: {{expr: "played + to_seconds(second * 2)"}}
    columns: {{played: timestamp!, second: int64!, player: int64!, team: int64!, match: int64!, name: string!, x: float64, y: float64}}
    partition_by: [dt]
silver:
  plays:
    from: events
    sql: SELECT player, team, match, name, x, y, played AS event_time FROM events WHERE player <> 0
entities:
  player: {{key: player, type: int64}}
  side: {{keys: {{team: int64, match: int64}}}}
feature_views:
  form:
    entity: player
    from: plays
    slide: 1m
    session: {{gap: 10m, over: 1d}}
    features:
      plays: {{agg: count, over: [5m, 90m]}}
      passes: {{agg: count, where: "name = 'Pass'", over: [5m, 90m]}}
      share: {{ratio: [passes, plays], over: [5m, 90m]}}
      mean_x: {{agg: mean, of: x, over: [15m]}}
      wander: {{agg: variance, of: y, over: [15m]}}
      far: {{agg: quantile, q: 0.9, of: x, over: [90m]}}
      kinds: {{agg: distinct, of: name, over: [30m]}}
      usual: {{agg: mode, of: name, over: [30m]}}
      calm: {{session: duration}}
      switches: {{changes: name, over: 15m}}
      x: latest
  pressure:
    entity: side
    from: plays
    slide: 30s
    ttl: 3h
    features:
      side_plays: {{agg: count, over: [1m, 15m]}}
      deepest: {{agg: max, of: x, over: [5m]}}
      shallow: {{agg: min, of: x, over: [5m]}}
      players: {{agg: approx_distinct, of: player, over: [15m]}}
services:
  v1: [form, pressure]
"""

MATHOVERFLOW = """
sources:
  interactions: {{files: {{path: "{data}/mathoverflow-2009-2012/interactions.csv.zst", format: csv}}}}
bronze:
  interactions:
    source: interactions
    event_time: {{column: ts}}
    known_time: {{delay: 5s}}
    columns: {{ts: {{type: timestamp, unit: s, required: true}}, type: string!, src_user: int64!, dst_user: int64!}}
    partition_by: []
silver:
  posts:
    from: interactions
    sql: SELECT src_user AS user, dst_user AS other, type, ts AS event_time FROM interactions
    partition_by: []
entities:
  user: {{key: user, type: int64}}
feature_views:
  habits:
    entity: user
    from: posts
    slide: 1h
    session: {{gap: 1h, over: 28d}}
    features:
      posts: {{agg: count, over: [24h, 7d, 28d]}}
      answers: {{agg: count, where: "type = 'a2q'", over: [7d, 28d]}}
      answering: {{ratio: [answers, posts], over: [7d, 28d]}}
      met: {{agg: distinct, of: other, over: [28d]}}
      often: {{agg: mode, of: other, over: [28d]}}
      oldest: {{agg: min, of: other, over: [7d]}}
      kind: {{agg: last, of: type, over: [7d]}}
      visits: {{session: count}}
      per_visit: {{session: mean_events}}
      moods: {{changes: type, over: [7d, 28d]}}
      away: {{since: last_event}}
      weekday: {{clock: day_of_week}}
services:
  v1: [habits]
"""

TAXI = """
sources:
  trips: {{files: {{path: "{data}/nyc-taxi-2018-2019/yellow_tripdata_sample_*.csv.zst", format: csv}}}}
bronze:
  trips:
    source: trips
    event_time: {{column: pickup_datetime}}
    known_time: {{column: dropoff_datetime}}
    columns:
      pickup_datetime: timestamp!
      dropoff_datetime: timestamp!
      passenger_count: int64
      trip_distance: float64
      pickup_location_id: int64!
      dropoff_location_id: int64!
      payment_type: int64
      fare_amount: float64
      tip_amount: float64
      total_amount: float64
      congestion_surcharge: float64
    partition_by: []
silver:
  rides:
    from: trips
    sql: |
      SELECT pickup_location_id AS zone, dropoff_location_id AS to_zone, passenger_count, trip_distance, payment_type,
             fare_amount, tip_amount, total_amount, congestion_surcharge, pickup_datetime AS event_time FROM trips
    allowed_lateness: 2d
    partition_by: []
entities:
  zone: {{key: zone, type: int64}}
  trip: {{keys: {{zone: int64, to_zone: int64}}}}
feature_views:
  zone_rides:
    entity: zone
    from: rides
    slide: 15m
    features:
      rides: {{agg: count, over: [1h, 24h, 28d]}}
      revenue: {{agg: sum, of: total_amount, over: [24h, 28d]}}
      fare: {{agg: mean, of: fare_amount, over: [24h]}}
      tip_share: {{agg: mean, of: "tip_amount / nullif(fare_amount, 0)", over: [7d]}}
      spread: {{agg: variance, of: total_amount, over: [7d]}}
      skew: {{agg: skewness, of: trip_distance, over: [28d]}}
      dear: {{agg: quantile, q: 0.95, of: total_amount, over: [28d]}}
      surcharge: {{agg: max, of: congestion_surcharge, over: [7d]}}
      to: {{agg: mode, of: to_zone, over: [28d]}}
      reach: {{agg: distinct, of: to_zone, over: [7d]}}
      cash: {{agg: any, of: "payment_type = 2", over: [24h]}}
      hourly: {{rate: rides, over: 24h}}
      busy: {{trend: rides, over: [24h, 28d]}}
  trip_rides:
    entity: trip
    from: rides
    slide: 1h
    ttl: 28d
    features:
      pair_rides: {{agg: count, over: [7d, 28d]}}
      pair_fare: {{agg: mean, of: fare_amount, over: [28d]}}
      total_amount: latest
      pair_idle: {{since: last_event}}
services:
  v1: [zone_rides, trip_rides]
"""

# One row a play: kick-off, the period's begin and the second within it give the time.
SOCCER_ROWS = """
SELECT m.dateutc + to_seconds(CASE e.matchPeriod WHEN '2H' THEN 3900 WHEN 'E1' THEN 7500 WHEN 'E2' THEN 8700 WHEN 'P' THEN 10000 ELSE 0 END)
         + to_microseconds(CAST(round(e.eventSec * 1000000) AS BIGINT)) AS played,
       CAST(floor(e.eventSec) AS BIGINT) % 30 AS second, CAST(e.playerId AS BIGINT) AS player, CAST(e.teamId AS BIGINT) AS team,
       CAST(e.matchId AS BIGINT) AS match, e.eventName AS name, CAST(e.positions[1].x AS DOUBLE) AS x, CAST(e.positions[1].y AS DOUBLE) AS y
FROM read_json('{data}/soccer-events-a/events_{part}.jsonl.zst', columns = {{matchPeriod: 'VARCHAR', eventSec: 'DOUBLE', playerId: 'BIGINT',
       teamId: 'BIGINT', matchId: 'BIGINT', eventName: 'VARCHAR', positions: 'STRUCT(x BIGINT, y BIGINT)[]', id: 'BIGINT'}}) e
JOIN read_json('{data}/soccer-events-a/matches_{part}.jsonl.zst', columns = {{wyId: 'BIGINT', dateutc: 'TIMESTAMP'}}) m ON m.wyId = e.matchId
ORDER BY played, e.id
"""

DEFINITIONS = {"flights": FLIGHTS, "jd": JD, "soccer": SOCCER, "mathoverflow": MATHOVERFLOW, "taxi": TAXI}


def folder():
    """Where the data sets are; the test says so when nobody told it."""
    given = os.environ.get("ASSAY_DATASETS")
    if not given or not Path(given).is_dir():
        raise SystemExit("set ASSAY_DATASETS to the folder of the public data sets; tests/line/datasets.py says which")
    return Path(given).resolve()


def dataset_project(program, root, name):
    """The project `name`, its definitions applied and everything run."""
    data = folder()
    project = Project(program, root / name)
    project.write("assay.yaml", ASSAY.format(name=name))
    if name == "soccer":
        for part in ("Italy", "France", "World_Cup", "European_Championship"):
            project.run("sql", "--to", f"events_{part}.parquet", SOCCER_ROWS.format(data=data, part=part), timeout=3600)
    project.write("project.yaml", DEFINITIONS[name].format(data=data))
    project.run("apply")
    project.run("run", timeout=3600)
    return project
