"""A Feast repository as its user has it, made with Feast: views over Parquet, applied and materialized.

    repository.py FOLDER      prints what Feast answers, as JSON: [[age, ...], [name, ...], [spend, ...], [Conv-Rate, ...]]
"""

import datetime
import json
import sys
from pathlib import Path

import pandas
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float64, Int64, String

USERS = [1, 2, 404]
FEATURES = ["people:age", "people:name", "spending:spend", "spending:Conv-Rate"]


def main(folder):
    root = Path(folder)
    (root / "data").mkdir(parents=True)
    (root / "feature_store.yaml").write_text(
        "project: bought\nprovider: local\nregistry: data/registry.db\n"
        "online_store: {type: sqlite, path: data/online.db}\nentity_key_serialization_version: 3\n")

    def hour(count):
        return pandas.Timestamp("2026-01-01", tz="UTC") + pandas.Timedelta(hours=count)

    pandas.DataFrame({"user_id": [1, 1, 2], "age": [40, 41, None], "name": ["An", "Ann", "Zoë"],
                      "tags": [["a"], ["b", "c"], []], "at": [hour(0), hour(2), hour(1)],
                      "made": [hour(1), hour(2), hour(1)]}).astype({"age": "Int64"}).to_parquet(root / "data/people.parquet")
    # Columns whose names are none of ours: the key, the time, a feature.
    pandas.DataFrame({"User ID": [1, 2], "spend": [0.1, 1e22], "Conv-Rate": [0.25, None],
                      "Spent-At": [hour(3), hour(3)]}).to_parquet(root / "data/spending.parquet")
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    people = FeatureView(
        name="people", entities=[user], ttl=datetime.timedelta(days=30), description='What a "user" said',
        schema=[Field(name="user_id", dtype=Int64), Field(name="age", dtype=Int64), Field(name="name", dtype=String),
                Field(name="tags", dtype=Array(String))],
        source=FileSource(name="people_file", path=str(root / "data/people.parquet"), timestamp_field="at",
                          created_timestamp_column="made"))
    spending = FeatureView(
        name="spending", entities=[user],
        schema=[Field(name="user_id", dtype=Int64), Field(name="spend", dtype=Float64), Field(name="Conv-Rate", dtype=Float64)],
        source=FileSource(name="spending_file", path=str(root / "data/spending.parquet"), timestamp_field="Spent-At",
                          field_mapping={"User ID": "user_id"}))
    service = FeatureService(name="both", features=[people[["age", "name"]], spending])
    store = FeatureStore(repo_path=folder)
    store.apply([user, people, spending, service])
    store.materialize(datetime.datetime(2025, 12, 31), datetime.datetime(2026, 1, 2))
    answer = store.get_online_features(features=FEATURES, entity_rows=[{"user_id": user_id} for user_id in USERS]).to_dict()
    print(json.dumps([answer[name] for name in ("age", "name", "spend", "Conv-Rate")]))


if __name__ == "__main__":
    main(sys.argv[1])
