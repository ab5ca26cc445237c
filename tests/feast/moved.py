"""The repository that `feast init` makes, and what Feast answers from it compared with what our server answers after the
move.

    moved.py make FOLDER                Drivers, made and applied
    moved.py compare FOLDER HTTP GRPC   every feature that is kept; clients with our registry, and with Feast's own
"""

import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
from feast import FeatureStore
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesRequest
from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
from feast.protos.feast.types.Value_pb2 import Value

DRIVERS = [1001, 1002, 1003, 1004, 1005, 404]
KEPT = ["conv_rate", "acc_rate", "avg_daily_trips", "driver_config", "driver_profile"]
VIEWS = ["driver_hourly_stats", "driver_hourly_stats_fresh"]


def make(folder):
    feast = Path(sys.executable).with_name("feast")
    environment = {**os.environ, "PATH": f"{feast.parent}:{os.environ['PATH']}"}
    subprocess.run([str(feast), "init", "Drivers"], cwd=folder, env=environment, check=True)
    subprocess.run([str(feast), "apply"], cwd=Path(folder) / "Drivers/feature_repo", env=environment, check=True)


def plain(value):
    """A value of Feast's without the names of its types: Json is its text, a Struct its fields."""
    kind = value.WhichOneof("val")
    if kind is None:
        return None
    if kind == "struct_val":
        return {name: plain(field) for name, field in value.struct_val.val.items()}
    return getattr(value, kind)


def same_struct(ours, theirs):
    """A struct is JSON by gRPC, which has no place for it among Feast's plain values."""
    return ours is None and theirs is None or json.loads(ours) == theirs


def by_grpc(address, refs, theirs):
    request = GetOnlineFeaturesRequest(full_feature_names=True)
    request.features.val.extend(refs)
    request.entities["driver_id"].val.extend(Value(int64_val=driver) for driver in DRIVERS)
    with grpc.insecure_channel(address) as channel:
        ours = ServingServiceStub(channel).GetOnlineFeatures(request)
    for ref, found in zip(refs, ours.results[1:], strict=True):
        name = ref.replace(":", "__")
        expected = theirs.proto.results[list(theirs.proto.metadata.feature_names.val).index(name)]
        for driver, value, wanted, status in zip(DRIVERS, found.values, expected.values, found.statuses, strict=True):
            value, wanted = plain(value), plain(wanted)
            equal = same_struct(value, wanted) if ref.endswith("profile") else value == wanted
            assert equal, (ref, driver, value, wanted)
            assert (wanted is None) == (driver == 404), (ref, driver, wanted)
            assert status == (FieldStatus.NOT_FOUND if driver == 404 else FieldStatus.PRESENT), (ref, driver, status)
        times = list(zip(DRIVERS, found.event_timestamps, expected.event_timestamps, strict=True))
        assert all(time == wanted for driver, time, wanted in times if driver != 404), (ref, times)


def clients(root, http):
    """By the registry that is exported, under the new name of the project; and by Feast's own, under the old one."""
    rows = [{"driver_id": driver} for driver in DRIVERS]
    ours = FeatureStore(repo_path=root / "moved/feast")
    assert ours.config.project == "drivers", ours.config.project
    kept = root / "kept"
    shutil.copytree(root / "Drivers/feature_repo", kept)
    text = (kept / "feature_store.yaml").read_text()
    remote = text.replace("type: sqlite\n    path: data/online_store.db", f"type: remote\n    path: http://{http}")
    assert remote != text
    (kept / "feature_store.yaml").write_text(remote)
    theirs = FeatureStore(repo_path=kept)
    assert theirs.config.project == "Drivers", theirs.config.project
    answers = [store.get_online_features(features=store.get_feature_service("driver_activity_v1"), entity_rows=rows).to_dict()
               for store in [ours, theirs]]
    assert answers[0] == answers[1] and answers[0]["conv_rate"][0] is not None, answers
    return answers[0]["conv_rate"]


def compare(folder, http, address):
    root = Path(folder)
    store = FeatureStore(repo_path=root / "Drivers/feature_repo")
    store.materialize_incremental(datetime.datetime.now())
    known = {view.name: {feature.name for feature in view.features} for view in store.list_feature_views()}
    assert known == {view: {*KEPT, "driver_metadata"} for view in VIEWS}, known
    refs = [f"{view}:{feature}" for view in VIEWS for feature in KEPT]
    rows = [{"driver_id": driver} for driver in DRIVERS]
    theirs = store.get_online_features(features=refs, entity_rows=rows, full_feature_names=True)
    by_grpc(address, refs, theirs)
    assert clients(root, http) == theirs.to_dict()["driver_hourly_stats__conv_rate"]


if __name__ == "__main__":
    {"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
