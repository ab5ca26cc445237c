"""Reads Delta tables with Spark; the requests and answers of read_tables.py.

    tools/servers/spark.sh run spark_read.py REQUESTS.json ANSWERS.json
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TZ"] = "UTC"
time.tzset()
sys.path.insert(0, str(Path(__file__).resolve().parent))
from canonical import RowsHash  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402


def answer(spark, request):
    reader = spark.read.format("delta")
    if request["version"] is not None:
        reader = reader.option("versionAsOf", request["version"])
    frame = reader.load(request["path"])
    result = RowsHash(request["columns"], request.get("losses", ()))
    if sorted(frame.columns) != result.names:
        return {"error": f"columns are {frame.columns}"}
    for row in frame.coalesce(2).collect():
        result.add([row[name] for name in result.names])
    return result.result()


def main(words):
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    answers = {}
    for request in json.loads(Path(words[0]).read_text()):
        try:
            answers[request["name"]] = answer(spark, request)
        except Exception as failure:
            answers[request["name"]] = {"error": f"{type(failure).__name__}: {str(failure)[:300]}"}
    Path(words[1]).write_text(json.dumps(answers))


main(sys.argv[1:])
