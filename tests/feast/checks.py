"""Checks that run inside Feast's client: values and statuses of every type, against the rows that were written.

    checks.py FOLDER GRPC      FOLDER: registry.db and feature_store.yaml, as `assay registry export` wrote them
"""

import datetime
import json
import math
import subprocess
import sys
import urllib.request
from pathlib import Path

import feast_cases
import fixture
import grpc
import pandas
from feast import FeatureStore
from feast.protos.feast.serving.ServingService_pb2 import GetFeastServingInfoRequest, GetOnlineFeaturesRequest
from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from values import MISSING, NULL, OLD, PRESENT, as_client, as_value, same, statuses

USERS = [1, 2, 3, -7, fixture.BIG, 404]
FEATURES = ["age", "n32", "score", "f32", "name", "active", "seen", "blob", "tags", "vec", "ids"]


def every_type(store):
    response = store.get_online_features(features=[f"profile:{name}" for name in FEATURES],
                                         entity_rows=[{"user_id": user} for user in USERS])
    answer = response.to_dict()
    assert answer["user_id"] == USERS, answer
    for name in FEATURES:
        rows = [fixture.newest(fixture.PROFILE_ROWS, user_id=user) for user in USERS]
        expected = [row and as_client(name, row[name]) for row in rows]
        assert all(map(same, answer[name], expected)), (name, answer[name], expected)
        wanted = [MISSING if row is None else NULL if row[name] is None else PRESENT for row in rows]
        assert statuses(response, name) == wanted, (name, statuses(response, name), wanted)


def every_list(store):
    """Lists of every type. Feast's client can make nothing of an empty list, nor of a null in one, whoever sent it: it
    asks the elements for their type."""
    users = [1, 2, fixture.BIG, 404]
    response = store.get_online_features(features=[f"lists:{name}" for name in fixture.LISTS],
                                         entity_rows=[{"user_id": user} for user in users])
    answer = response.to_dict()
    for name in fixture.LISTS:
        rows = [fixture.newest(fixture.LIST_ROWS, user_id=user) for user in users]
        expected = [row and as_client(name, row[name]) for row in rows]
        assert all(map(same, answer[name], expected)), (name, answer[name], expected)
        assert statuses(response, name) == [PRESENT, NULL, PRESENT, MISSING], (name, statuses(response, name))
    for name in fixture.LISTS:
        for user in [3, -7]:
            try:
                store.get_online_features(features=[f"lists:{name}"], entity_rows=[{"user_id": user}])
            except (TypeError, ValueError):
                continue
            raise AssertionError(f"Feast's client reads such a list of {name} by now: let us check what it makes of it")
    body = json.dumps({"features": [f"lists:{name}" for name in fixture.LISTS], "entities": {"user_id": [3, -7]}}).encode()
    with urllib.request.urlopen(store.config.online_store.path + "/get-online-features", data=body, timeout=60) as sent:
        results = json.load(sent)["results"]
    for name, result in zip(fixture.LISTS, results[1:]):
        row = fixture.newest(fixture.LIST_ROWS, user_id=-7)
        assert same(result["values"], [[], as_client(name, row[name])]), (name, result)
        assert result["statuses"] == ["PRESENT"] * 2, result


def ttl_and_windows(store):
    response = store.get_online_features(features=["activity:orders_24h", "activity:orders_90d", "activity:amount_90d"],
                                         entity_rows=[{"user_id": user} for user in [1, 12, 4, 404]])
    answer = response.to_dict()
    assert answer["orders_24h"] == [1, 0, None, None], answer
    assert answer["orders_90d"] == [3, 1, None, None], answer
    assert same(answer["amount_90d"], [math.fsum([1.5, 98.45, 2.5]), 3.5, None, None]), answer
    assert statuses(response, "orders_90d") == [PRESENT, PRESENT, OLD, MISSING], statuses(response, "orders_90d")


