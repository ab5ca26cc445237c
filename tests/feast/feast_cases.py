"""What Feast's own integration tests check, asked by Feast's client of our server. Which of them is which is in
docs/reference/feast_cases.md; values come from the rows of the fixture.
"""

import asyncio
import math

import fixture
import grpc
import pandas
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesRequest
from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
from feast.protos.feast.types.Value_pb2 import Value
from values import MISSING, NULL, OLD, PRESENT, as_client, same, statuses

# Feature, key, status, for every way in which a value is there or is not.
STATUSES = [
    ("profile:age", 1, PRESENT), ("profile:age", 2, NULL), ("profile:age", 404, MISSING),
    ("lists:words", 1, PRESENT), ("lists:words", 2, NULL), ("lists:words", 404, MISSING),
    ("activity:orders_90d", 12, PRESENT), ("activity:orders_90d", 4, OLD), ("activity:orders_90d", 404, MISSING),
    ("activity:amount_90d", 4, OLD),
    ("activity:orders_24h", 12, PRESENT),  # a window without events counts 0
    ("global_stats:fx_rate", 404, PRESENT),  # of nobody in particular
]


def refused(words, ask):
    try:
        ask()
    except Exception as error:  # whichever class the client makes of it, it must say what was wrong
        assert words in str(error), error
        return type(error).__name__
    raise AssertionError(f"must fail: {words}")


def status_matrix(store):
    for feature, user, wanted in STATUSES:
        response = store.get_online_features(features=[feature], entity_rows=[{"user_id": user}])
        name = feature.split(":")[1]
        assert statuses(response, name) == [wanted], (feature, user, statuses(response, name))
        assert (response.to_dict()[name] == [None]) == (wanted != PRESENT), (feature, user, response.to_dict())


def status_matrix_by_grpc(address):
    with grpc.insecure_channel(address) as channel:
        stub = ServingServiceStub(channel)
        for feature, user, wanted in STATUSES:
            request = GetOnlineFeaturesRequest()
            request.features.val.append(feature)
            request.entities["user_id"].val.append(Value(int64_val=user))
            found = stub.GetOnlineFeatures(request).results[-1]
            assert list(found.statuses) == [wanted], (feature, user, found)
            assert (found.values[0].WhichOneof("val") is not None) == (wanted == PRESENT), (feature, user, found)
            has_time = found.event_timestamps[0].seconds != 0
            assert has_time == (wanted != MISSING), (feature, user, found)


def all_views_at_once(store):
    """Views of several entities in one question; a row that is asked for twice is answered twice, in its place."""
    rows = [{"user_id": 1, "region": "eu"}, {"user_id": 12, "region": "Köln"}, {"user_id": 1, "region": "eu"},
            {"user_id": 404, "region": "eu"}]
    features = ["profile:name", "activity:orders_90d", "basket:spend", "global_stats:fx_rate", "basket:items"]
    for full in [False, True]:
        answer = store.get_online_features(features=features, entity_rows=rows, full_feature_names=full).to_dict()
        names = [feature.replace(":", "__") if full else feature.split(":")[1] for feature in features]
        assert set(answer) == {"user_id", "region", *names}, answer
        assert answer["user_id"] == [1, 12, 1, 404] and answer["region"] == ["eu", "Köln", "eu", "eu"], answer
        expected = [["Ann", None, "Ann", None], [3, 1, 3, None], [98.45, 3.5, 98.45, None], [1.0842] * 4, [1, 5, 1, None]]
        assert [answer[name] for name in names] == expected, answer
    frame = store.get_online_features(features=features, entity_rows=rows).to_df()
    assert list(frame["spend"][:3]) == [98.45, 3.5, 98.45] and math.isnan(frame["spend"][3]), frame
    columns = {"user_id": [1, 12], "region": ["eu", "Köln"]}  # the other form that the client takes
    assert store.get_online_features(features=["basket:spend"], entity_rows=columns).to_dict()["spend"] == [98.45, 3.5]


