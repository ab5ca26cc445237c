"""A repository of Feast's own whose online store is Redis: Feast writes, and what it answers is compared with what our
server answers from the same rows.

    from_feast.py write FOLDER REDIS        make, apply, materialize
    from_feast.py compare FOLDER HTTP GRPC  every feature, for entities with and without rows
    from_feast.py newer FOLDER              later rows, earlier rows, and one that ends after a second
"""

import datetime
import json
import sys
import urllib.request
from pathlib import Path

import grpc
import pandas
import pyarrow
import pyarrow.parquet
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesRequest
from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp
from feast.type_map import python_values_to_proto_values

BIG = 2**53 + 1
NO_TIME = -(2**63)  # what Feast writes for a time that is null
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
AT = NOW - datetime.timedelta(days=2, microseconds=-678901)
OLD = NOW - datetime.timedelta(days=40)
TYPES = {"b": (Bytes, pyarrow.binary()), "s": (String, pyarrow.string()), "i": (Int32, pyarrow.int32()),
         "n": (Int64, pyarrow.int64()), "d": (Float64, pyarrow.float64()), "f": (Float32, pyarrow.float32()),
         "t": (Bool, pyarrow.bool_()), "u": (UnixTimestamp, pyarrow.timestamp("us", tz="UTC"))}
# Feast's materialize makes doubles of an int64 column with a null in it: 2**53 + 1 would be one less by then, which
# `assay verify` says.
VALUES = {"b": [b"\x00\xff", b"x"], "s": ["Zoë \"q\" \n 東京 😀", ""], "i": [-(2**31), 7], "n": [2**53 - 1, 0],
          "d": [0.1, -1e308], "f": [0.25, 1e-40], "t": [True, False],
          "u": [datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc), datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)]}
KEYS = {"people": ["user_id"], "lists": ["user_id"], "spending": ["user_id"], "baskets": ["user_id", "region"], "rates": []}
ROWS = [{"user_id": user, "region": region} for user in [1, 2, 3, BIG, 404] for region in ["eu", "Köln", ""]]


def table(path, columns, types):
    schema = pyarrow.schema([(name, types[name]) for name in columns])
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), path)


def files(root):
    stamp = pyarrow.timestamp("us", tz="UTC")
    scalars = {name: arrow for name, (_, arrow) in TYPES.items()}
    people = {"user_id": [1, 1, 2, 3, BIG], **{name: [*values, None, values[0], values[1]] for name, values in VALUES.items()},
              "at": [AT - datetime.timedelta(hours=1), AT, AT, OLD, AT]}
    table(root / "people.parquet", people, {"user_id": pyarrow.int64(), **scalars, "at": stamp})
    listed = {"user_id": [1, 2, 3, BIG],
              **{name + "s": [values, [], None, values[:1]] for name, values in VALUES.items()}, "at": [AT] * 4}
    table(root / "lists.parquet", listed,
          {"user_id": pyarrow.int64(), **{name + "s": pyarrow.list_(arrow) for name, arrow in scalars.items()}, "at": stamp})
    table(root / "spending.parquet", {"user_id": [1, 3], "spend": [0.1, 1e22], "at": [AT, OLD]},
          {"user_id": pyarrow.int64(), "spend": pyarrow.float64(), "at": stamp})
    table(root / "baskets.parquet", {"user_id": [1, 1, BIG], "region": ["eu", "", "Köln"], "items": [3, 4, None], "at": [AT] * 3},
          {"user_id": pyarrow.int64(), "region": pyarrow.string(), "items": pyarrow.int64(), "at": stamp})
    table(root / "rates.parquet", {"rate": [1.5, 1.0842], "at": [OLD, AT]}, {"rate": pyarrow.float64(), "at": stamp})


def write(folder, redis):
    root = Path(folder)
    (root / "data").mkdir(parents=True)
    (root / "feature_store.yaml").write_text(
        "project: bought\nprovider: local\nregistry: data/registry.db\n"
        f"online_store: {{type: redis, connection_string: '{redis}'}}\nentity_key_serialization_version: 3\n")
    files(root / "data")
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    region = Entity(name="region", join_keys=["region"], value_type=ValueType.STRING)
    keys = {"user_id": Field(name="user_id", dtype=Int64), "region": Field(name="region", dtype=String)}

    def view(name, schema, **more):
        of = {"user_id": user, "region": region}
        return FeatureView(name=name, entities=[of[key] for key in KEYS[name]], schema=[*(keys[key] for key in KEYS[name]), *schema],
                           source=FileSource(name=f"{name}_file", path=str(root / f"data/{name}.parquet"), timestamp_field="at"),
                           **{"ttl": datetime.timedelta(0), **more})

    views = [view("people", [Field(name=name, dtype=dtype) for name, (dtype, _) in TYPES.items()]),
             view("lists", [Field(name=name + "s", dtype=Array(dtype)) for name, (dtype, _) in TYPES.items()]),
             view("spending", [Field(name="spend", dtype=Float64)], ttl=datetime.timedelta(days=30)),
             view("baskets", [Field(name="items", dtype=Int64)]), view("rates", [Field(name="rate", dtype=Float64)])]
    store = FeatureStore(repo_path=folder)
    store.apply([user, region, *views, FeatureService(name="both", features=[views[0][["n", "d"]], views[2]])])
    store.materialize(OLD - datetime.timedelta(days=1), NOW)


