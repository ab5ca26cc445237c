"""Feast's client whose registry is `assay registry serve`, and whose features come from `assay serve`.

    registry_checks.py FOLDER REGISTRY_GRPC HTTP VIEWS      VIEWS: how many there must be by now
"""

import shutil
import sys
import time
from pathlib import Path

import checks
import feast_cases
import fixture
import grpc
from feast import FeatureStore
from feast.protos.feast.registry.RegistryServer_pb2 import GetEntityRequest, ListFeatureServicesRequest
from feast.protos.feast.registry.RegistryServer_pb2_grpc import RegistryServerStub

DEADLINE = 60  # seconds


def wait_for_views(store, count):
    """The server looks for new definitions now and then."""
    end = time.monotonic() + DEADLINE
    while len(store.list_feature_views()) != count:
        assert time.monotonic() < end, store.list_feature_views()
        time.sleep(0.1)
        store.refresh_registry()


def by_stub(address):
    """What reads is answered, what would write is refused."""
    with grpc.insecure_channel(address) as channel:
        stub = RegistryServerStub(channel)
        listed = stub.ListFeatureServices(ListFeatureServicesRequest(project=fixture.PROJECT))
        assert [service.spec.name for service in listed.feature_services] == ["offers", "others", "svc"], listed
        assert stub.GetEntity(GetEntityRequest(name="user", project=fixture.PROJECT)).spec.join_key == "user_id"
        try:
            stub.GetEntity(GetEntityRequest(name="nope", project=fixture.PROJECT))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        else:
            raise AssertionError("an unknown entity must fail")


def main(folder, registry, http, views):
    beside = Path(folder).parent / "registry_served"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    (beside / "feature_store.yaml").write_text(
        f"project: {fixture.PROJECT}\nprovider: local\nregistry: {{registry_type: remote, path: '{registry}'}}\n"
        f"online_store: {{type: remote, path: 'http://{http}'}}\nentity_key_serialization_version: 3\n")
    store = FeatureStore(repo_path=str(beside))
    wait_for_views(store, int(views))
    by_stub(registry)
    if int(views) == 7:
        checks.registry(store)
    else:
        assert store.get_feature_view("newest").features[0].name == "spend"
    checks.services(store)
    feast_cases.refused("nope", lambda: store.get_feature_view("nope"))
    feast_cases.refused("", lambda: store.apply([store.get_entity("user")]))
    print(f"feast client: registry serve, {views} views", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