def one_source_of_two_views(store):
    """`activity` and `basket` are made from one table; each has its own features."""
    refused("spend", lambda: store.get_online_features(features=["activity:spend"], entity_rows=[{"user_id": 1}]))
    refused("orders_90d", lambda: store.get_online_features(features=["basket:orders_90d"],
                                                            entity_rows=[{"user_id": 1, "region": "eu"}]))


def entities_by_their_names(store):
    answer = store.get_online_features(features=["profile:name"], entity_rows=[{"user": 1}, {"user": 3}]).to_dict()
    assert answer == {"user_id": [1, 3], "name": ["Ann", fixture.TEXT]}, answer


def views_under_other_keys(store):
    """What a join-key map and an alias do: `profile` of the user whose number is another feature, under other names."""
    service = store.get_feature_service("others")
    response = store.get_online_features(features=service, entity_rows=[{"user_id": user} for user in [1, 12, 404]])
    answer = response.to_dict()
    assert answer == {"user_id": [1, 12, 404], "orders_90d": [3, 1, None], "other_name": [fixture.TEXT, "Ann", None],
                      "other_age": [2**63 - 1, 41, None]}, answer
    assert statuses(response, "other_age") == [PRESENT, PRESENT, MISSING], statuses(response, "other_age")
    full = store.get_online_features(features=service, entity_rows=[{"user_id": 12}], full_feature_names=True).to_dict()
    assert sorted(full) == ["activity__orders_90d", "profile__other_age", "profile__other_name", "user_id"], full


def on_demand_features(store):
    """Computed when they are read, from features and from what the request brings, for each row."""
    offers = store.get_feature_service("offers")
    rows = [{"user_id": 1, "discount": 0.25}, {"user_id": fixture.BIG, "discount": 0.0}, {"user_id": 404, "discount": 0.5},
            {"user_id": 2, "discount": 0.5}]
    answer = store.get_online_features(features=offers, entity_rows=rows).to_dict()
    assert all(map(same, answer["offered"], [0.1 * 0.75, 1 / 3, None, None])), answer
    assert "discount" not in answer, answer
    refused("discount", lambda: store.get_online_features(features=offers, entity_rows=[{"user_id": 1}]))


def values_are_not_written(store):
    row = {"user_id": [1], "orders_24h": [7], "orders_90d": [7], "amount_90d": [7.0],
           "known_time": [pandas.Timestamp("2026-04-11", tz="UTC")]}
    said = refused("computed from the rows", lambda: store.write_to_online_store("activity", pandas.DataFrame(row)))
    assert said == "FeastError", said
    refused("lists", lambda: store.push("lists", pandas.DataFrame(row)))
    answer = store.get_online_features(features=["activity:orders_90d"], entity_rows=[{"user_id": 1}]).to_dict()
    assert answer["orders_90d"] == [3], answer


def lists_by_tag(store):
    assert [view.name for view in store.list_feature_views(tags={"team_growth": ""})] == ["profile"]
    assert store.list_feature_views(tags={"team_growth": "x"}) == []
    assert len(store.list_all_feature_views()) == len(store.list_feature_views()) == 7


def many_at_once(store):
    """The client's remote store has no asynchronous reads; its threads share the connections of one session."""
    users = [1, 3, fixture.BIG]

    def ask(user):
        answer = store.get_online_features(features=["profile:age", "profile:f32"], entity_rows=[{"user_id": user}]).to_dict()
        row = fixture.newest(fixture.PROFILE_ROWS, user_id=user)
        return answer == {"user_id": [user], "age": [row["age"]], "f32": [as_client("f32", row["f32"])]}

    async def ask_all():
        return await asyncio.gather(*(asyncio.to_thread(ask, users[i % 3]) for i in range(60)))

    assert all(asyncio.run(ask_all()))
    try:
        asyncio.run(store.get_online_features_async(features=["profile:age"], entity_rows=[{"user_id": 1}]))
    except NotImplementedError:
        return
    raise AssertionError("Feast's remote store reads asynchronously by now: let us check its values")


CASES = [status_matrix, all_views_at_once, one_source_of_two_views, entities_by_their_names, views_under_other_keys,
         on_demand_features, values_are_not_written, lists_by_tag, many_at_once]
