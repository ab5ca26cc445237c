#!/usr/bin/env python3
"""What a server answers now is what it answers about this instant, byte for byte; about the past it answers what a
training set has. By gRPC it says the same.

    as_of_test.py PROGRAM GRPC_ASKER
"""

import csv
import json
import struct
import subprocess
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


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def message(*fields):
    """Of (number, bytes, str or int)."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def fields(data):
    """(number, int, float or bytes) of each field."""
    place = 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            value |= (data[place] & 127) << shift
            shift += 7
            place += 1
            if data[place - 1] < 128:
                return value

    while place < len(data):
        key = number()
        wire = key & 7
        size = number() if wire in (0, 2) else {1: 8, 5: 4}[wire]
        if wire == 0:
            yield key >> 3, size - (1 << 64) if size >> 63 else size
            continue
        part = data[place:place + size]
        place += size
        yield key >> 3, part if wire == 2 else struct.unpack({1: "<d", 5: "<f"}[wire], part)[0]


def value_of(data):
    """A feast.types.Value as JSON has it."""
    for kind, value in fields(data):
        return bool(value) if kind == 7 else value.decode() if isinstance(value, bytes) else value
    return None


def grpc_ask(asker, server, at=None, expect=0):
    """The answer by gRPC to what question() asks over HTTP, as names and (value, status) of each row."""
    def column(name, values, kind):
        return message((1, name), (2, message(*[(1, message((kind, value))) for value in values])))

    text, int64 = 2, 4
    entities = question()["entities"]
    body = message((1, "delay_v1"), *[(3, column(name, values, int64 if name == "distance" else text))
                                      for name, values in entities.items()])
    done = subprocess.run([asker, server.grpc_address, "/feast.serving.ServingService/GetOnlineFeatures",
                           *(["x-assay-as-of", at] if at else [])], input=body, capture_output=True, timeout=60)
    assert done.returncode == expect, (done.returncode, done.stderr)
    if expect != 0:
        return None
    parts = list(fields(done.stdout))
    names = [value.decode() for number, metadata in parts if number == 1 for _, names in fields(metadata)
             for number, value in fields(names)]
    statuses = [None, "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]
    columns = []
    for number, vector in parts:
        if number == 2:
            of = list(fields(vector))
            columns.append(list(zip([value_of(value) for kind, value in of if kind == 1],
                                    [statuses[status] for kind, packed in of if kind == 2 for status in packed])))
    return dict(zip(names, columns))


def like_http(asker, server, newest, instants):
    """gRPC with the metadata x-assay-as-of against HTTP with `at`."""
    assert grpc_ask(asker, server) == grpc_ask(asker, server, newest), "another answer about the same instant"
    compared = 0
    for at in instants:
        answer = json.loads(ask(server, at=at)[1])
        by_grpc = grpc_ask(asker, server, at)
        assert list(by_grpc) == answer["metadata"]["feature_names"], (list(by_grpc), answer["metadata"])
        for name, result in zip(answer["metadata"]["feature_names"], answer["results"]):
            assert by_grpc[name] == list(zip(result["values"], result["statuses"])), (at, name, by_grpc[name], result)
            compared += len(result["values"])
    invalid = 3
    for at in ["2099-01-01T00:00:00Z", "soon"]:
        grpc_ask(asker, server, at, expect=invalid)
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


def main(program, asker):
    root = new_folder("as_of")
    try:
        project = flights_project(program, root / "project", DAYS)
        project.run("run")
        with Server(project, "--grpc", "127.0.0.1:0") as server:
            newest, body = ask(server)
            assert ask(server, at=newest) == (newest, body), "another answer about the same instant"
            instants = [f"2001-01-0{day}T{hour:02}:17:00Z" for day in range(1, DAYS + 1) for hour in (5, 12, 19)]
            compared = like_training_set(project, server, instants)
            by_grpc = like_http(asker, server, newest, instants)
            refusals(server, newest)
        print(f"one answer given again byte for byte, {compared} values like a training set's, {by_grpc} alike by gRPC")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
