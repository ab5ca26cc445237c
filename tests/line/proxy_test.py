#!/usr/bin/env python3
"""Three servers, each with its share of the entities, behind `assay proxy`: answers are those of one server that has all,
byte by byte; one that is killed fails its own entities alone, until it is back; a fourth one is added.

    proxy_test.py PROGRAM
"""

import gzip
import http.client
import json
import signal
import sys
import time
from contextlib import ExitStack

from project import STATE, USAGE, Server, flights_project, new_folder, read_flights, remove

DAYS = 12
PROFILES = """
profiles:
  one: {online: "embedded:./of_one", share: "one of one, two, three by origin"}
  two: {online: "embedded:./of_two", share: "two of one, two, three by origin"}
  three: {online: "lmdb:./of_three", share: "three of one, two, three by origin"}
  a: {online: "embedded:./of_one", share: "one of one, two, three, four by origin"}
  b: {online: "embedded:./of_two", share: "two of one, two, three, four by origin"}
  c: {online: "lmdb:./of_three", share: "three of one, two, three, four by origin"}
  d: {online: "embedded:./of_four", share: "four of one, two, three, four by origin"}
"""


def ask(server, path, body=None, headers=None):
    """Status, headers and body of a request."""
    host, port = server.address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    data = json.dumps(body) if isinstance(body, (dict, list)) else body
    connection.request("POST" if data is not None else "GET", path, data, headers or {})
    answer = connection.getresponse()
    return answer.status, dict((name.lower(), value) for name, value in answer.getheaders()), answer.read()


def questions(folder):
    """(path, body) of requests of all kinds."""
    airports = sorted({line.split(",")[1] for line in read_flights(folder, DAYS)})
    keys = [airports[i * 7 % len(airports)] if i % 9 else f"X{i}" for i in range(100)]
    to = [airports[(i * 3 + 1) % len(airports)] for i in range(100)]
    routes = {"origin": keys, "destination": to}
    request = {"departure": ["2001-01-10T08:00:00Z"] * 100, "distance": list(range(100))}
    view = {"features": ["origin_delays:flights_24h", "origin_delays:late_share_7d", "airport_profile:latitude"]}
    for names in (False, True):
        yield "/get-online-features", {**view, "full_feature_names": names, "entities": {"origin": keys}}
        yield "/get-online-features", {"feature_service": "delay_v1", "full_feature_names": names,
                                       "entities": {**request, **routes}}
    yield "/get-online-features", {"features": ["route_delays:route_delay_mean_7d"], "entities": routes,
                                   "include_feature_view_version_metadata": True}
    yield "/get-online-features", {**view, "entities": {"origin": ["ORD"]}}
    yield "/get-online-features", {**view, "entities": {"origin": ["ORD", None, "nowhere", "LAX"]}}
    yield "/get-online-features", {**view, "entities": {"origin": []}}
    yield "/get-online-features", {**view, "entities": {"origin": airports}, "at": "2001-01-08T12:00:00Z"}
    yield "/predict", {"model": "late", "with_features": True, "entities": {**request, **routes}}
    yield "/predict", {"entities": {name: values[:1] for name, values in {**request, **routes}.items()}}
    # What is wrong is said of the question that was asked.
    yield "/get-online-features", {**view, "entities": {"origin": airports[:5] + [7]}}
    yield "/get-online-features", {"feature_service": "delay_v1", "entities": {**routes, **request, "distance": [1] * 99 + ["far"]}}
    yield "/get-online-features", {"features": ["origin_delays:none"], "entities": {"origin": keys}}
    yield "/get-online-features", {"features": ["none:none"], "entities": {"origin": keys}}
    yield "/get-online-features", {"features": ["route_delays:route_flights_1h"], "entities": {"origin": keys}}
    yield "/predict", {"model": "none", "entities": routes}
    yield "/get-online-features", "{"
    yield "/materialize", {"start_ts": "2001-01-01T00:00:00", "end_ts": "2001-01-02T00:00:00"}
    yield "/push", {"push_source_name": "flights", "df": {"x": [1]}}
    yield "/write-to-online-store", {"feature_view_name": "origin_delays", "df": {}}
    for path in ("/openapi.json", "/api/v1/feature_views?project=flights", "/nothing"):
        yield path, None


def compare(whole, proxy, folder):
    for path, body in questions(folder):
        expected, found = ask(whole, path, body), ask(proxy, path, body)
        assert found[0] == expected[0] and found[2] == expected[2], (path, body, expected[0], found[0], expected[2][:500], found[2][:500])
        for header in ("content-type", "etag", "x-assay-as-of", "x-assay-known-until"):
            assert found[1].get(header) == expected[1].get(header), (path, header, expected[1], found[1])


