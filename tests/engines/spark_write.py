"""Writes Delta tables with Spark, in forms that users have.

    tools/servers/spark.sh run spark_write.py FOLDER MADE.json     MADE: {name: columns with DuckDB's types}
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

ROWS = """SELECT id, CASE WHEN id % 6 = 0 THEN NULL ELSE concat('k ', id % 5) END AS key,
                 CASE WHEN id % 4 = 0 THEN NULL ELSE id / 3D END AS value, id % 2 = 0 AS good,
                 timestamp_micros(1767225600000000 + id * 977000001) AS at,
                 date_add(DATE '2026-01-01', CAST(id % 28 AS INT)) AS day, CAST(id AS INT) AS small
          FROM range({begin}, {end})"""
COLUMNS = {"id": "BIGINT", "key": "VARCHAR", "value": "DOUBLE", "good": "BOOLEAN", "at": "TIMESTAMP", "day": "DATE",
           "small": "INTEGER"}


class Writer:
    def __init__(self, spark, folder):
        self.spark, self.folder = spark, folder
        self.made = {}

    def create(self, name, properties="", partition="key"):
        listed = f"TBLPROPERTIES ({properties})" if properties else ""
        self.table = f"delta.`{self.folder}/{name}`"
        by = f"PARTITIONED BY ({partition})" if partition else ""
        self.spark.sql(f"CREATE TABLE {self.table} (id BIGINT, key STRING, value DOUBLE, good BOOLEAN, at TIMESTAMP, "
                       f"day DATE, small INT) USING delta {by} {listed}")
        self.made[name] = dict(COLUMNS)

    def append(self, begin, end):
        self.spark.sql(f"INSERT INTO {self.table} (id, key, value, good, at, day, small) {ROWS.format(begin=begin, end=end)}")

    def sql(self, text):
        self.spark.sql(text.format(table=self.table))

    def make(self):
        self.create("appends")
        for part in range(12):
            self.append(part * 40, part * 40 + 40)
        self.create("deleted")
        self.append(0, 300)
        self.sql("DELETE FROM {table} WHERE id % 3 = 0")
        self.sql("UPDATE {table} SET value = -1D WHERE id % 5 = 0")
        self.create("merged", partition="")
        self.append(0, 200)
        self.sql("MERGE INTO {table} t USING (" + ROWS.format(begin=150, end=250) + ") s ON s.id = t.id "
                 "WHEN MATCHED AND s.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
        self.create("deletion_vectors", "'delta.enableDeletionVectors' = 'true'")
        self.append(0, 3000)
        self.sql("DELETE FROM {table} WHERE id % 7 = 0")
        self.sql("DELETE FROM {table} WHERE id BETWEEN 100 AND 900")
        self.create("column_mapping", "'delta.columnMapping.mode' = 'name'")
        self.append(0, 200)
        self.sql("ALTER TABLE {table} RENAME COLUMN value TO worth")
        self.made["column_mapping"]["worth"] = self.made["column_mapping"].pop("value")
        self.sql("ALTER TABLE {table} DROP COLUMN good")
        del self.made["column_mapping"]["good"]
        self.sql("INSERT INTO {table} SELECT id, key, worth + 1, at, day, small FROM {table}")
        self.create("v2_checkpoint", "'delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '3'")
        for part in range(8):
            self.append(part * 40, part * 40 + 40)
        self.create("type_widening", "'delta.enableTypeWidening' = 'true'")
        self.append(0, 100)
        self.sql("ALTER TABLE {table} ALTER COLUMN small TYPE BIGINT")
        self.made["type_widening"]["small"] = "BIGINT"
        self.append(100, 200)


def main(words):
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    writer = Writer(spark, words[0])
    writer.make()
    Path(words[1]).write_text(json.dumps(writer.made))


main(sys.argv[1:])
