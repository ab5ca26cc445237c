"""The tables that every engine must read alike, made by Assay, and the rows they must hold.

A table is a row of steps; each is SQL that Assay's writer runs and that DuckDB, on its own, runs again for what the
rows must be. Afterwards the table is maintained: checkpoint, more columns, compaction, vacuum, log clean-up.
"""

import json
import os
import subprocess
from pathlib import Path

SHARED = Path(os.environ.get("ASSAY_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))

# Texts that a partition's folder and its path in the log must survive.
ODD_TEXTS = ["plain", "a b", "a/b", "100%", "a%20b", "a=b", "é", "日本", "😀", "it's", 'say "x"', "a:b?c#d&e+f", "..",
             "[x]{y}", "back\\slash", "tab\there", "comma,semi;", "<>|*", "@~!$()"]


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def types_select(begin, end):
    """Rows of every type, with nulls in every column and one odd text as partition each."""
    texts = "[" + ", ".join(literal(text) for text in ODD_TEXTS) + "]"
    return f"""
      SELECT i AS id,
             CASE WHEN i % 7 = 0 THEN NULL ELSE i % 2 = 0 END AS a_bool,
             CASE WHEN i % 11 = 0 THEN NULL ELSE (i * 7919 % 4294967296 - 2147483648)::INTEGER END AS an_int,
             CASE WHEN i % 13 = 0 THEN NULL WHEN i % 13 = 1 THEN 9223372036854775807
                  WHEN i % 13 = 2 THEN -9223372036854775808 ELSE i * 1000003 END AS a_long,
             CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::FLOAT WHEN 2 THEN -0.0::FLOAT
                  ELSE (i / 3.0)::FLOAT END AS a_float,
             CASE i % 8 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf'::DOUBLE WHEN 3 THEN '-inf'::DOUBLE
                  WHEN 4 THEN -0.0::DOUBLE ELSE i / 7.0 END AS a_double,
             CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN repeat('long ', 40) || i
                  ELSE ({texts})[1 + i % {len(ODD_TEXTS)}] || i END AS a_text,
             CASE WHEN i % 9 = 0 THEN NULL ELSE ('bytes ' || i)::BLOB || '\\x00\\xFF'::BLOB END AS some_bytes,
             CASE WHEN i % 10 = 0 THEN NULL ELSE DATE '1900-01-01' + (i * 37 % 80000)::INTEGER END AS a_date,
             CASE WHEN i % 12 = 0 THEN NULL
                  ELSE make_timestamptz(i * 86400123456 % 4102444800000000) END AS an_instant,
             CASE WHEN i % 20 = 19 THEN NULL ELSE ({texts})[1 + i % {len(ODD_TEXTS)}] END AS p_text,
             CASE WHEN i % 4 = 3 THEN NULL ELSE DATE '2026-01-01' + (i % 3)::INTEGER END AS p_date
      FROM range({begin}, {end}) r(i)"""


def nested_select(begin, end):
    """Rows of every nested type and of decimals, with nulls at every depth. 32-bit floats are written as such."""
    return f"""
      SELECT i AS id,
             CASE WHEN i % 7 = 0 THEN NULL WHEN i % 7 = 1 THEN [] ELSE [i, NULL, i * 2] END AS numbers,
             CASE WHEN i % 5 = 0 THEN NULL ELSE ['a' || i, NULL, ''] END AS texts,
             CASE WHEN i % 6 = 0 THEN NULL
                  ELSE [(i / 3.0)::FLOAT, -0.5::FLOAT, 0.25::FLOAT, 1e30::FLOAT] END::FLOAT[4] AS embedding,
             CASE WHEN i % 8 = 0 THEN NULL
                  ELSE {{'x': CASE WHEN i % 3 = 0 THEN NULL ELSE i END, 'y': 'y' || i % 4,
                        'inner': {{'d': DATE '2026-01-01' + (i % 30)::INTEGER, 'f': i / 4.0}}}} END AS place,
             CASE WHEN i % 9 = 0 THEN NULL WHEN i % 9 = 1 THEN MAP {{}}
                  ELSE MAP {{'k' || i % 3: i, 'z': NULL}} END AS counts,
             CASE WHEN i % 10 = 0 THEN NULL
                  ELSE [{{'sku': 's' || i, 'n': (i % 5)::INTEGER}}, {{'sku': NULL, 'n': 1::INTEGER}}] END AS items,
             CASE WHEN i % 11 = 0 THEN NULL ELSE (i * 37 - 5000)::DECIMAL(9, 2) END AS small_decimal,
             CASE WHEN i % 12 = 0 THEN NULL ELSE (i * 1000003 - 300000000)::DECIMAL(18, 4) END AS a_decimal,
             CASE WHEN i % 13 = 0 THEN NULL
                  ELSE ('-1234567890123456789012345678.' || lpad((i * 7919 % 10000000000)::VARCHAR, 10, '0'))
                       ::DECIMAL(38, 10) END AS large_decimal,
             (i % 100 - 50)::TINYINT AS a_byte,
             (i * 31 % 60000 - 30000)::SMALLINT AS a_short,
             'p' || i % 3 AS p
      FROM range({begin}, {end}) r(i)"""


def numbers_select(begin, end):
    """Decimals and small integers without a nested column beside them; long enough for dictionaries and without."""
    return f"""
      SELECT i AS id,
             CASE WHEN i % 11 = 0 THEN NULL ELSE (i * 37 % 9999 - 5000)::DECIMAL(9, 2) END AS small_decimal,
             CASE WHEN i % 12 = 0 THEN NULL ELSE (i * 1000003 - 300000000)::DECIMAL(18, 4) END AS a_decimal,
             CASE WHEN i % 13 = 0 THEN NULL
                  ELSE ('-1234567890123456789012345678.' || lpad((i * 7919 % 10000000000)::VARCHAR, 10, '0'))
                       ::DECIMAL(38, 10) END AS large_decimal,
             (i % 100 - 50)::TINYINT AS a_byte,
             (i * 31 % 60000 - 30000)::SMALLINT AS a_short,
             CASE WHEN i // 900 % 2 = 0 THEN i % 40 END AS few,
             NULL::DOUBLE AS nothing,
             'always' AS one,
             i // 6000 AS p
      FROM range({begin}, {end}) r(i)"""


def flights_select(part):
    real = SHARED / "flights-2001q1" / "flights-2001q1.parquet"
    if real.exists():
        days = {1: "date < '2001-01-02'", 2: "date >= '2001-02-01' AND date < '2001-02-02'"}[part]
        return (f"SELECT CAST(date AS TIMESTAMPTZ) AS departure, delay, distance, origin, destination, "
                f"CAST(date AS DATE) AS dt FROM '{real}' WHERE {days}")
    return (f"SELECT TIMESTAMPTZ '2001-0{part}-01' + INTERVAL (i) SECOND AS departure, i % 400 - 40 AS delay, "
            f"100 + i % 2500 AS distance, 'O' || i % 20 AS origin, 'D' || i % 20 AS destination, "
            f"DATE '2001-0{part}-01' AS dt FROM range(8000) r(i)")


def soccer_select(part):
    real = SHARED / "soccer-events-a" / "events_World_Cup.jsonl.zst"
    columns = ('id, "eventId" AS event_type_id, "eventName" AS event_name, "subEventName" AS sub_event, '
               '"playerId" AS player, "matchId" AS match, "matchPeriod" AS period, "eventSec" AS second')
    if real.exists():
        return (f"SELECT {columns} FROM read_json('{real}', format = 'newline_delimited', columns = {{id: 'BIGINT', "
                "eventId: 'BIGINT', eventName: 'VARCHAR', subEventName: 'VARCHAR', playerId: 'BIGINT', matchId: "
                f"'BIGINT', matchPeriod: 'VARCHAR', eventSec: 'DOUBLE'}}) WHERE id % 20 = {part}")
    return (f"SELECT {columns} FROM (SELECT i * 20 + {part} AS id, i % 10 AS \"eventId\", 'Event ' || i % 10 AS "
            "\"eventName\", 'Sub ' || i % 35 AS \"subEventName\", i % 700 AS \"playerId\", i // 1500 AS \"matchId\", "
            "CASE WHEN i % 2 = 0 THEN '1H' ELSE '2H' END AS \"matchPeriod\", i / 7.0 AS \"eventSec\" "
            "FROM range(5000) r(i))")


TABLES = {
    "types": {"partitions": "p_text,p_date",
              "selects": [types_select(0, 300), types_select(300, 600)], "more": types_select(600, 700)},
    "nested": {"partitions": "p", "selects": [nested_select(0, 250), nested_select(250, 500)],
               "more": nested_select(500, 600)},
    "numbers": {"partitions": "p", "selects": [numbers_select(0, 12000), numbers_select(12000, 15000)],
                "more": numbers_select(15000, 15500)},
    "flights": {"partitions": "dt", "selects": [flights_select(1), flights_select(2)],
                "more": flights_select(1)},
    "soccer": {"partitions": "event_name,period", "selects": [soccer_select(1), soccer_select(2)],
               "more": soccer_select(3)},
}


class Lake:
    """A project folder with nothing but tables."""

    def __init__(self, program, writer, folder):
        self.program, self.writer, self.folder = str(program), str(writer), Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "assay.yaml").write_text("project: engines\nlake: ./lake\n")

    def path(self, name):
        return str((self.folder / "lake" / "bronze" / name).resolve())

    def write(self, name, *words):
        done = subprocess.run([self.writer, str(self.folder / "lake"), f"bronze/{name}", *words], capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise AssertionError(f"table_writer {name} {words[0]}: {done.stderr}")

    def assay(self, *words, check=True):
        done = subprocess.run([self.program, *words, "--project", str(self.folder)], capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"assay {' '.join(words)}: {done.stderr}")
        return done

    def fill(self, name):
        """Versions 1 and 2 (and 0, without rows)."""
        table = TABLES[name]
        self.write(name, "create", table["partitions"], table["selects"][0])
        for select in table["selects"][1:]:
            self.write(name, "append", select)

    def maintain(self, name):
        """Everything that upkeep does, a column more, and rows that have it; gives the commands that there were."""
        done = []
        self.write(name, "add-column", "added", "int64")
        self.write(name, "append", f"SELECT *, 42::BIGINT AS added FROM ({TABLES[name]['more']})")
        table = f"bronze/{name}"
        for words in (["checkpoint"], ["compact"], ["vacuum", "--keep", "0s"], ["checkpoint"]):
            self.assay("lake", words[0], table, *words[1:])
            done.append(words[0])
        # Nothing of the log is needed any more but its newest checkpoint.
        before = len(self.log(name))
        self.assay("lake", "set", table, "delta.logRetentionDuration=interval 0 seconds")
        self.assay("lake", "checkpoint", table)
        self.assay("lake", "vacuum", table)
        if len(self.log(name)) >= before:
            raise AssertionError(f"the log of {table} was not cleaned up: {self.log(name)}")
        done.append("log clean-up")
        self.assay("lake", "doctor", table)
        return done

    def log(self, name):
        return sorted(file.name for file in (Path(self.path(name)) / "_delta_log").glob("*.json"))

    def version(self, name):
        rows = json.loads(self.assay("lake", "list", "--output", "json").stdout)
        return next(row["version"] for row in rows if row["table"] == f"bronze/{name}")

    def copy_of(self, name, version, target):
        """Our own reading, as a Parquet file."""
        at = "" if version is None else f" VERSION AS OF {version}"
        self.assay("sql", f"SELECT * FROM lake.bronze.{name}{at}", "--to", str(target))


def expected_select(name, version):
    """SQL of the rows that a version must hold; None and later ones are those after maintenance. Arrays of a size are
    lists in every other engine, and in what it is compared with."""
    if name == "nested":
        return f"SELECT * REPLACE (embedding::FLOAT[] AS embedding) FROM ({rows_select(name, version)})"
    return rows_select(name, version)


def rows_select(name, version):
    selects = TABLES[name]["selects"]
    if version is not None and version <= len(selects):
        return " UNION ALL ".join(f"({select})" for select in selects[:version])
    old = " UNION ALL ".join(f"(SELECT *, NULL::BIGINT AS added FROM ({select}))" for select in selects)
    return old + f" UNION ALL (SELECT *, 42::BIGINT AS added FROM ({TABLES[name]['more']}))"
