#!/usr/bin/env python3
"""Servers as their operator meets them: certificates that are wrong, or change; callers by certificate; pushes that are
sent twice, over HTTP and by gRPC; numbers that are explained; disks that are full and stores that are away.

    serving_test.py PROGRAM GRPC_ASKER
"""

import http.client
import json
import shutil
import signal
import ssl
import subprocess
import sys
import time

from as_of_test import fields, message
from project import NOT_FOUND, USAGE, Project, Server, flights_project, new_folder, remove

QUESTION = json.dumps({"features": ["origin_delays:flights_24h"], "entities": {"origin": ["ORD"]}})
ORDERS = """
project: orders
lake: ./lake
catalog: ./catalog.db
online: embedded:./online
serving: {clock: data}
sources:
  orders: {files: {path: data/orders, format: json}}
bronze:
  orders: {source: orders, event_time: {column: ts}, columns: {user_id: int64!, spend: float64!, ts: timestamp!}}
silver:
  order_rows: {from: orders, sql: "SELECT user_id, spend, ts AS event_time FROM orders"}
entities:
  user: {key: user_id, type: int64}
feature_views:
  spending:
    entity: user
    from: order_rows
    features:
      total: {agg: sum, of: spend, over: 1d}
"""


def certificate(folder, name, *more):
    """A key and a certificate that it signed itself, NAME.key and NAME.pem."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", *more],
                   cwd=folder, check=True, capture_output=True)


def connect(server, folder, own=None):
    """A kept connection, trusting server.pem as it is by now."""
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    if own is not None:
        context.load_cert_chain(folder / f"{own}.pem", folder / f"{own}.key")
    host, port = server.address.rsplit(":", 1)
    return http.client.HTTPSConnection(host, int(port), context=context, timeout=60)


def ask(connection, path="/get-online-features", body=QUESTION, headers=None):
    connection.request("POST" if body else "GET", path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def wrong_files(project):
    """What is wrong with them is said before anything listens, with the file and what to do."""
    folder = project.folder
    address = ["-addext", "subjectAltName=IP:127.0.0.1"]
    certificate(folder, "server", *address)
    certificate(folder, "other")
    folder.joinpath("empty.pem").write_text("")
    for words, code, part in [(["server.pem"], USAGE, "--tls-key"),
                              (["none.pem", "server.key"], NOT_FOUND, "none.pem"),
                              (["empty.pem", "server.key"], USAGE, "empty.pem"),
                              (["server.pem", "server.pem"], USAGE, "server.pem"),
                              (["server.pem", "other.key"], USAGE, "other.key"),
                              (["server.pem", "server.key", "empty.pem"], USAGE, "empty.pem")]:
        flags = [word for pair in zip(["--tls-cert", "--tls-key", "--tls-client-ca"], words) for word in pair]
        _, error = project.run("serve", "--http", "127.0.0.1:0", *flags, expect=code, timeout=60)
        assert part in error, error


def callers_and_rotation(project):
    """Clients are callers by their certificate; a new certificate is for new connections, and a wrong one for nobody."""
    folder = project.folder
    address = ["-addext", "subjectAltName=IP:127.0.0.1"]
    certificate(folder, "server", *address)
    certificate(folder, "shop", "-addext", "subjectAltName=URI:spiffe://prod/shop")
    certificate(folder, "ops")
    folder.joinpath("clients.pem").write_text((folder / "shop.pem").read_text() + (folder / "ops.pem").read_text())
    project.write("access.json", json.dumps({"callers": [
        {"name": "shop", "certificate": "uri:spiffe://prod/shop", "may": ["view:origin_delays"]},
        {"name": "ops", "certificate": "subject:CN=ops", "may": ["metrics"]}]}))
    with Server(project, "--tls-cert", "server.pem", "--tls-key", "server.key", "--tls-client-ca", "clients.pem",
                "--access", "access.json") as server:
        shop = connect(server, folder, "shop")
        ops = connect(server, folder, "ops")
        status, first = ask(shop)
        assert status == 200, first
        assert ask(shop, "/metrics", None)[0] == 403
        assert ask(ops)[0] == 403
        try:
            status, _ = ask(connect(server, folder))
            raise AssertionError(f"a client without a certificate got {status}")
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            pass
        assert server.raw(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 400 "), "plain HTTP"

        (folder / "server.key").write_text((folder / "other.key").read_text())
        wait_for(lambda: "assay_serve_tls_reload_failures_total 1" in ask(ops, "/metrics", None)[1])
        assert ask(connect(server, folder, "shop"))[0] == 200, "the one before is used"
        before = (folder / "server.pem").read_text()
        certificate(folder, "server", *address)
        new = connect(server, folder, "shop")  # trusts the new one alone
        wait_for(lambda: trusted(server, folder))
        assert ask(new)[0] == 200 and (folder / "server.pem").read_text() != before
        assert ask(shop) == (200, first), "connections go on"


def trusted(server, folder):
    try:
        return ask(connect(server, folder, "shop"))[0] == 200
    except ssl.SSLCertVerificationError:
        return False


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for nothing"
        time.sleep(0.05)


def grpc_push(asker, server, *spends, key="", verdicts=False, source="orders", expect=0):
    """The same rows as over HTTP; gives the fields of the answer, or the text of the refusal."""
    def column(name, kind, values):
        return (2, message((1, name), (2, message(*[(1, message((kind, value))) for value in values]))))

    text, json_val = 2, 32
    body = message((1, source), column("user_id", 4, [1] * len(spends)),
                   column("spend", json_val, [json.dumps(spend) for spend in spends]),
                   column("ts", text, ["2026-01-01T00:00:00Z"] * len(spends)), (3, int(verdicts)), (4, key))
    done = subprocess.run([asker, server.grpc_address, "/assay.serving.PushService/Push"], input=body,
                          capture_output=True, timeout=60)
    assert done.returncode == expect, (done.returncode, done.stderr)
    return list(fields(done.stdout)) if expect == 0 else done.stderr.decode()


def explained(project):
    """Over HTTP a number is explained as on the command line, rows, tables and all."""
    at = "2001-01-02T12:00:00Z"
    keys = {"origin": "ORD", "destination": "LAX"}
    flight = {**keys, "departure": "2001-01-02T17:00:00Z", "distance": "1000"}
    with Server(project) as server:
        def ask(feature, values):
            return server.request("/explain", {"feature": feature, "at": at,
                                               "entities": {name: [value] for name, value in values.items()}})

        for feature, values in [("origin_delays:flights_24h", {"origin": "ORD"}), ("route_delays:route_flights_7d", keys),
                                ("origin_delays:late_trend", {"origin": "ORD"}), ("delay_v1:hour_of_day", flight)]:
            words = [word for name, value in values.items() for word in ("--entity", f"{name}={value}")]
            status, body = ask(feature, values)
            assert status == 200, (feature, body)
            expected = project.json("explain", feature, *words, "--at", at)
            assert json.loads(body) == expected and expected, (feature, body[:1000])
        status, body = ask("delay_v1:flights_24h", flight)
        assert status == 200 and json.loads(body)["agrees"] and json.loads(body)["counted"] > 0, body[:1000]
        assert ask("origin_delays:flights_24h", {})[0] == 422
        assert ask("route_delay:route_flights_7d", keys)[0] == 404


def health(asker, address, service="", expect=0):
    done = subprocess.run([asker, address, "/grpc.health.v1.Health/Check"], input=message((1, service)) if service else b"",
                          capture_output=True, timeout=60)
    assert done.returncode == expect, (done.returncode, done.stderr)
    return dict(fields(done.stdout)).get(1)


def stopping(project, asker):
    """A server says that it stops before it does, and answers meanwhile."""
    serving, not_serving = 1, 2
    _, error = project.run("serve", "--http", "127.0.0.1:0", "--drain-for", "soon", expect=USAGE, timeout=60)
    assert "--drain-for" in error, error
    server = Server(project, "--grpc", "127.0.0.1:0", "--drain-for", "1h").__enter__()
    try:
        assert server.request("/ready")[0] == 200
        assert [health(asker, server.grpc_address, service) for service in ("", "feast.serving.ServingService")] == [serving] * 2
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: server.request("/ready")[0] == 503)
        assert health(asker, server.grpc_address) == not_serving
        assert health(asker, server.grpc_address, "grpc.health.v1.Health") == serving
        assert server.request("/health")[0] == 200
        assert server.request("/get-online-features", QUESTION.encode())[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == -signal.SIGTERM, "asked twice it ends at once"
    finally:
        server.process.kill()
        server.process.communicate()


def registry_server(project, asker):
    """`assay registry serve` has the registry, health and reflection, and no more."""
    not_found, unimplemented, serving = 5, 12, 1
    address_file = project.folder / "registry.address"
    with subprocess.Popen([project.program, "registry", "serve", "--grpc", "127.0.0.1:0", "--address-file", str(address_file)],
                          cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_for(lambda: address_file.exists() and address_file.read_text().strip())
        address = address_file.read_text().strip()

        def ask(method, request, expect=0):
            done = subprocess.run([asker, address, method], input=request, capture_output=True, timeout=60)
            assert done.returncode == expect, (method, done.returncode, done.stderr)
            return done.stdout

        assert b"origin_delays" in ask("/feast.registry.RegistryServer/Proto", b"")
        assert health(asker, address) == health(asker, address, "feast.registry.RegistryServer") == serving
        health(asker, address, "feast.serving.ServingService", expect=not_found)
        listed = ask("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", message((7, "")))
        assert b"feast.registry.RegistryServer" in listed and b"ServingService" not in listed, listed
        ask("/feast.serving.ServingService/GetOnlineFeatures", b"", expect=unimplemented)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, process.stderr.read()


def pushes(program, folder, asker):
    """The same rows under one key are taken once, over restarts; other rows under it are refused."""
    project = Project(program, folder)
    (folder / "data/orders").mkdir(parents=True)
    project.write("assay.yaml", ORDERS)
    project.run("apply")
    project.run("run")

    def push(server, key, *spends):
        body = {"push_source_name": "orders", "df": {
            "user_id": [1] * len(spends), "spend": spends, "ts": ["2026-01-01T00:00:00Z"] * len(spends)}}
        host, port = server.address.rsplit(":", 1)
        return ask(http.client.HTTPConnection(host, int(port), timeout=60), "/push", json.dumps(body),
                   {"Idempotency-Key": key} if key else {})[0]

    with Server(project, "--push") as server:
        assert [push(server, "a", 1, 2), push(server, "a", 1, 2), push(server, "a", 1, 3), push(server, None, 10)] == \
            [200, 200, 422, 200]
    invalid, unimplemented = 3, 12
    with Server(project, "--push", "--grpc", "127.0.0.1:0") as server:
        assert [push(server, "a", 1, 2), push(server, "b", 100)] == [200, 200]
        assert grpc_push(asker, server, 1, 2, key="a") == [], "taken over HTTP, and before a restart"
        grpc_push(asker, server, 1, 3, key="a", expect=invalid)
        assert "PushSourceNotFoundException" in grpc_push(asker, server, 1, source="order", expect=invalid)
        said = grpc_push(asker, server, 1000, "much", key="c", verdicts=True)
        assert said[:2] == [(1, 1), (2, 1)], said  # one accepted, one quarantined
        rows = [dict(fields(row)) for number, row in said if number == 4]
        assert rows[0] == {1: 1}, rows
        assert rows[1] == {1: 2, 2: b"orders", 3: b"wrong_type", 4: b"spend"}, rows
    with Server(project, "--grpc", "127.0.0.1:0") as server:
        assert "--push" in grpc_push(asker, server, 1, expect=unimplemented)
    project.run("run")
    assert project.sql("SELECT count(*) AS n, sum(spend) AS spend FROM lake.bronze.orders") == \
        [{"n": 5, "spend": 1113.0}]
    assert project.sql("SELECT count(*) AS n FROM lake.bronze.orders_quarantine") == [{"n": 1}]


def redis_server(folder, socket_file):
    """A Redis that keeps what it acknowledged, once it takes connections."""
    socket_file.unlink(missing_ok=True)
    # Debian's redis-tools holds the whole program; its name decides what it is.
    process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", str(socket_file), "--dir", str(folder), "--save", "",
                                "--appendonly", "yes", "--appendfsync", "always"],
                               executable=shutil.which("redis-check-rdb"), stdout=subprocess.DEVNULL)
    wait_for(socket_file.exists)
    return process


def store_away(program, folder, asker):
    """A store that is away is 503 and UNAVAILABLE, and that is said where supervisors look, until it is back."""
    project = Project(program, folder)
    project.write("data/orders/a.jsonl", "".join(json.dumps({"user_id": user, "spend": 7, "ts": f"2026-01-01T0{user}:00:00Z"}) + "\n"
                                                 for user in (1, 2)))
    socket_file = folder / "redis.sock"
    project.write("assay.yaml", ORDERS.replace("embedded:./online", f"redis+unix://{socket_file}"))
    redis = redis_server(folder, socket_file)
    try:
        project.run("apply")
        project.run("run")
        unavailable, serving, not_serving = 14, 1, 2
        question = message((2, message((1, "spending:total_24h"))), (3, message((1, "user_id"), (2, message((1, message((4, 1))))))))
        with Server(project, "--grpc", "127.0.0.1:0") as server:
            def features():
                return server.request("/get-online-features", {"features": ["spending:total_24h"], "entities": {"user_id": [1]}})

            def by_grpc():
                return subprocess.run([asker, server.grpc_address, "/feast.serving.ServingService/GetOnlineFeatures"], input=question,
                                      capture_output=True, timeout=60, check=False).returncode

            def is_well():
                found = (features()[0], by_grpc(), health(asker, server.grpc_address))
                assert found == (200, 0, serving), (found, features())
                assert '"values":[7.0]' in features()[1], features()

            assert server.request("/ready")[0] == 200
            is_well()
            redis.kill()
            redis.wait()
            assert server.request("/ready")[0] == 503
            assert (features()[0], by_grpc(), health(asker, server.grpc_address)) == (503, unavailable, not_serving)
            assert server.request("/health")[0] == 200
            assert health(asker, server.grpc_address, "grpc.health.v1.Health") == serving
            redis = redis_server(folder, socket_file)
            wait_for(lambda: server.request("/ready")[0] == 200)
            is_well()
    finally:
        redis.kill()
        redis.wait()


def full_disk(program, folder, asker):
    """A push that finds no room is refused, the server goes on, and the same push is taken once there is room."""
    project = Project(program, folder)
    small = folder / "data/orders"
    small.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True, check=False).returncode:
        print("no right to mount: a push to a full disk is tested by feast_endpoints_test alone")
        return
    try:
        project.write("assay.yaml", ORDERS)
        project.run("apply")
        project.run("run")
        exhausted = 8
        with Server(project, "--push", "--grpc", "127.0.0.1:0") as server:
            body = json.dumps({"push_source_name": "orders", "df": {"user_id": [1], "spend": [1], "ts": ["2026-01-01T00:00:00Z"]}})
            host, port = server.address.rsplit(":", 1)
            client = http.client.HTTPConnection(host, int(port), timeout=60)
            ballast = small / ".ballast"
            with ballast.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            status, text = ask(client, "/push", body, {"Idempotency-Key": "a"})
            assert status == 507, (status, text)
            grpc_push(asker, server, 1, key="b", expect=exhausted)
            assert ask(client, "/ready", None)[0] == 200, "reads go on"
            ballast.unlink()
            assert [ask(client, "/push", body, {"Idempotency-Key": "a"})[0] for _ in range(2)] == [200, 200]
            assert grpc_push(asker, server, 1, key="b") == grpc_push(asker, server, 1, key="b") == []
        project.run("run")
        assert project.sql("SELECT count(*) AS n FROM lake.bronze.orders") == [{"n": 2}]
    finally:
        subprocess.run(["umount", small], check=False)


def main(program, asker):
    root = new_folder("serving")
    try:
        project = flights_project(program, root / "project", 2)
        project.run("run")
        explained(project)
        stopping(project, asker)
        registry_server(project, asker)
        wrong_files(project)
        callers_and_rotation(project)
        pushes(program, root / "orders", asker)
        full_disk(program, root / "full", asker)
        store_away(program, root / "away", asker)
        print("servers take new certificates, know their callers, and take a push once")
    finally:
        remove(root)


if __name__ == "__main__":
    main(*sys.argv[1:])
