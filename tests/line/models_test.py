#!/usr/bin/env python3
"""Models are trained, promoted and left behind by their definitions while a server runs, by `assay serve` and by
`assay up --http`: what it answers is what the registry says, whole, within seconds.

    models_test.py PROGRAM GRPC_ASKER
"""

import json
import re
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import urllib.request

from as_of_test import fields, message
from project import STATE, Server, flights_project, new_folder, remove
from serving_test import health

DAYS = 2
SERVING, NOT_SERVING = 1, 2
UNAVAILABLE, NOT_FOUND = 14, 5
AIRPORTS = ["ATL", "BOS", "DEN", "DFW", "JFK", "LAX", "ORD", "SFO", "nowhere"]
MODELS = """
models:
  late:
    service: delay_v1
    labels: {from: departures, column: "delay > 15", event_time: event_time}
    train: {trees: 5, depth: 3}
    challengers: {late_deep: {share: 0.5}}
  late_deep:
    service: delay_v1
    labels: {from: departures, column: "delay > 15", event_time: event_time}
    train: {trees: 8, depth: 4}
"""


def wait_for(condition, what=lambda: "nothing"):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what()}"
        time.sleep(0.25)  # servers look once a second


def predict(server, model="late", at=None):
    """Status and JSON of the predictions for all airports."""
    status, text = server.request("/predict", {"model": model, **({"at": at} if at else {}), "entities": {
        "origin": AIRPORTS, "destination": ["LAX"] * len(AIRPORTS), "departure": ["2001-01-02T17:00:00Z"] * len(AIRPORTS),
        "distance": [1000] * len(AIRPORTS)}})
    return status, json.loads(text)