def compare(folder, http, address):
    """Values, times and statuses. Feast's Redis store says PRESENT of all that it is asked for; we say why a value is not
    there, and give none that is older than its ttl."""
    store = FeatureStore(repo_path=folder)
    views = {view.name: view for view in store.list_feature_views()}
    refs = [f"{view}:{feature.name}" for view in KEYS for feature in views[view].features]
    theirs = store.get_online_features(features=refs, entity_rows=ROWS)
    seen = {}
    with grpc.insecure_channel(address) as channel:
        request = GetOnlineFeaturesRequest()
        request.features.val.extend(refs)
        for key in ["user_id", "region"]:
            request.entities[key].val.extend(python_values_to_proto_values([row[key] for row in ROWS]))
        ours = ServingServiceStub(channel).GetOnlineFeatures(request)
    names = list(theirs.proto.metadata.feature_names.val)
    for ref, found in zip(refs, ours.results[2:], strict=True):
        view, name = ref.split(":")
        expected = theirs.proto.results[names.index(name)]
        ttl = views[view].ttl or datetime.timedelta(0)
        for i in range(len(ROWS)):
            time = expected.event_timestamps[i]
            assert found.event_timestamps[i] == time, (ref, ROWS[i], found.event_timestamps[i], time)
            value = expected.values[i]
            is_null = value.WhichOneof("val") is None or value.unix_timestamp_val == NO_TIME
            too_old = ttl and time.seconds and time.ToDatetime(datetime.timezone.utc) < NOW - ttl
            status = (FieldStatus.NOT_FOUND if time.seconds == 0 else FieldStatus.OUTSIDE_MAX_AGE if too_old
                      else FieldStatus.NULL_VALUE if is_null else FieldStatus.PRESENT)
            assert found.statuses[i] == status, (ref, ROWS[i], found.statuses[i], status)
            assert expected.statuses[i] == FieldStatus.PRESENT, "what Feast says of everything"
            if status == FieldStatus.PRESENT:
                assert found.values[i] == value, (ref, ROWS[i], found.values[i], value)
            else:
                assert found.values[i].WhichOneof("val") is None, (ref, ROWS[i], found.values[i])
            seen[status] = seen.get(status, 0) + 1
    assert len(seen) == 4, seen
    by_http(store, http)
    print("equal: " + ", ".join(f"{FieldStatus.Name(status)} {count}" for status, count in sorted(seen.items())))


def by_http(store, http):
    """A service, by HTTP."""
    theirs = store.get_online_features(features=store.get_feature_service("both"),
                                       entity_rows=[{"user_id": user} for user in [1, BIG]]).to_dict()
    body = json.dumps({"feature_service": "both", "entities": {"user_id": [1, BIG]}}).encode()
    with urllib.request.urlopen(f"http://{http}/get-online-features", data=body, timeout=60) as sent:
        ours = json.load(sent)
    found = dict(zip(ours["metadata"]["feature_names"], [result["values"] for result in ours["results"]]))
    assert found == theirs, (found, theirs)


def newer(folder):
    store = FeatureStore(repo_path=folder)

    def put(spend, at, user=1):
        store.write_to_online_store("spending", pandas.DataFrame({"user_id": [user], "spend": [spend], "at": [at]}))

    put(7.5, AT + datetime.timedelta(hours=1))
    put(1.5, AT - datetime.timedelta(hours=1))  # older than what is there: Feast passes it over
    store.config.online_store.key_ttl_seconds = 1
    put(9.5, AT, user=2)
    answer = store.get_online_features(features=["spending:spend"], entity_rows=[{"user_id": 1}]).to_dict()
    assert answer["spend"] == [7.5], answer


if __name__ == "__main__":
    {"write": write, "compare": compare, "newer": newer}[sys.argv[1]](*sys.argv[2:])