def composite_keys(store):
    keys = [(1, "eu"), (1, ""), (12, "Köln"), (12, "eu"), (404, "x")]
    response = store.get_online_features(features=["basket:spend", "basket:items"],
                                         entity_rows=[{"user_id": user, "region": region} for user, region in keys])
    answer = response.to_dict()
    rows = [fixture.newest(fixture.ORDER_ROWS, user_id=user, region=region) for user, region in keys]
    for name in ["spend", "items"]:
        assert same(answer[name], [row and row[name] for row in rows]), answer
        assert statuses(response, name) == [PRESENT if row else MISSING for row in rows]
    keys = [(7, "2026-03-01", "a"), (7, "2026-03-02T00:00:00Z", "a"), (-1, -1, "Köln"), (7, "2026-03-01", "b")]
    response = store.get_online_features(features=["visits:spent"], entity_rows=[
        {"code": code, "shop": shop, "day": day} for shop, day, code in keys])
    assert response.to_dict()["spent"] == [1.25, None, 5e-324, None], response.to_dict()
    assert statuses(response, "spent") == [PRESENT, NULL, PRESENT, MISSING], statuses(response, "spent")


def services(store):
    names = {service.name for service in store.list_feature_services()}
    assert names == {"svc", "offers", "others"}, names
    service = store.get_feature_service("svc")
    answer = store.get_online_features(features=service, entity_rows=[{"user_id": 1}]).to_dict()
    assert answer == {"user_id": [1], "name": ["Ann"], "age": [41], "score": [0.1], "orders_90d": [3],
                      "amount_90d": [math.fsum([1.5, 98.45, 2.5])]}, answer
    full = store.get_online_features(features=service, entity_rows=[{"user_id": 1}], full_feature_names=True).to_dict()
    assert set(full) == {"user_id", "profile__name", "profile__age", "profile__score", "activity__orders_90d",
                         "activity__amount_90d"}, full
    offer = store.get_online_features(features=store.get_feature_service("offers"),
                                      entity_rows=[{"user_id": 1, "discount": 0.25}]).to_dict()
    assert offer == {"user_id": [1], "score": [0.1], "offered": [0.1 * (1.0 - 0.25)]}, offer


def without_entities(store):
    answer = store.get_online_features(features=["global_stats:fx_rate"], entity_rows=[{"user_id": 1}]).to_dict()
    assert answer["fx_rate"] == [1.0842], answer


def registry(store):
    views = {view.name: view for view in store.list_feature_views()}
    assert set(views) == {"profile", "activity", "basket", "global_stats", "lists", "visits", "offer"}, views
    profile = views["profile"]
    assert profile.description == "What a user said of himself" and profile.owner == "ann@example.com", profile
    assert {feature.name: str(feature.dtype) for feature in profile.features} == {
        "age": "Int64", "n32": "Int32", "score": "Float64", "f32": "Float32", "name": "String", "active": "Bool",
        "seen": "UnixTimestamp", "blob": "Bytes", "tags": "Array(String)", "vec": "Array(Float32)",
        "ids": "Array(Int64)"}, profile.features
    assert {feature.name: str(feature.dtype) for feature in views["lists"].features} == {
        "bools": "Array(Bool)", "blobs": "Array(Bytes)", "n32s": "Array(Int32)", "n64s": "Array(Int64)",
        "reals": "Array(Float64)", "f32s": "Array(Float32)", "words": "Array(String)",
        "times": "Array(UnixTimestamp)"}, views["lists"].features
    assert profile.entities == ["user"] and views["activity"].ttl == datetime.timedelta(days=30)
    assert sorted(views["basket"].join_keys) == ["region", "user_id"], views["basket"].join_keys
    assert sorted(views["visits"].join_keys) == ["code", "day", "shop"], views["visits"].join_keys
    assert {entity.name for entity in store.list_entities()} >= {"user", "region", "shop", "day", "code"}
    assert store.get_entity("user").join_key == "user_id"
    assert [project.name for project in store.list_projects()] == [fixture.PROJECT]


def failures(store):
    for features, words in [(["nope:x"], "nope"), (["profile:nope"], "nope"), (["profile:age", "profile:age"], "age")]:
        try:
            store.get_online_features(features=features, entity_rows=[{"user_id": 1}])
        except Exception as error:  # whichever class the client makes of it, it must say what was wrong
            assert words in str(error), error
        else:
            raise AssertionError(f"{features} must fail")
    for rows in [[{"user_id": "abc"}], [{"zzz": 1}]]:
        try:
            store.get_online_features(features=["profile:age"], entity_rows=rows)
        except Exception as error:
            assert "user_id" in str(error), error
        else:
            raise AssertionError(f"{rows} must fail")


