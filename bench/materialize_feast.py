"""Feast's own `materialize` of the rows of bench/materialize_bench.cc: a file of ROWS entities of ten features into its
SQLite store, and into Redis; every thousandth answer is compared.

    materialize_feast.py FOLDER ROWS REDIS_ADDRESS      prints a line for each store
"""

import datetime
import resource
import sys
import time
from pathlib import Path

import numpy
import pandas
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

FEATURES = [f"f{f}" for f in range(10)]
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def make_rows(path, rows):
    users = numpy.arange(rows, dtype=numpy.int64)
    columns = {name: users * 0.5 + f for f, name in enumerate(FEATURES)}
    times = pandas.Timestamp(START) + pandas.to_timedelta(users, unit="ms")
    pandas.DataFrame({"user_id": users, **columns, "ts": times}).to_parquet(path)


def materialize(root, rows, name, online_store):
    root.mkdir()
    (root / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: {root}/registry.db\nonline_store: {online_store}\n"
        "offline_store: {type: file}\nentity_key_serialization_version: 3\n")
    source = FileSource(name="rows", path=str(root.parent / "rows.parquet"), timestamp_field="ts")
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    view = FeatureView(name="stats", entities=[user], ttl=datetime.timedelta(0), source=source,
                       schema=[Field(name="user_id", dtype=Int64)] + [Field(name=f, dtype=Float64) for f in FEATURES])
    store = FeatureStore(repo_path=str(root))
    store.apply([user, view])
    began, processor = time.monotonic(), time.process_time()
    store.materialize(START - datetime.timedelta(days=1), START + datetime.timedelta(days=1))
    seconds, processed = time.monotonic() - began, time.process_time() - processor
    asked = list(range(0, rows, 1000))
    answer = store.get_online_features([f"stats:{f}" for f in FEATURES], [{"user_id": user} for user in asked]).to_dict()
    for f, feature in enumerate(FEATURES):
        assert answer[feature] == [user * 0.5 + f for user in asked], feature
    print(f"feast {name}: {rows / seconds:.0f} rows/s of {len(FEATURES)} features, {processed / rows * 1e6:.1f} us of "
          f"processor time a row, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most", flush=True)


def main(folder, rows, redis):
    folder = Path(folder)
    folder.mkdir(parents=True)
    make_rows(folder / "rows.parquet", rows)
    materialize(folder / "sqlite", rows, "sqlite", f"{{type: sqlite, path: {folder}/online.db}}")
    materialize(folder / "redis", rows, "redis", f"{{type: redis, connection_string: \"{redis}\"}}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
