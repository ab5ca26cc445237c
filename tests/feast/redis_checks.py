"""Feast's client with its own Redis store reads what Assay wrote there: every type, composite keys, no entity.

    redis_checks.py FOLDER HOST:PORT      FOLDER: what `assay registry export` wrote
"""

import sys
from pathlib import Path

import fixture
from checks import FEATURES, as_value
from feast import FeatureStore

USERS = [1, 3, -7, fixture.BIG]


def main(folder, redis):
    Path(folder, "feature_store.yaml").write_text(
        f"project: {fixture.PROJECT}\nprovider: local\nregistry: registry.db\n"
        f"online_store: {{type: redis, connection_string: '{redis}'}}\nentity_key_serialization_version: 3\n")
    store = FeatureStore(repo_path=folder)
    answer = store.get_online_features(features=[f"profile:{name}" for name in FEATURES],
                                       entity_rows=[{"user_id": user} for user in USERS])
    names = list(answer.proto.metadata.feature_names.val)
    for name in FEATURES:
        found = answer.proto.results[names.index(name)]
        rows = [fixture.newest(fixture.PROFILE_ROWS, user_id=user) for user in USERS]
        assert list(found.values) == [as_value(name, row[name]) for row in rows], (name, found)
        assert found.event_timestamps[1].ToJsonString() == "2026-03-31T23:59:59.000001Z", found
    nulls = store.get_online_features(features=["profile:age"], entity_rows=[{"user_id": 2}, {"user_id": 404}]).to_dict()
    assert nulls["age"] == [None, None], nulls
    keys = [(1, "eu"), (1, ""), (12, "Köln")]
    basket = store.get_online_features(features=["basket:spend", "basket:items"],
                                       entity_rows=[{"user_id": user, "region": region} for user, region in keys]).to_dict()
    rows = [fixture.newest(fixture.ORDER_ROWS, user_id=user, region=region) for user, region in keys]
    assert basket["spend"] == [row["spend"] for row in rows] and basket["items"] == [row["items"] for row in rows], basket
    rate = store.get_online_features(features=["global_stats:fx_rate"], entity_rows=[{"user_id": 1}]).to_dict()
    assert rate["fx_rate"] == [1.0842], rate
    print("feast client: its redis store reads ours")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
