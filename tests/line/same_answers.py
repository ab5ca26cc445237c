"""What is served over HTTP against the training set at the same instants, value by value, with ==."""

import json
import struct
from datetime import datetime

from project import Server


def served_now(project, table, rows):
    """What is served now for `rows`, a list of entity keys and request values: the instant, and per row
    {feature: (value, status)}. The clock is the data's: the newest known time of the silver table."""
    now = project.sql(f"SELECT max(known_time)::VARCHAR AS t FROM lake.silver.{table}")[0]["t"]
    with Server(project) as server:
        entities = {name: [row[name] for row in rows] for name in rows[0]}
        status, text = server.request("/get-online-features", {"feature_service": "v1", "entities": entities})
        assert status == 200, text
        answer = json.loads(text)
    served = [{} for _ in rows]
    for name, result in zip(answer["metadata"]["feature_names"], answer["results"]):
        if name not in entities:
            for one, value, status in zip(served, result["values"], result["statuses"]):
                one[name] = (value, status)
    return now, served


def single(value):
    """The float32 nearest to a number, as a double."""
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def same(trained, served):
    """True when a value of the training set's Parquet file and one over HTTP are the same."""
    if isinstance(served, list):
        return isinstance(trained, list) and len(trained) == len(served) and all(map(same, trained, served))
    if served is None:  # JSON has no NaN and no infinity
        return trained is None or str(trained).lower() in ("inf", "-inf", "nan", "infinity", "-infinity")
    if isinstance(trained, str) and isinstance(served, int):  # HTTP has times as whole seconds
        return int(datetime.fromisoformat(trained.replace("Z", "+00:00").replace(" ", "T")).timestamp()) == served
    if isinstance(served, float):
        return repr(float(trained)) == repr(served) or single(trained) == single(served) == served
    return type(trained) is type(served) and trained == served


def cell(value):
    """A value as a label file in CSV has it."""
    return f'"{json.dumps(value)}"' if isinstance(value, list) else str(value)


def compare_with_training_set(project, rows, asked):
    """The training set of `project` says, at each instant of `asked`, what was served then for `rows`. Gives the
    number of values compared and the statuses that they had."""
    names = list(rows[0])
    lines = [",".join([*(cell(row[name]) for name in names), now]) for now, _ in asked for row in rows]
    project.write("labels.csv", ",".join([*names, "event_time"]) + "\n" + "\n".join(lines) + "\n")
    project.run("training-set", "v1", "--labels", "labels.csv", "--to", "training.parquet", "--statuses")
    found = project.sql(f"SELECT * FROM read_parquet('{project.folder}/training.parquet')")
    assert len(found) == len(lines), (len(found), len(lines))
    statuses = set()
    count = 0
    expected = [one for _, served in asked for one in served]
    for row, served in zip(found, expected):
        for name, (value, status) in served.items():
            assert row[name + "__status"] == status, (name, row[name + "__status"], status, row[name], value)
            assert same(row[name], value), (name, row[name], value, row)
            statuses.add(status)
            count += 1
    return count, statuses
