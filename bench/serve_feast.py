"""A Feast repository in the shape of bench/served_shape.h, its values in Redis by Feast's own writer.

    serve_feast.py FOLDER REDIS_ADDRESS USERS      writes FOLDER/feature_store.yaml and all that it needs
"""

import datetime
import sys
import time
from pathlib import Path

import numpy
import pandas
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

VIEWS = 5
FEATURES = 10  # of a view
ROWS = 20_000  # a write


def values_of(users, feature):
    """feature_value() of bench/served_shape.h."""
    with numpy.errstate(over="ignore"):
        mixed = (users * (VIEWS * FEATURES) + feature).astype(numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> numpy.uint64(31))) * numpy.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> numpy.uint64(29)
    f = feature % FEATURES
    if f < 4:
        return (mixed % numpy.uint64(2_000_000)).astype(numpy.float64) / 100.0
    if f < 7:
        return (mixed >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53
    return (mixed % numpy.uint64(10_000)).astype(numpy.int64)


def main(folder, address, users):
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    (root / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: {root}/registry.db\n"
        f"online_store: {{type: redis, connection_string: \"{address}\"}}\n"
        "offline_store: {type: file}\nentity_key_serialization_version: 3\n")
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    # Feast wants a file with the columns of each view; its rows go to Redis without it.
    made = datetime.datetime(2023, 11, 14, tzinfo=datetime.timezone.utc)
    views = []
    for view in range(VIEWS):
        names = [f"v{view}_f{f}" for f in range(FEATURES)]
        path = root / f"view{view}.parquet"
        frame = pandas.DataFrame({"user_id": [0], **{name: values_of(numpy.array([0]), view * FEATURES + f)
                                                     for f, name in enumerate(names)}, "event_timestamp": [made]})
        frame.to_parquet(path)
        views.append(FeatureView(
            name=f"view{view}", entities=[user], ttl=datetime.timedelta(0),
            schema=[Field(name="user_id", dtype=Int64)] +
                   [Field(name=name, dtype=Float64 if f < 7 else Int64) for f, name in enumerate(names)],
            source=FileSource(name=f"file{view}", path=str(path), timestamp_field="event_timestamp")))
    store = FeatureStore(repo_path=str(root))
    store.apply([user, *views, FeatureService(name="one", features=views[:1]), FeatureService(name="all", features=views)])
    begin = time.monotonic()
    for view in range(VIEWS):
        for first in range(0, users, ROWS):
            keys = numpy.arange(first, min(users, first + ROWS), dtype=numpy.int64)
            columns = {f"v{view}_f{f}": values_of(keys, view * FEATURES + f) for f in range(FEATURES)}
            store.write_to_online_store(f"view{view}", pandas.DataFrame({"user_id": keys, **columns, "event_timestamp": made}))
    print(f"Feast wrote {users * VIEWS / (time.monotonic() - begin):.0f} rows/s of {FEATURES} features to Redis")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