def wait_for(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def status(server, *origins):
    return ask(server, "/get-online-features", {"features": ["origin_delays:flights_24h"], "entities": {"origin": list(origins)}})[0]


def owners(servers, origins):
    """Origins by the server that has them; the others refuse them and say whose they are."""
    found = {name: [] for name in servers}
    for origin in origins:
        for name, server in servers.items():
            code, _, body = ask(server, "/get-online-features", {"features": ["origin_delays:flights_24h"], "entities": {"origin": [origin]}})
            if code == 200:
                found[name].append(origin)
            else:
                assert code == 503 and b"assay proxy" in body, (code, body)
    assert sorted(sum(found.values(), [])) == sorted(origins), found
    return found


def proxy_of(project, servers, *words, name="proxy"):
    flags = [word for server in servers for word in ("--server", server.address)]
    return Server(project, *flags, *words, command="proxy", name=name)


def fill(project, profiles):
    for profile in profiles:
        project.run("run", "--profile", profile)


def drains(project, servers):
    """A proxy that is to stop says so, and relays on until it was told twice, or the time is over."""
    proxy = proxy_of(project, servers, "--drain-for", "1h", name="drains").__enter__()
    try:
        assert ask(proxy, "/ready")[0] == 200
        proxy.process.terminate()
        wait_for(lambda: ask(proxy, "/ready")[0] == 503, "it does not say that it stops")
        assert ask(proxy, "/health")[0] == 200
        assert ask(proxy, "/openapi.json")[0] == 200
        proxy.process.terminate()
        assert proxy.process.wait(timeout=60) == -signal.SIGTERM, "asked twice it ends at once"
    finally:
        proxy.process.kill()
        proxy.process.communicate()


def wrong_flags(project):
    for words, code in [([], USAGE), (["--server", "nonsense"], USAGE), (["--server", "127.0.0.1:0"], USAGE),
                        (["--server", "127.0.0.1:1", "--server", "http://127.0.0.1:1/"], USAGE),
                        (["--server", "127.0.0.1:1", "--timeout", "soon"], USAGE),
                        (["--server", "127.0.0.1:1", "--drain-for", "soon"], USAGE)]:
        project.run("proxy", "--http", "127.0.0.1:0", *words, expect=code, timeout=60)


def main():
    program = sys.argv[1]
    folder = new_folder("proxy")
    try:
        project = flights_project(program, folder / "flights", DAYS)
        settings = folder / "flights/assay.yaml"
        settings.write_text(settings.read_text() + PROFILES)
        wrong_flags(project)
        project.run("run")
        project.run("train", "late")
        project.run("model", "promote", "late", "--version", "1")
        fill(project, ("one", "two", "three"))
        report = project.json("verify", "--profile", "two")
        origins = sorted({line.split(",")[1] for line in read_flights(project.folder, DAYS)})
        with ExitStack() as stack:
            whole = stack.enter_context(Server(project))
            servers = {name: stack.enter_context(Server(project, "--profile", name, name=name)) for name in ("one", "two")}
            three = Server(project, "--profile", "three", name="three").__enter__()
            servers["three"] = three
            proxy = stack.enter_context(proxy_of(project, servers.values(), "--timeout", "2s"))
            compare(whole, proxy, project.folder)
            of = owners(servers, origins)
            project.run("get", "delay_v1", "--profile", "one", "--entity", f"origin={of['two'][0]},destination=LAX,distance=1",
                        "--entity", "departure=2001-01-10T08:00:00Z", expect=STATE)

            drains(project, servers.values())

            # One is killed: its own entities are 503 at once, the others' are answered.
            three.process.kill()
            three.process.communicate()
            began = time.monotonic()
            assert status(proxy, of["three"][0]) == 503
            assert status(proxy, of["one"][0], of["three"][0]) == 503
            assert time.monotonic() - began < 5
            assert status(proxy, of["one"][0], of["two"][0]) == 200
            code, _, ready = ask(proxy, "/ready")
            assert code == 200 and [one["available"] for one in json.loads(ready)["servers"]] == [True, True, False], ready
            # It comes back where it was, with what it had.
            port = int(three.address.rsplit(":", 1)[1])
            stack.enter_context(Server(project, "--profile", "three", name="three", port=port))
            wait_for(lambda: status(proxy, of["three"][0]) == 200, "the server is not asked again")
            compare(whole, proxy, project.folder)

            # More rows: each server's share is filled by a run of its own, while they serve.
            days = sorted((project.folder / "data/flights").iterdir())
            last = days[-1].read_bytes()
            project.write("data/flights/2001-01-13.csv.gz", last_day_later(last))
            project.run("run")
            fill(project, ("one", "two", "three"))
            compare(whole, proxy, project.folder)

            # A fourth server: another list of shares, filled beside the old one, which serves meanwhile.
            fill(project, ("a", "b", "c", "d"))
            compare(whole, proxy, project.folder)
            four = {name: stack.enter_context(Server(project, "--profile", name, name=name)) for name in "abcd"}
            larger = stack.enter_context(proxy_of(project, four.values(), name="larger"))
            compare(whole, larger, project.folder)
            after = owners(four, origins)
            moved = {origin for old, new in zip(("one", "two", "three"), "abc") for origin in set(of[old]) - set(after[new])}
            assert moved == set(after["d"]), "only what is the fourth server's moves"
            # A share is filled from the lake also while `assay up` of another is at work.
            with Server(project, "--profile", "one", command="up", name="up"):
                project.run("run", "--profile", "two", expect=STATE)
                for profile in ("two", "three"):
                    project.run("materialize", "--profile", profile)
            compare(whole, proxy, project.folder)
        assert report, report
        print(f"proxy: {len(origins)} origins in shares of {[len(one) for one in of.values()]}, then {[len(one) for one in after.values()]}")
    finally:
        remove(folder)


def last_day_later(data):
    """The flights of a day, a day later."""
    text = gzip.decompress(data).decode()
    return gzip.compress(text.replace("2001-01-12", "2001-01-13").encode())


if __name__ == "__main__":
    main()
