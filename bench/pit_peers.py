#!/usr/bin/env python3
"""The peers of pit_bench: the same join, exact in event and known time, in memory.

    pit_peers.py join PEER DIR THREADS REPEATS [ANSWER.parquet]      PEER: duckdb, polars, clickhouse
    pit_peers.py compare A.parquet B.parquet

All use one exact form: a row that is older than one already visible never answers, so rows that are
below the running maximum of event_time (in order of visibility) are dropped; an as-of join on the
instant of visibility does the rest. Visible instants of one key are unlike here, so its ties decide
nothing. Loading is outside the timing; the result, all features in label order, is inside.
"""

import os
import sys
import time

TTL_US = 20 * 86_400 * 1_000_000
FEATURES = [[f"v{view}_{i}" for i in range(int(os.environ.get("PIT_FEATURES", "10")))] for view in range(2)]


def duckdb_join(folder, threads, repeats, answer):
    import duckdb
    db = duckdb.connect(config={"threads": threads, "memory_limit": "12GB"})
    db.execute("SET TimeZone = 'UTC'")
    for name in ("labels", "view0", "view1"):
        db.execute(f"CREATE TABLE {name} AS SELECT * FROM '{folder}/{name}.parquet'")
    steps = "".join(f"""
        s{v} AS (SELECT * FROM (SELECT *, greatest(event_time, known_time) AS visible, max(event_time) OVER (
                   PARTITION BY k ORDER BY greatest(event_time, known_time), known_time, seq ROWS UNBOUNDED PRECEDING) AS newest
                 FROM view{v}) WHERE event_time = newest),""" for v in range(2))
    columns = ", ".join(f"CASE WHEN epoch_us(t) - epoch_us(s{v}.event_time) <= {TTL_US} THEN {name} END AS {name}"
                        for v in range(2) for name in FEATURES[v])
    sql = f"""CREATE OR REPLACE TABLE answer AS WITH {steps.rstrip().rstrip(",")}
        SELECT i, {columns} FROM labels ASOF LEFT JOIN s0 ON labels.k = s0.k AND labels.t >= s0.visible
        ASOF LEFT JOIN s1 ON labels.k = s1.k AND labels.t >= s1.visible ORDER BY i"""
    for _ in range(repeats):
        begin, processor = time.monotonic(), time.process_time()
        db.execute(sql)
        print(f"seconds {time.monotonic() - begin:.3f} processor {time.process_time() - processor:.3f}", flush=True)
    if answer:
        db.execute(f"COPY answer TO '{answer}'")


def polars_join(folder, threads, repeats, answer):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl
    labels = pl.read_parquet(f"{folder}/labels.parquet")
    views = [pl.read_parquet(f"{folder}/view{v}.parquet") for v in range(2)]

    def join():
        frame = labels.sort("t")
        for v in range(2):
            rows = (views[v].with_columns(pl.max_horizontal("event_time", "known_time").alias("visible"))
                    .sort("visible", "known_time", "seq")
                    .filter(pl.col("event_time") == pl.col("event_time").cum_max().over("k")))
            frame = frame.join_asof(rows.select("k", "visible", pl.col("event_time").alias(f"e{v}"), *FEATURES[v]),
                                    left_on="t", right_on="visible", by="k", strategy="backward", check_sortedness=False)
            fresh = (pl.col("t") - pl.col(f"e{v}")).dt.total_microseconds() <= TTL_US
            frame = frame.with_columns([pl.when(fresh).then(pl.col(name)).alias(name) for name in FEATURES[v]])
        return frame.sort("i").select("i", *FEATURES[0], *FEATURES[1])

    for _ in range(repeats):
        begin, processor = time.monotonic(), time.process_time()
        result = join()
        print(f"seconds {time.monotonic() - begin:.3f} processor {time.process_time() - processor:.3f}", flush=True)
    if answer:
        result.write_parquet(answer)


def clickhouse_join(folder, threads, repeats, answer):
    from chdb import session
    db = session.Session()
    settings = f"SETTINGS max_threads = {threads}, join_use_nulls = 1"
    db.query("CREATE DATABASE IF NOT EXISTS pit ENGINE = Atomic")
    for name in ("labels", "view0", "view1", "answer"):
        db.query(f"DROP TABLE IF EXISTS pit.{name}")
    for name in ("labels", "view0", "view1"):
        db.query(f"CREATE TABLE pit.{name} ENGINE = Memory AS SELECT * FROM file('{folder}/{name}.parquet', Parquet) "
                 "SETTINGS schema_inference_make_columns_nullable = 0")

    def rows(v):
        return f"""(SELECT k, visible, event_time AS e{v}, {", ".join(FEATURES[v])} FROM (
            SELECT *, greatest(event_time, known_time) AS visible, max(event_time) OVER (
              PARTITION BY k ORDER BY greatest(event_time, known_time), known_time, seq
              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS newest FROM pit.view{v})
            WHERE event_time = newest)"""
    columns = ", ".join(f"if(dateDiff('microsecond', e{v}, t) <= {TTL_US}, {name}, NULL) AS {name}"
                        for v in range(2) for name in FEATURES[v])
    sql = f"""CREATE TABLE pit.answer ENGINE = Memory AS SELECT i, {columns} FROM (
          SELECT l.*, s0.* EXCEPT (k, visible) FROM pit.labels AS l ASOF LEFT JOIN {rows(0)} AS s0
            ON l.k = s0.k AND l.t >= s0.visible) AS a
        ASOF LEFT JOIN {rows(1)} AS s1 ON a.k = s1.k AND a.t >= s1.visible ORDER BY i {settings}"""
    for _ in range(repeats):
        db.query("DROP TABLE IF EXISTS pit.answer")
        begin, processor = time.monotonic(), time.process_time()
        db.query(sql)
        print(f"seconds {time.monotonic() - begin:.3f} processor {time.process_time() - processor:.3f}", flush=True)
    if answer:
        db.query(f"SELECT * FROM pit.answer ORDER BY i INTO OUTFILE '{answer}' TRUNCATE FORMAT Parquet")


def compare(first, second):
    """Every value of every label, by DuckDB; nulls equal nulls."""
    import duckdb
    db = duckdb.connect(config={"threads": 2, "memory_limit": "6GB"})
    columns = ["i"] + FEATURES[0] + FEATURES[1]
    differs = " OR ".join(f"a.{c} IS DISTINCT FROM b.{c}" for c in columns)
    rows, differ = db.execute(f"""SELECT count(*), count(*) FILTER ({differs}) FROM '{first}' AS a FULL JOIN '{second}' AS b
                                  ON a.i = b.i""").fetchone()
    print(f"compared {rows} labels x {len(columns) - 1} features: {differ} labels differ")
    sys.exit(0 if differ == 0 else 1)


def main(words):
    if words[:1] == ["compare"]:
        compare(*words[1:3])
    joins = {"duckdb": duckdb_join, "polars": polars_join, "clickhouse": clickhouse_join}
    if words[:1] != ["join"] or len(words) < 5 or words[1] not in joins:
        sys.exit(__doc__)
    joins[words[1]](words[2], int(words[3]), int(words[4]), words[5] if len(words) > 5 else None)


if __name__ == "__main__":
    main(sys.argv[1:])
