"""What bench/stream_peers.sh asks of Spark: tools/servers/spark.sh run stream_spark.py WORD...

    tiles|hop SOURCE REPEATS [ANSWERS]        JSON to windows by structured streaming: 10 minutes; an hour every 10. SOURCE is
                                              a folder of files, or kafka:BROKERS/TOPIC
    lake FOLDER TABLES REPEATS [ANSWERS]      the same files to bronze, silver and gold (an hour every 10 minutes) in Delta
    backfill steps|hops FILE REPEATS [ANSWERS]
        CSV to 3 windows x 3 aggregates, hop 10 minutes: `steps` by tiles and window functions over the instants at which
        an answer changes, the fastest form found; `hops` as it is usually written, one row of an event for each window

Prints `seconds S processor P` for each repeat, the first of them in a machine that is still warming up. What it computes
is thrown away, save for what a repeat of its own writes to ANSWERS as CSV, which is not timed.
"""

import os
import shutil
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

EVENT = "user_id STRING, item_id BIGINT, price DOUBLE, ts BIGINT"
HOURS = {"1h": 60, "24h": 1440, "7d": 10080}  # minutes
MINUTE = 60_000_000


class Timer:
    """Time on the clock and processor time of the Java machine."""

    def __init__(self, spark):
        self.pid = spark._jvm.java.lang.ProcessHandle.current().pid()

    def processor(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def time(self, work):
        began, processor = time.monotonic(), self.processor()
        work()
        print(f"seconds {time.monotonic() - began:.3f} processor {self.processor() - processor:.3f}", flush=True)


def events(spark, source):
    if source.startswith("kafka:"):
        brokers, topic = source.removeprefix("kafka:").split("/")
        records = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", brokers).option("subscribe", topic)
                   .option("startingOffsets", "earliest").load())
        rows = records.select(F.from_json(F.col("value").cast("string"), EVENT).alias("event")).select("event.*")
    else:
        rows = spark.readStream.schema(EVENT).json(source)
    return rows.withColumn("at", F.timestamp_millis("ts")).withWatermark("at", "1 day")


def windows(rows, kind):
    window = F.window("at", "10 minutes") if kind == "tiles" else F.window("at", "1 hour", "10 minutes")
    return (rows.groupBy("user_id", window).agg(F.count("*").alias("n"), F.sum("item_id").alias("items"), F.max("price").alias("dearest"))
            .select("user_id", F.col("window.end").alias("at"), "n", "items", "dearest"))


def stream(frame, checkpoint, mode):
    shutil.rmtree(checkpoint, ignore_errors=True)
    return frame.writeStream.outputMode(mode).option("checkpointLocation", checkpoint).trigger(availableNow=True)


def write_answers(frame, answers):
    frame.write.mode("append").option("timestampFormat", "yyyy-MM-dd HH:mm:ss").csv(answers)


def stream_windows(spark, timer, kind, source, repeats, answers=None):
    for _ in range(int(repeats)):
        rows = windows(events(spark, source), kind)
        timer.time(lambda rows=rows: stream(rows, "checkpoint", "update").format("noop").start().awaitTermination())
    if answers:
        writer = stream(windows(events(spark, source), kind), "checkpoint", "update")
        writer.foreachBatch(lambda frame, _: write_answers(frame, answers)).start().awaitTermination()


def lake_once(spark, folder, tables):
    shutil.rmtree(tables, ignore_errors=True)

    def run(frame, table, mode="append"):
        stream(frame, f"{tables}/checkpoint_{table}", mode).format("delta").start(f"{tables}/{table}").awaitTermination()

    def read(table):
        return spark.readStream.format("delta").load(f"{tables}/{table}")

    run(spark.readStream.schema(EVENT).json(folder).withColumn("at", F.timestamp_millis("ts")), "bronze")
    run(read("bronze").select("user_id", "item_id", "price", "at"), "silver")
    # All windows at once, also those that no later event closes.
    run(windows(read("silver").withWatermark("at", "1 day"), "hop"), "gold", "complete")


