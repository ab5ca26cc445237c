"""Feast's client over TLS and with a secret: what its caller may see, and what not.

    secured_checks.py FOLDER HTTPS_URL GRPC REGISTRY_GRPC CERTIFICATE CLIENT_CERTIFICATE CLIENT_KEY

REGISTRY_GRPC is `assay registry serve`, which takes clients with a certificate only.
"""

import sys
from pathlib import Path

import fixture
import grpc
from feast import FeatureStore
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesRequest
from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
from feast.protos.feast.types.Value_pb2 import Value
from feast_cases import refused

SECRET = "a secret of the shop"  # client_test.py writes its hash into the access file


def store_at(folder, name, online, registry, secret):
    """A client that has no file of ours but the certificates."""
    beside = Path(folder).parent / f"secured_{name}"
    beside.mkdir()
    auth = "auth: {type: no_auth}\n" if secret is None else f"auth: {{type: oidc, token: '{secret}'}}\n"
    (beside / "feature_store.yaml").write_text(
        f"project: {fixture.PROJECT}\nprovider: local\nregistry: {{registry_type: remote, {registry}}}\n"
        f"online_store: {{type: remote, {online}}}\nentity_key_serialization_version: 3\n" + auth)
    return FeatureStore(repo_path=str(beside))


def main(folder, https, served, registry, certificate, client_certificate, client_key):
    online = f"path: '{https}', cert: '{certificate}'"
    of_server = f"path: '{served}', cert: '{certificate}'"
    of_registry = (f"path: '{registry}', cert: '{certificate}', client_cert: '{client_certificate}', "
                   f"client_key: '{client_key}'")
    row = {"entity_rows": [{"user_id": 1}]}
    for name, place in [("server", of_server), ("registry", of_registry)]:
        store = store_at(folder, name, online, place, SECRET)
        assert {view.name for view in store.list_feature_views()} >= {"profile", "activity"}
        answer = store.get_online_features(features=store.get_feature_service("svc"), **row).to_dict()
        assert answer["name"] == ["Ann"] and answer["orders_90d"] == [3], answer
        said = refused("profile", lambda: store.get_online_features(features=["profile:age"], **row))
        assert said == "FeastPermissionError", said
        print(f"feast client: over TLS with a secret, registry of the {name}", flush=True)
    for name, secret in [("wrong", "another"), ("none", None)]:
        stranger = store_at(folder, name, online, of_server, secret)
        refused("", lambda: stranger.list_feature_views())
        refused("401", lambda: stranger.config and ask(stranger))
    refused("", lambda: store_at(folder, "unseen", online, f"path: '{registry}', cert: '{certificate}'",
                                 SECRET).list_feature_views())
    by_stub(served, certificate)


def ask(store):
    """The values alone: what the client asks its registry for first is not in the way."""
    from feast.infra.online_stores.remote import get_remote_online_features
    answer = get_remote_online_features(config=store.config, req_body={"feature_service": "svc", "entities": {"user_id": [1]}})
    answer.raise_for_status()


def by_stub(address, certificate):
    """gRPC's stub, which says its secret by itself."""
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(certificate).read_bytes())) as channel:
        stub = ServingServiceStub(channel)
        request = GetOnlineFeaturesRequest(feature_service="svc")
        request.entities["user_id"].val.append(Value(int64_val=1))
        metadata = [("authorization", f"Bearer {SECRET}")]
        assert stub.GetOnlineFeatures(request, metadata=metadata).results[1].values[0].string_val == "Ann"
        for made, given, code in [(request, [], grpc.StatusCode.UNAUTHENTICATED),
                                  (request, [("authorization", "Bearer another")], grpc.StatusCode.UNAUTHENTICATED),
                                  (GetOnlineFeaturesRequest(feature_service="offers"), metadata,
                                   grpc.StatusCode.PERMISSION_DENIED)]:
            try:
                stub.GetOnlineFeatures(made, metadata=given)
            except grpc.RpcError as error:
                assert error.code() == code, error
            else:
                raise AssertionError(f"must be {code}")
    print("feast client: gRPC over TLS with a secret", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