def instant(server):
    """The instant that answers are for by now."""
    request = urllib.request.Request(f"http://{server.address}/get-online-features", headers={"Content-Type": "application/json"},
                                     data=json.dumps({"features": ["origin_delays:flights_24h"], "entities": {"origin": ["ORD"]}}).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["x-assay-as-of"]


def version(server, model="late"):
    status, answer = predict(server, model)
    return answer["version"] if status == 200 else f"{status} {answer}"


def by(answer):
    """Who answered for each airport."""
    return [row.get("model", answer["model"]) for row in answer["predictions"]]


def grpc_predict(asker, server, expect=0):
    """The version and scores by gRPC."""
    def column(name, kind, value):
        return (2, message((1, name), (2, message(*[(1, message((kind, one))) for one in value]))))

    body = message((1, "late"), column("origin", 2, AIRPORTS), column("destination", 2, ["LAX"] * len(AIRPORTS)),
                   column("departure", 2, ["2001-01-02T17:00:00Z"] * len(AIRPORTS)), column("distance", 4, [1000] * len(AIRPORTS)))
    done = subprocess.run([asker, server.grpc_address, "/assay.serving.PredictionService/Predict"], input=body,
                          capture_output=True, timeout=60)
    assert done.returncode == expect, (done.returncode, done.stderr)
    if expect != 0:
        return done.stderr.decode()
    parts = list(fields(done.stdout))
    return (dict(parts)[3].decode(), [round(dict(fields(row)).get(1, 0.0), 6) for number, row in parts if number == 1])


def scores(answer):
    """Of the floats of 32 bits that JSON and gRPC both mean."""
    return [round(struct.unpack("f", struct.pack("f", row["score"]))[0], 6) for row in answer["predictions"]]


def gauge(server, name, model="late"):
    found = re.search(rf'^{name}{{model="{model}"}} (\d)$', server.request("/metrics")[1], re.M)
    return int(found[1]) if found else None


def add_feature(project, name):
    path = project.folder / "flights.yaml"
    path.write_text(path.read_text().replace("      late_trend:", f"      {name}: {{agg: count, over: 2h}}\n      late_trend:"))
    project.run("apply")
    project.run("run")


def hammered(project, server, versions, known):
    """Promotions beside many questions: each answer is of one version, all of it."""
    assert len({tuple(of) for of in known.values()}) == len(versions), "models that answer alike prove nothing"
    wrong, seen, over = [], set(), threading.Event()

    def ask():
        while not over.wait(0.03):
            status, answer = predict(server)
            if status != 200 or scores(answer) != known.get(answer["version"]):
                wrong.append((status, answer))
                return
            seen.add(answer["version"])

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in versions:
            project.run("model", "promote", "late", "--version", number)
            wait_for(lambda: wrong or version(server) == str(number), lambda: f"{number}, not {version(server)}")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[0]
    assert seen == set(known), seen


def what_fails_is_tried_again(project, server):
    """A promotion while the definitions' files do not parse is counted, and arrives once they do."""
    path = project.folder / "flights.yaml"
    text = path.read_text()
    path.write_text(text + "\n]")
    catalog = sqlite3.connect(project.folder / "catalog.db", timeout=30)
    with catalog:
        catalog.execute("UPDATE models SET stage = CASE version WHEN 1 THEN 'production' ELSE 'archived' END WHERE name = 'late'")
    catalog.close()
    wait_for(lambda: re.search(r"^assay_serve_failed_looks_total [1-9]", server.request("/metrics")[1], re.M))
    assert version(server) == "2"
    path.write_text(text)
    wait_for(lambda: version(server) == "1")
    project.run("model", "promote", "late", "--version", 2)
    wait_for(lambda: version(server) == "2")


def a_damaged_promotion(project, server):
    """What cannot be served takes no place; who promotes it and who lists it is told."""
    before = predict(server)
    catalog = sqlite3.connect(project.folder / "catalog.db", timeout=30)
    with catalog:
        catalog.execute("INSERT INTO models SELECT name, 3, 'candidate', created, card, x'7b7d' FROM models WHERE name = 'late' AND version = 2")
    _, said = project.run("model", "promote", "late", "--version", 3)
    assert "version 3 cannot be served" in said and "version 2 is served in its place" in said, said
    wait_for(lambda: gauge(server, "assay_serve_model_kept") == 1)
    assert predict(server) == before
    status, ready = server.request("/ready")
    assert status == 200 and json.loads(ready)["models_kept"] == 1 and json.loads(ready)["models_not_served"] == 0, ready
    served = [row["served"] for row in project.json("model", "list") if row["model"] == "late"]
    assert served[:2] == [None, "instead of version 3"] and served[2].startswith("no: "), served
    with Server(project, name="later") as later:
        assert predict(later) == before, "one that starts now answers the same"
    project.run("model", "promote", "late", "--version", 2)
    wait_for(lambda: gauge(server, "assay_serve_model_kept") == 0)
    assert predict(server) == before
    with catalog:
        catalog.execute("DELETE FROM models WHERE name = 'late' AND version = 3")
    catalog.close()


def beside_serve(project, asker, last_day):
    """From a model that nobody trained to one that is promoted, without a restart."""
    with Server(project, "--grpc", "127.0.0.1:0", "--log-share", "1") as server:
        assert predict(server)[0] == 404 and "does not exist" in grpc_predict(asker, server, NOT_FOUND)
        assert gauge(server, "assay_serve_model_served") is None
        _, said = project.run("train", "late")
        assert "version 1 is served" in said and "assay model promote late --version 1" in said, said
        wait_for(lambda: version(server) == "1")
        project.run("model", "promote", "late", "--version", 1)
        then = instant(server)
        project.write("data/flights/2001-01-02.csv.gz", last_day)
        project.run("run")
        assert instant(server) > then
        _, said = project.run("train", "late")
        assert "version 1 is served until `assay model promote late --version 2`" in said, said
        first = predict(server)[1]
        assert first["version"] == "1" and set(by(first)) == {"late"}, first
        project.run("model", "promote", "late", "--version", 2)
        wait_for(lambda: version(server) == "2")
        second = predict(server)[1]
        assert grpc_predict(asker, server) == ("2", scores(second))
        status, again = predict(server, at=then)  # with the second day's rows of that morning, too
        assert status == 200 and again["version"] == "1" and len(again["predictions"]) == len(AIRPORTS), again
        assert predict(server, at=instant(server)) == (200, second)
        status, none = predict(server, at="2001-01-01T00:00:00Z")
        assert status == 422 and "version 1 since" in json.dumps(none), none
        hammered(project, server, [1, 2], {"1": scores(first), "2": scores(second)})

        what_fails_is_tried_again(project, server)
        a_damaged_promotion(project, server)

        # The other model comes to be: some entities are answered by it, and it is scored for all others.
        project.run("train", "late_deep")
        wait_for(lambda: set(by(predict(server)[1])) == {"late", "late_deep"})
        chosen = by(predict(server)[1])
        project.run("model", "promote", "late", "--version", 1)
        wait_for(lambda: version(server) == "1")
        assert by(predict(server)[1]) == chosen
        assert gauge(server, "assay_serve_model_served") == gauge(server, "assay_serve_model_served", "late_deep") == 1
    logged = project.sql("SELECT model, model_version AS v, count(*) AS n FROM lake.served.delay_v1 GROUP BY ALL")
    who = {(row["model"], row["v"]) for row in logged}
    assert {("late", "1"), ("late", "2"), ("late_deep", "1"), ("shadow:late_deep", "1")} <= who, who


def definitions_change(project, asker):
    """A model whose view has changed is asked with the view that it knows, as long as its rows are there."""
    with Server(project, "--grpc", "127.0.0.1:0") as server:
        before = predict(server)[1]
        add_feature(project, "more_a")
        wait_for(lambda: server.request("/get-online-features", {
            "features": ["origin_delays:more_a_2h"], "entities": {"origin": ["ORD"]}})[0] == 200)
        assert predict(server) == (200, before)
        assert grpc_predict(asker, server) == (before["version"], scores(before))
        assert gauge(server, "assay_serve_model_served") == gauge(server, "assay_serve_model_of_definitions_before") == 1
        flight = ["origin=ORD,destination=LAX,departure=2001-01-02T17:00:00Z,distance=1000"]
        by_command = project.json("predict", "late", "--entity", *flight)
        assert by_command[0]["version"] == before["version"], by_command

        # What changes no row leaves those of before where they are.
        path = project.folder / "flights.yaml"
        path.write_text(path.read_text().replace("trees: 5,", "trees: 6,") + "# A comment.\n")
        project.run("apply")
        project.run("run")
        project.run("train", "late_deep")
        wait_for(lambda: set(by(predict(server)[1])) == {"late"})  # the other one knows other definitions now
        assert version(server) == before["version"] and gauge(server, "assay_serve_model_of_definitions_before") == 1

        project.run("train", "late")
        project.run("model", "promote", "late", "--version", 3)
        wait_for(lambda: version(server) == "3")
        assert gauge(server, "assay_serve_model_of_definitions_before") == 0
        wait_for(lambda: set(by(predict(server)[1])) == {"late", "late_deep"})
        assert health(asker, server.grpc_address, "assay.serving.PredictionService") == SERVING

        add_feature(project, "more_b")
        wait_for(lambda: gauge(server, "assay_serve_model_of_definitions_before") == 1)
        assert version(server) == "3" and set(by(predict(server)[1])) == {"late", "late_deep"}
        _, said = project.run("model", "promote", "late", "--version", 2)
        assert "is in production" in said and "assay train late" in said and "version 3 is served in its place" in said, said
        project.run("model", "promote", "late_deep", "--version", 1)
        wait_for(lambda: gauge(server, "assay_serve_model_kept", "late_deep") == gauge(server, "assay_serve_model_kept") == 1)
        assert version(server) == "3" and set(by(predict(server)[1])) == {"late", "late_deep"}

        add_feature(project, "more_c")
        wait_for(lambda: gauge(server, "assay_serve_model_served", "late_deep") == 0)
        not_served(project, asker, server)
    with Server(project, "--grpc", "127.0.0.1:0") as server:
        not_served(project, asker, server)
        project.run("train", "late")
        assert version(server).startswith("503"), "it is not promoted"
        project.run("model", "promote", "late", "--version", 4)
        wait_for(lambda: version(server) == "4")
        assert health(asker, server.grpc_address, "assay.serving.PredictionService") == SERVING


def not_served(project, asker, server):
    status, answer = predict(server)
    assert status == 503 and "assay train late" in json.dumps(answer), answer
    assert "assay train late" in grpc_predict(asker, server, UNAVAILABLE)
    assert health(asker, server.grpc_address, "assay.serving.PredictionService") == NOT_SERVING
    assert health(asker, server.grpc_address) == SERVING, "features are answered"
    status, ready = server.request("/ready")
    assert status == 200 and json.loads(ready)["models"] == 0 and json.loads(ready)["models_not_served"] == 2, ready
    _, error = project.run("predict", "late", "--entity", "origin=ORD,destination=LAX", expect=STATE)
    assert "assay train late" in error, error


def beside_up(project, asker):
    """The process that runs the line serves models, too."""
    with Server(project, "--grpc", "127.0.0.1:0", "--log-share", "1", command="up", name="up") as server:
        assert version(server) == "4"
        project.run("train", "late")
        project.run("model", "promote", "late", "--version", 5)
        wait_for(lambda: version(server) == "5")
        assert grpc_predict(asker, server) == ("5", scores(predict(server)[1]))
        project.run("train", "late_deep")
        project.run("model", "promote", "late_deep", "--version", 3)
        wait_for(lambda: set(by(predict(server)[1])) == {"late", "late_deep"})
    logged = project.sql("SELECT DISTINCT model || ' ' || model_version AS m FROM lake.served.delay_v1_v2")
    assert {row["m"] for row in logged} == {"late 4", "late 5", "late_deep 3", "shadow:late_deep 3"}, logged


def main(program, asker):
    root = new_folder("models")
    try:
        project = flights_project(program, root / "project", DAYS)
        definitions = root / "project/flights.yaml"
        definitions.write_text(definitions.read_text().split("\nmodels:")[0] + MODELS)
        last = sorted((root / "project/data/flights").iterdir())[-1]
        last_day = last.read_bytes()
        last.unlink()
        project.run("apply")
        project.run("run")
        beside_serve(project, asker, last_day)
        definitions_change(project, asker)
        beside_up(project, asker)
        print("models are served as they are trained and promoted")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
