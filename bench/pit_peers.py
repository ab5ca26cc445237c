#!/usr/bin/env python3
"""The peers of pit_bench and training_file_bench: the same join, exact in event and known time.

    pit_peers.py join PEER DIR THREADS REPEATS [ANSWER.parquet]      PEER: duckdb, polars, clickhouse
    pit_peers.py files PEER DIR THREADS MEMORY_MIB ANSWER.parquet
    pit_peers.py compare A.parquet B.parquet

All use one exact form: a row that is older than one already visible never answers, so rows that are
below the running maximum of event_time (in order of visibility) are dropped; an as-of join on the
instant of visibility does the rest. Visible instants of one key are unlike here, so its ties decide
nothing. `join` is in memory: loading is outside the timing, the result, all features in label order, inside.
`files` reads Parquet and writes Parquet, all of it timed.
"""

import os
import resource
import sys
import time

TTL_US = 20 * 86_400 * 1_000_000
FEATURES = [[f"v{view}_{i}" for i in range(int(os.environ.get("PIT_FEATURES", "10")))] for view in range(2)]


def timed(work):
    begin, processor = time.monotonic(), time.process_time()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"seconds {time.monotonic() - begin:.3f} processor {time.process_time() - processor:.3f} peak {peak} MiB", flush=True)


def duckdb_sql():
    steps = "".join(f"""
        s{v} AS (SELECT * FROM (SELECT *, greatest(event_time, known_time) AS visible, max(event_time) OVER (
                   PARTITION BY k ORDER BY greatest(event_time, known_time), known_time, seq ROWS UNBOUNDED PRECEDING) AS newest
                 FROM view{v}) WHERE event_time = newest),""" for v in range(2))
    columns = ", ".join(f"CASE WHEN epoch_us(t) - epoch_us(s{v}.event_time) <= {TTL_US} THEN {name} END AS {name}"
                        for v in range(2) for name in FEATURES[v])
    return f"""WITH {steps.rstrip().rstrip(",")}
        SELECT i, {columns} FROM labels ASOF LEFT JOIN s0 ON labels.k = s0.k AND labels.t >= s0.visible
        ASOF LEFT JOIN s1 ON labels.k = s1.k AND labels.t >= s1.visible ORDER BY i"""


def duckdb_join(folder, threads, repeats, answer):
    import duckdb
    db = duckdb.connect(config={"threads": threads, "memory_limit": "12GB"})
    db.execute("SET TimeZone = 'UTC'")
    for name in ("labels", "view0", "view1"):
        db.execute(f"CREATE TABLE {name} AS SELECT * FROM '{folder}/{name}.parquet'")
    for _ in range(repeats):
        timed(lambda: db.execute("CREATE OR REPLACE TABLE answer AS " + duckdb_sql()))
    if answer:
        db.execute(f"COPY answer TO '{answer}'")


def duckdb_files(folder, threads, mib, answer):
    import duckdb

    def work():
        db = duckdb.connect(config={"threads": threads, "memory_limit": f"{mib}MiB", "temp_directory": f"{folder}/duckdb_spill"})
        db.execute("SET TimeZone = 'UTC'")
        for name in ("labels", "view0", "view1"):
            db.execute(f"CREATE VIEW {name} AS SELECT * FROM '{folder}/{name}.parquet'")
        db.execute(f"COPY ({duckdb_sql()}) TO '{answer}'")
    timed(work)


def polars_answer(read):
    import polars as pl
    frame = read("labels").sort("t")
    for v in range(2):
        rows = (read(f"view{v}").with_columns(pl.max_horizontal("event_time", "known_time").alias("visible"))
                .sort("visible", "known_time", "seq")
                .filter(pl.col("event_time") == pl.col("event_time").cum_max().over("k")))
        frame = frame.join_asof(rows.select("k", "visible", pl.col("event_time").alias(f"e{v}"), *FEATURES[v]),
                                left_on="t", right_on="visible", by="k", strategy="backward", check_sortedness=False)
        fresh = (pl.col("t") - pl.col(f"e{v}")).dt.total_microseconds() <= TTL_US
        frame = frame.with_columns([pl.when(fresh).then(pl.col(name)).alias(name) for name in FEATURES[v]])
    return frame.sort("i").select("i", *FEATURES[0], *FEATURES[1])


def polars_join(folder, threads, repeats, answer):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl
    frames = {name: pl.read_parquet(f"{folder}/{name}.parquet") for name in ("labels", "view0", "view1")}
    for _ in range(repeats):
        timed(lambda: polars_answer(frames.get))
    if answer:
        polars_answer(frames.get).write_parquet(answer)


def polars_files(folder, threads, _, answer):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl
    timed(lambda: polars_answer(lambda name: pl.read_parquet(f"{folder}/{name}.parquet")).write_parquet(answer))


def clickhouse_sql(table):
    def rows(v):
        return f"""(SELECT k, visible, event_time AS e{v}, {", ".join(FEATURES[v])} FROM (
            SELECT *, greatest(event_time, known_time) AS visible, max(event_time) OVER (
              PARTITION BY k ORDER BY greatest(event_time, known_time), known_time, seq
              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS newest FROM {table(f"view{v}")})
            WHERE event_time = newest)"""
    columns = ", ".join(f"if(dateDiff('microsecond', e{v}, t) <= {TTL_US}, {name}, NULL) AS {name}"
                        for v in range(2) for name in FEATURES[v])
    return f"""SELECT i, {columns} FROM (
          SELECT l.*, s0.* EXCEPT (k, visible) FROM {table("labels")} AS l ASOF LEFT JOIN {rows(0)} AS s0
            ON l.k = s0.k AND l.t >= s0.visible) AS a
        ASOF LEFT JOIN {rows(1)} AS s1 ON a.k = s1.k AND a.t >= s1.visible ORDER BY i"""


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
    sql = clickhouse_sql(lambda name: f"pit.{name}")
    for _ in range(repeats):
        db.query("DROP TABLE IF EXISTS pit.answer")
        timed(lambda: db.query(f"CREATE TABLE pit.answer ENGINE = Memory AS {sql} {settings}"))
    if answer:
        db.query(f"SELECT * FROM pit.answer ORDER BY i INTO OUTFILE '{answer}' TRUNCATE FORMAT Parquet")


def clickhouse_files(folder, threads, mib, answer):
    from chdb import session
    db = session.Session()
    sql = clickhouse_sql(lambda name: f"file('{folder}/{name}.parquet', Parquet)")
    timed(lambda: db.query(
        f"{sql} INTO OUTFILE '{answer}' TRUNCATE FORMAT Parquet SETTINGS max_threads = {threads}, join_use_nulls = 1, "
        f"schema_inference_make_columns_nullable = 0, max_memory_usage = {mib << 20}, "
        f"max_bytes_before_external_sort = {mib << 18}"))


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
    works = {"join": {"duckdb": duckdb_join, "polars": polars_join, "clickhouse": clickhouse_join},
             "files": {"duckdb": duckdb_files, "polars": polars_files, "clickhouse": clickhouse_files}}
    if len(words) < 5 or words[1] not in works.get(words[0], {}):
        sys.exit(__doc__)
    works[words[0]][words[1]](words[2], int(words[3]), int(words[4]), words[5] if len(words) > 5 else None)


if __name__ == "__main__":
    main(sys.argv[1:])
