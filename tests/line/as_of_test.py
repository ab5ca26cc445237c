#!/usr/bin/env python3
"""What a server answers now is what it answers about this instant, byte for byte; about the past it answers what a
training set has.

    as_of_test.py PROGRAM
"""

import csv
import json
import sys
import urllib.error
import urllib.request

from project import Server, flights_project, new_folder, remove

AIRPORTS = ["ATL", "BOS", "DEN", "DFW", "JFK", "LAX", "ORD", "SFO", "nowhere"]
DAYS = 4


def post(server, body, headers=None):
    """Status, headers and body of a request for features."""
    request = urllib.request.Request(f"http://{server.address}/get-online-features", data=json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def question(**more):
    return {"feature_service": "delay_v1", "entities": {
        "origin": AIRPORTS, "destination": ["LAX"] * len(AIRPORTS),
        "departure": ["2001-01-03T17:00:00Z"] * len(AIRPORTS), "distance": [1000] * len(AIRPORTS)}, **more}


def ask(server, **more):
    status, headers, body = post(server, question(**more))
    assert status == 200, body
    return headers["x-assay-as-of"], body


def like_training_set(project, server, instants):
    """The values of `at` against those of `assay training-set`."""
    lines = ["origin,destination,departure,distance,event_time"]
    lines += [f"{airport},LAX,2001-01-03T17:00:00Z,1000,{at}" for at in instants for airport in AIRPORTS]
    project.write("labels.csv", "\n".join(lines) + "\n")
    project.run("training-set", "delay_v1", "--labels", "labels.csv", "--to", "set.csv", "--statuses")
    rows = list(csv.DictReader((project.folder / "set.csv").open()))
    compared = 0
    for i, at in enumerate(instants):
        answer = json.loads(ask(server, at=at)[1])
        for name, result in zip(answer["metadata"]["feature_names"], answer["results"]):
            if name + "__status" not in rows[0]:
                continue  # a key
            for j, (value, status) in enumerate(zip(result["values"], result["statuses"])):
                row = rows[i * len(AIRPORTS) + j]
                assert row[name + "__status"] == status, (at, name, row, status)
                assert (float(row[name]) if row[name] else None) == value, (at, name, row[name], value)
                compared += 1
    return compared


def refusals(server, newest):
    for at, status in [("2099-01-01T00:00:00Z", 422), ("soon", 422), ([1], 422), (newest, 200)]:
        assert post(server, question(at=at))[0] == status, at
    assert post(server, question(), {"x-assay-as-of": newest})[1]["x-assay-as-of"] == newest
    tag = post(server, question())[1]["etag"]
    status, headers, body = post(server, question(), {"if-none-match": tag})
    assert (status, headers["etag"], body) == (304, tag, ""), (status, headers, body)
    assert json.loads(server.request("/ready")[1])["ready"] is True
    assert "/get-online-features" in json.loads(server.request("/openapi.json")[1])["paths"]


def main(program):
    root = new_folder("as_of")
    try:
        project = flights_project(program, root / "project", DAYS)
        project.run("run")
        with Server(project) as server:
            newest, body = ask(server)
            assert ask(server, at=newest) == (newest, body), "another answer about the same instant"
            instants = [f"2001-01-0{day}T{hour:02}:17:00Z" for day in range(1, DAYS + 1) for hour in (5, 12, 19)]
            compared = like_training_set(project, server, instants)
            refusals(server, newest)
        print(f"one answer given again byte for byte, {compared} values like a training set's")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
