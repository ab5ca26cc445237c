"""Feast's client with its own Redis store reads what Assay wrote there: every type, composite keys, no entity, services,
views under other keys, what is too old; asked at once and asynchronously.

    redis_checks.py FOLDER HOST:PORT[,HOST:PORT] [without VIEW]     FOLDER: what `assay registry export` wrote; several: a cluster

`without VIEW`: after that view was dropped its values are gone, and the others' are not.
"""

import asyncio
import datetime
import math
import sys
from pathlib import Path

import fixture
from checks import FEATURES
from feast import FeatureService, FeatureStore
from values import as_value, seconds

USERS = [1, 3, -7, fixture.BIG]
RECENT = "2026-03-31T23:59:59.000001Z"


def vector(response, name):
    return response.proto.results[list(response.proto.metadata.feature_names.val).index(name)]


def opened(folder, redis):
    kind = "redis_type: redis_cluster, " if "," in redis else ""
    Path(folder, "feature_store.yaml").write_text(
        f"project: {fixture.PROJECT}\nprovider: local\nregistry: registry.db\n"
        f"online_store: {{type: redis, {kind}connection_string: '{redis}'}}\nentity_key_serialization_version: 3\n")
    return FeatureStore(repo_path=str(folder))


def every_type(answer):
    for name in FEATURES:
        rows = [fixture.newest(fixture.PROFILE_ROWS, user_id=user) for user in USERS]
        found = vector(answer, name)
        assert list(found.values) == [as_value(name, row[name]) for row in rows], (name, found)
        assert found.event_timestamps[1].ToJsonString() == RECENT, found


def values(store):
    features = [f"profile:{name}" for name in FEATURES]
    rows = [{"user_id": user} for user in USERS]
    every_type(store.get_online_features(features=features, entity_rows=rows))

    async def ask():
        await store.initialize()
        answer = await store.get_online_features_async(features=features, entity_rows=rows)
        await store.close()
        return answer

    every_type(asyncio.run(ask()))
    nulls = store.get_online_features(features=["profile:age"], entity_rows=[{"user_id": 2}, {"user_id": 404}]).to_dict()
    assert nulls["age"] == [None, None], nulls
    rate = store.get_online_features(features=["global_stats:fx_rate"], entity_rows=[{"user_id": 1}]).to_dict()
    assert rate["fx_rate"] == [1.0842], rate
    frame = store.get_online_features(features=["profile:age"], entity_rows=[{"user_id": 3}, {"user_id": 2}]).to_df(True)
    assert list(frame["age__ts"]) == [seconds("2026-03-31T23:59:59Z"), seconds("2026-01-02T03:04:05Z")], frame


def lists(store):
    users = [1, 2, 3, -7, fixture.BIG, 404]
    answer = store.get_online_features(features=[f"lists:{name}" for name in fixture.LISTS],
                                       entity_rows=[{"user_id": user} for user in users])
    for name in fixture.LISTS:
        rows = [fixture.newest(fixture.LIST_ROWS, user_id=user) for user in users]
        assert list(vector(answer, name).values) == [as_value(name, row and row[name]) for row in rows], name


def composite_keys(store):
    keys = [(1, "eu"), (1, ""), (12, "Köln")]
    basket = store.get_online_features(features=["basket:spend", "basket:items"],
                                       entity_rows=[{"user_id": user, "region": region} for user, region in keys]).to_dict()
    rows = [fixture.newest(fixture.ORDER_ROWS, user_id=user, region=region) for user, region in keys]
    assert basket["spend"] == [row["spend"] for row in rows] and basket["items"] == [row["items"] for row in rows], basket
    visits = store.get_online_features(features=["visits:spent"], entity_rows=[
        {"shop": row["shop"], "day": datetime.datetime.fromisoformat(row["day"].replace("Z", "+00:00")), "code": row["code"]}
        for row in fixture.VISIT_ROWS]).to_dict()
    assert visits["spent"] == [row["spent"] for row in fixture.VISIT_ROWS], visits


def services(store):
    """One that we exported, and one that the client puts into its registry: a view of ours twice, by other keys."""
    answer = store.get_online_features(features=store.get_feature_service("svc"), entity_rows=[{"user_id": 1}]).to_dict()
    spent = [row["spend"] for row in fixture.ORDER_ROWS if row["user_id"] == 1]
    assert answer == {"user_id": [1], "name": ["Ann"], "age": [41], "score": [0.1], "orders_90d": [len(spent)],
                      "amount_90d": [math.fsum(spent)]}, answer
    profile = store.get_feature_view("profile")[["name", "age"]]
    both = FeatureService(name="both", features=[
        profile.with_name("buyer").with_join_key_map({"user_id": "buyer_id"}),
        store.get_feature_view("profile")[["name"]].with_name("seller").with_join_key_map({"user_id": "seller_id"})])
    store.registry.apply_feature_service(both, fixture.PROJECT)
    answer = store.get_online_features(features=both, entity_rows=[{"buyer_id": 1, "seller_id": 3}, {"buyer_id": 2, "seller_id": 1}],
                                       full_feature_names=True).to_dict()
    assert answer == {"buyer_id": [1, 2], "seller_id": [3, 1], "buyer__name": ["Ann", None], "buyer__age": [41, None],
                      "seller__name": [fixture.TEXT, "Ann"]}, answer


def too_old(store):
    """A value that was beyond its ttl when it was written is null there, with its time."""
    answer = store.get_online_features(features=["activity:orders_90d"], entity_rows=[{"user_id": 4}, {"user_id": 12}])
    found = vector(answer, "orders_90d")
    assert [value.WhichOneof("val") for value in found.values] == [None, "int64_val"], found
    assert found.event_timestamps[0].ToJsonString() == "2026-01-15T00:00:00Z", found


def without(store, view):
    row = {"user_id": 1, "region": "eu"}
    answer = store.get_online_features(features=["profile:name", "basket:spend", "activity:orders_90d"],
                                       entity_rows=[row]).to_dict()
    gone = {"profile": "name", "basket": "spend", "activity": "orders_90d"}[view]
    expected = {"user_id": [1], "region": ["eu"], "name": ["Ann"], "spend": [98.45], "orders_90d": [3]}
    assert answer == {**expected, gone: [None]}, answer


def main(folder, redis, *words):
    store = opened(folder, redis)
    if words:
        without(store, words[1])
        print("feast client: its redis store, without a view that was dropped")
        return
    # The parts of a cluster have instants of their own, by which the old value of one may be young.
    for check in [values, lists, composite_keys, services, *([] if "," in redis else [too_old])]:
        check(store)
        print(f"feast client: its redis store reads ours, {check.__name__.replace('_', ' ')}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