def historical(store):
    """Feast's file store reads the exported sources: rows that have values get those that the server answers as of the same
    instant. It has no word for views that are computed when they are read."""
    instants = [(1, "eu", "2026-04-09T12:00:00Z"), (1, "eu", fixture.NOW), (12, "Köln", "2026-04-09T00:00:00Z")]
    rows = pandas.DataFrame({"user_id": [row[0] for row in instants], "region": [row[1] for row in instants],
                             "event_timestamp": [pandas.Timestamp(row[2]) for row in instants]})
    features = ["activity:orders_24h", "activity:orders_90d", "activity:amount_90d", "basket:spend"]
    frame = store.get_historical_features(entity_df=rows, features=features).to_df()
    assert len(frame) == len(instants), frame
    for user, region, at in instants:
        body = {"features": features, "entities": {"user_id": [user], "region": [region]}, "at": at}
        request = urllib.request.Request(store.config.online_store.path + "/get-online-features", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as sent:
            answer = json.load(sent)
        served = dict(zip(answer["metadata"]["feature_names"], [result["values"][0] for result in answer["results"]]))
        found = frame[(frame["user_id"] == user) & (frame["event_timestamp"] == pandas.Timestamp(at))].to_dict("records")
        assert len(found) == 1, frame
        for name in [feature.split(":")[1] for feature in features]:
            assert served[name] is not None and found[0][name] == served[name], (user, at, name, found, served)
    try:
        store.get_historical_features(entity_df=rows, features=["offer:offered"]).to_df()
    except AssertionError:
        return
    raise AssertionError("Feast makes something of a view without a source by now: let us say so in docs/feast.md")


def materialization(store):
    """The client hands materialization to a remote server."""
    start = datetime.datetime(2025, 12, 1)
    end = datetime.datetime(2026, 4, 1)
    store.materialize(start, end, feature_views=["activity"])
    store.materialize_incremental(end)


def commands(folder):
    """The command line of Feast on the exported folder."""
    feast = Path(sys.executable).with_name("feast")
    listed = subprocess.run([str(feast), "-c", str(folder), "feature-views", "list"], capture_output=True, text=True,
                            check=True, timeout=300)
    assert "profile" in listed.stdout and "global_stats" in listed.stdout, listed.stdout
    asked = subprocess.run([str(feast), "-c", str(folder), "get-online-features", "-f", "profile:age", "-e", "user_id=1"],
                           capture_output=True, text=True, check=True, timeout=300)
    assert "41" in asked.stdout, asked


def by_grpc(address):
    """Feast's stub on our gRPC: every type, service, context, codes; health; reflection."""
    with grpc.insecure_channel(address) as channel:
        stub = ServingServiceStub(channel)
        assert stub.GetFeastServingInfo(GetFeastServingInfoRequest()).version.startswith("assay ")
        request = GetOnlineFeaturesRequest(include_feature_view_version_metadata=True)
        request.features.val.extend(f"profile:{name}" for name in FEATURES)
        request.entities["user_id"].val.extend(Value(int64_val=user) for user in USERS)
        answer = stub.GetOnlineFeatures(request)
        assert list(answer.metadata.feature_names.val) == ["user_id", *FEATURES], answer.metadata
        assert [view.name for view in answer.metadata.feature_view_metadata] == ["profile"]
        for name, found in zip(FEATURES, answer.results[1:]):
            rows = [fixture.newest(fixture.PROFILE_ROWS, user_id=user) for user in USERS]
            assert list(found.values) == [as_value(name, row and row[name]) for row in rows], (name, found)
            assert list(found.statuses) == [MISSING if row is None else NULL if row[name] is None else PRESENT for row in rows]
            assert found.event_timestamps[0].ToJsonString() == "2026-01-01T00:00:00Z", found
        offer = GetOnlineFeaturesRequest(feature_service="offers", full_feature_names=True)
        offer.entities["user_id"].val.append(Value(int64_val=1))
        offer.request_context["discount"].val.append(Value(double_val=0.25))
        assert stub.GetOnlineFeatures(offer).results[2].values[0].double_val == 0.1 * 0.75
        try:
            stub.GetOnlineFeatures(GetOnlineFeaturesRequest(feature_service="nope"))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND and "FeatureServiceNotFoundException" in error.details(), error
        else:
            raise AssertionError("an unknown service must fail")
        lists_by_grpc(stub)
        assert HealthStub(channel).Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
        reflection(channel)


def lists_by_grpc(stub):
    """Messages have no nulls inside lists; what Feast puts there stands for them."""
    request = GetOnlineFeaturesRequest()
    request.features.val.extend(f"lists:{name}" for name in fixture.LISTS)
    request.entities["user_id"].val.extend(Value(int64_val=user) for user in USERS)
    for name, found in zip(fixture.LISTS, stub.GetOnlineFeatures(request).results[1:]):
        rows = [fixture.newest(fixture.LIST_ROWS, user_id=user) for user in USERS]
        assert list(found.values) == [as_value(name, row and row[name]) for row in rows], (name, found)
        assert list(found.statuses) == [MISSING if row is None else NULL if row[name] is None else PRESENT for row in rows]


def reflection(channel):
    """A client without .proto files declares the messages by asking, and reads an answer with them."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) >= {"feast.serving.ServingService", "assay.serving.PredictionService",
                                            "assay.serving.PushService", "grpc.health.v1.Health"}, database.get_services()
    pool = DescriptorPool(database)
    service = pool.FindServiceByName("feast.serving.ServingService")
    method = service.FindMethodByName("GetOnlineFeatures")
    make, read = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    request = make()
    request.features.val.append("profile:name")
    request.entities["user_id"].val.add().int64_val = 1
    ask = channel.unary_unary("/feast.serving.ServingService/GetOnlineFeatures", make.SerializeToString, read.FromString)
    assert ask(request).results[1].values[0].string_val == "Ann"
    predict = pool.FindServiceByName("assay.serving.PredictionService").FindMethodByName("Predict")
    assert predict.output_type.fields_by_name["predictions"].message_type.name == "Prediction"
    push = pool.FindServiceByName("assay.serving.PushService").FindMethodByName("Push")
    make, read = GetMessageClass(push.input_type), GetMessageClass(push.output_type)
    rows = make(source="profiles", verdicts=True)
    for name, kind, value in [("user_id", "int64_val", 90), ("age", "int32_val", 31), ("ts", "string_val", "2026-04-10T00:00:01Z")]:
        setattr(rows.rows[name].val.add(), kind, value)
    ask = channel.unary_unary("/assay.serving.PushService/Push", make.SerializeToString, read.FromString)
    answer = ask(rows)
    assert answer.accepted == 1 and [str(row).strip() for row in answer.rows] == ["verdict: ACCEPTED"], answer


def remote_registry(folder, address):
    """A client without any file of ours: its registry is the server's."""
    beside = Path(folder).parent / "remote"
    beside.mkdir()
    text = Path(folder, "feature_store.yaml").read_text()
    (beside / "feature_store.yaml").write_text(
        text.replace("registry: registry.db", f"registry: {{registry_type: remote, path: '{address}'}}"))
    store = FeatureStore(repo_path=str(beside))
    registry(store)
    services(store)
    sources = {source.name: source for source in store.list_data_sources()}
    assert sources["profile_steps"].timestamp_field == "known_time", sources
    try:
        store.get_feature_view("nope")
    except Exception as error:
        assert "nope" in str(error), error
    else:
        raise AssertionError("an unknown view must fail")


def main(folder, grpc_address):
    store = FeatureStore(repo_path=folder)
    for check in [registry, every_type, every_list, ttl_and_windows, composite_keys, services, without_entities, failures,
                  historical, materialization, *feast_cases.CASES]:
        check(store)
        print(f"feast client: {check.__name__.replace('_', ' ')}", flush=True)
    for check in [by_grpc, feast_cases.status_matrix_by_grpc]:
        check(grpc_address)
        print(f"feast client: {check.__name__.replace('_', ' ')}", flush=True)
    remote_registry(folder, grpc_address)
    print("feast client: remote registry", flush=True)
    commands(folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