def lake(spark, timer, folder, tables, repeats, answers=None):
    for _ in range(int(repeats)):
        timer.time(lambda: lake_once(spark, folder, tables))
    if answers:
        write_answers(spark.read.format("delta").load(f"{tables}/gold"), answers)


def steps_sql():
    """The steps as window_bench.cc has them for DuckDB: tiles, a row wherever a tile enters or leaves a window, window functions."""
    slide = 10 * MINUTE
    instants = f"SELECT who, tile + {slide} AS t, c, s, m, e FROM tiles"
    columns, changed = [], []
    for name, minutes in HOURS.items():
        instants += f" UNION ALL SELECT who, tile + {slide + minutes * MINUTE} AS t, 0 AS c, NULL AS s, NULL AS m, NULL AS e FROM tiles"
    for feature, value in (("n", "sum(c)"), ("total", "sum(s)"), ("top", "max(m)")):
        for name, minutes in HOURS.items():
            columns.append(f"{value} OVER (PARTITION BY who ORDER BY t RANGE BETWEEN {minutes * MINUTE - 1} PRECEDING AND CURRENT ROW) "
                           f"AS {feature}_{name}")
            changed.append(f"NOT ({feature}_{name} <=> lag({feature}_{name}) OVER w)")
    names = ", ".join(column.rsplit(" AS ", 1)[1] for column in columns)
    return f"""WITH tiles AS (SELECT who, t div {slide} * {slide} AS tile, count(*) AS c, sum(amount) AS s, max(amount) AS m, max(t) AS e
          FROM events GROUP BY 1, 2),
        instants AS (SELECT who, t, sum(c) AS c, sum(s) AS s, max(m) AS m, max(e) AS e FROM ({instants}) GROUP BY who, t),
        answers AS (SELECT who, t, max(e) OVER (PARTITION BY who ORDER BY t) AS e, {", ".join(columns)} FROM instants),
        marked AS (SELECT *, NOT (e <=> lag(e) OVER w) OR {" OR ".join(changed)} AS is_step FROM answers WINDOW w AS (PARTITION BY who ORDER BY t))
        SELECT who, t, {names} FROM marked WHERE is_step"""


def hops(rows):
    rows = rows.withColumn("at", F.timestamp_micros("t"))
    frames = []
    for name, minutes in HOURS.items():
        grouped = rows.groupBy("who", F.window("at", f"{minutes} minutes", "10 minutes"))
        frames.append(grouped.agg(F.count("*").alias("n"), F.sum("amount").alias("total"), F.max("amount").alias("top"))
                      .select(F.lit(name).alias("over"), "who", F.col("window.end").alias("at"), "n", "total", "top"))
    return frames[0].union(frames[1]).union(frames[2])


def backfill(spark, timer, form, file, repeats, answers=None):
    rows = spark.read.schema("who BIGINT, t BIGINT, amount DOUBLE").csv(file)
    rows.createOrReplaceTempView("events")

    def make():
        return spark.sql(steps_sql()) if form == "steps" else hops(rows)
    for _ in range(int(repeats)):
        timer.time(lambda: make().write.format("noop").mode("overwrite").save())
    if answers:
        make().write.option("timestampFormat", "yyyy-MM-dd HH:mm:ss").csv(answers)


def main(words):
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    # Else an empty batch follows, only to look what the new watermark closes.
    spark.conf.set("spark.sql.streaming.noDataMicroBatches.enabled", "false")
    print(f"engine Spark {spark.version}", flush=True)
    timer = Timer(spark)
    if words[0] in ("tiles", "hop"):
        stream_windows(spark, timer, *words)
    else:
        {"lake": lake, "backfill": backfill}[words[0]](spark, timer, *words[1:])


main(sys.argv[1:])
