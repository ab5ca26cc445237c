#!/usr/bin/env python3
"""Feast's own client, from PyPI, against our server: it opens an exported registry and asks `assay serve`. And Feast's Redis
store both ways: its client reads what Assay wrote, and Assay serves what Feast wrote.

    client_test.py PROGRAM

What the client must see is in checks.py and the files beside it, which run inside an environment of its own with Feast in it.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "line"))

import fixture
from project import CORRUPT, OK, SOURCE, STATE, USAGE, Project, Server, new_folder, remove

SECRET = "a secret of the shop"  # secured_checks.py says it


def feast_python():
    """Python with exactly the packages of requirements.txt."""
    environment = SOURCE / "build/venv-feast"
    subprocess.run([str(SOURCE / "tools/python_env.sh"), str(environment), str(HERE / "requirements.txt")], check=True)
    return environment / "bin/python"


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def document(program, python, root):
    """What docs/feast.md quotes under `<!-- run -->`, in one shell, with a port that is free."""
    script = "set -e\n"
    for language, body in re.findall(r"<!-- run -->\n```(sh|python)\n(.*?)```", (SOURCE / "docs/feast.md").read_text(), flags=re.S):
        script += body if language == "sh" else f"python - <<'END'\n{body}END\n"
    assert script.count("python - ") == 1 and script.count("feast -c") == 2, script
    address = free_address()
    script = script.replace("assay registry export feast", f"assay registry export feast --server http://{address}")
    script = script.replace("127.0.0.1:6566", address)
    path = f"{Path(program).resolve().parent}:{python.parent}:{os.environ['PATH']}"
    shell = subprocess.Popen(["bash", "-c", script], cwd=root, env={**os.environ, "PATH": path},
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        said, _ = shell.communicate(timeout=900)
        assert shell.returncode == 0 and "origin_delays" in said, said[-3000:]
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)


def start_redis(address, *words):
    # Debian's redis-tools holds the whole program; its name decides what it is.
    return subprocess.Popen(["redis-server", "--port", address.split(":")[1], "--save", "", *map(str, words)],
                            executable=shutil.which("redis-check-rdb"), stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def redis_cluster(root):
    """A Redis Cluster of two nodes, each with half of the slots, and where they are."""
    nodes, buses = [[free_address() for _ in range(2)] for _ in range(2)]
    servers = []

    def ask(node, *words):
        return subprocess.run(["redis-cli", "-p", node.split(":")[1], "cluster", *words], check=True, capture_output=True,
                              text=True, timeout=60).stdout

    try:
        for node, bus in zip(nodes, buses):
            folder = root / f"node_{len(servers)}"
            folder.mkdir()
            servers.append(start_redis(node, "--dir", folder, "--cluster-enabled", "yes", "--cluster-port", bus.split(":")[1]))
            wait_for(lambda: listens(node), "Redis does not come up")
        for node, slots in zip(nodes, [("0", "8191"), ("8192", "16383")]):
            ask(node, "addslotsrange", *slots)
        ask(nodes[0], "meet", *nodes[1].split(":"), buses[1].split(":")[1])
        wait_for(lambda: all("cluster_state:ok" in ask(node, "info") for node in nodes), "the cluster does not come up")
        yield nodes
    finally:
        for server in servers:
            server.kill()
            server.wait()


@contextlib.contextmanager
def redis_server(root):
    """A Redis server, and where it is."""
    address = free_address()
    server = start_redis(address, "--dir", root)
    try:
        wait_for(lambda: listens(address), "Redis does not come up")
        yield address
    finally:
        server.kill()
        server.wait()


def listens(address):
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def wait_for(condition, words, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, words
        time.sleep(0.05)


def run_python(python, file, *words):
    """A file of checks, inside Feast's environment; gives what it printed."""
    done = subprocess.run([str(python), str(HERE / file), *map(str, words)], timeout=900, capture_output=True, text=True)
    assert done.returncode == 0, f"{file} {words}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    print(done.stdout, end="", flush=True)
    return done.stdout


def redis_layout(program, python, root):
    """Values in a Redis server in Feast's own layout, read by Feast's client without any server of ours."""
    with redis_server(root) as address:
        project = Project(program, root / "redis")
        fixture.make(project)
        place = f"redis://{address}?feast={fixture.PROJECT}"
        definitions = fixture.DEFINITIONS.replace("embedded:./online", f'"{place}"')
        project.write("assay.yaml", definitions)
        project.run("apply")
        project.run("run")
        project.run("registry", "export", root / "redis/feast")
        run_python(python, "redis_checks.py", root / "redis/feast", address)
        basket = """  basket:
    entity: user_region
    from: order_rows
    features: {spend: latest, items: latest}
"""
        assert basket in definitions
        # What is served may be the definitions before; it is gone with those before these, which have other rows.
        for instead in ["", basket.replace("basket", "items")]:
            project.write("assay.yaml", definitions.replace(basket, instead))
            project.run("apply")
            project.run("run")
        run_python(python, "redis_checks.py", root / "redis/feast", address, "without", "basket")


def redis_cluster_layout(program, python, root):
    """The same in a cluster, where each of Feast's keys lies in the slot of its own name."""
    with redis_cluster(root) as nodes:
        project = Project(program, root / "redis_cluster")
        fixture.make(project)
        place = f"redis+cluster://{nodes[0]}?also={nodes[1]}&feast={fixture.PROJECT}"
        project.write("assay.yaml", fixture.DEFINITIONS.replace("embedded:./online", f'"{place}"'))
        project.run("apply")
        project.run("run")
        project.run("registry", "export", project.folder / "feast")
        run_python(python, "redis_checks.py", project.folder / "feast", ",".join(nodes))


def from_feast(program, python, root):
    """Feast goes on writing to its Redis, and Assay serves from there, until its own rows take over."""
    with redis_server(root) as address:
        repository = root / "written_by_feast"
        run_python(python, "from_feast.py", "write", repository, address)
        project = Project(program, root)
        project.run("import", "feast", repository, root / "from_feast")
        project.folder = root / "from_feast"
        text = (project.folder / "assay.yaml").read_text()
        feasts = text.replace("embedded:./online", f"'redis://{address}?from_feast=bought'")
        assert feasts != text
        project.write("assay.yaml", feasts)
        project.run("apply")
        with Server(project, "--grpc", "127.0.0.1:0") as server:  # nothing was run: the values are Feast's
            run_python(python, "from_feast.py", "compare", repository, server.address, server.grpc_address)
        project.run("run")
        project.run("verify", "both")  # what Feast serves is what the lake says
        question = {"features": ["people:n", "spending:spend"], "entities": {"user_id": [1, 2]}}

        def answers(server):
            status, said = server.request("/get-online-features", question)
            assert status == 200, said
            return [list(zip(result["values"], result["statuses"])) for result in json.loads(said)["results"][1:]]

        with Server(project, "--grpc", "127.0.0.1:0") as server:
            assert answers(server)[0][1] == (None, "NULL_VALUE"), answers(server)
            run_python(python, "from_feast.py", "newer", repository)
            wait_for(lambda: answers(server)[0][1] == (None, "NOT_FOUND"), "Redis does not let go of the row")
            assert answers(server)[1] == [(7.5, "PRESENT"), (None, "NOT_FOUND")], answers(server)
            run_python(python, "from_feast.py", "compare", repository, server.address, server.grpc_address)
        project.run("verify", "both", expect=CORRUPT)  # no file has what was written past the lake
        for views, people in [("people", "NOT_FOUND"), ("rates,lists", "NULL_VALUE")]:  # one after the other moves over
            project.write("assay.yaml", feasts.replace("=bought", f"=bought&from_feast_views={views}"))
            with Server(project) as server:
                assert answers(server)[1] == [(0.1, "PRESENT"), (None, "NOT_FOUND")], answers(server)
                assert answers(server)[0][1] == (None, people), answers(server)
        project.run("verify", "both")
        project.write("assay.yaml", feasts.replace("=bought", "=bought&from_feast_views=pepole"))
        _, said = project.run("run", expect=USAGE)
        assert "pepole" in said, said


def certificate(folder, name, *more):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", *more],
                   cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def registry_server(project, *words):
    """`assay registry serve`, and where it is."""
    file = project.folder / "registry.address"
    file.unlink(missing_ok=True)
    process = subprocess.Popen([project.program, "registry", "serve", "--grpc", "127.0.0.1:0", "--address-file", str(file), *words],
                               cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: process.poll() is not None or (file.exists() and file.read_text().strip()), "it does not come up")
        assert process.poll() is None, process.stderr.read()
        yield file.read_text().split()[0]
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == OK, said
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def secured(project, python, root):
    """Over TLS, for callers of an access file; the registry alone for clients with a certificate."""
    certificate(project.folder, "server", "-addext", "subjectAltName=IP:127.0.0.1")
    certificate(project.folder, "client", "-addext", "subjectAltName=URI:spiffe://test/client")
    caller = {"name": "shop", "secret_sha256": hashlib.sha256(SECRET.encode()).hexdigest(), "may": ["service:svc", "registry"]}
    project.write("access.json", json.dumps({"callers": [caller]}))
    words = ["--tls-cert", "server.pem", "--tls-key", "server.key", "--access", "access.json"]
    with Server(project, "--grpc", "127.0.0.1:0", *words) as server, \
            registry_server(project, *words, "--tls-client-ca", "client.pem") as registry:
        run_python(python, "secured_checks.py", root / "feast", f"https://{server.address}", server.grpc_address, registry,
                   *(project.folder / name for name in ["server.pem", "client.pem", "client.key"]))


def served_registry(project, python, root):
    """The registry alone: a client finds what there is, and it follows the definitions."""
    with registry_server(project) as registry, Server(project) as server:
        run_python(python, "registry_checks.py", root / "feast", registry, server.address, 7)
        text = (project.folder / "assay.yaml").read_text()
        wider = text.replace("  global_stats:\n", "  newest:\n    entity: user\n    from: order_rows\n    features: {spend: latest}\n  global_stats:\n")
        assert wider != text
        project.write("assay.yaml", wider)
        project.run("apply")
        project.run("run")
        run_python(python, "registry_checks.py", root / "feast", registry, server.address, 8)
        project.write("assay.yaml", text)
        project.run("apply")


def imported(program, python, root):
    """A repository that Feast made becomes a project that answers as Feast does."""
    done = subprocess.run([str(python), str(HERE / "repository.py"), str(root / "repository")], check=True, timeout=900,
                          capture_output=True, text=True)
    expected = json.loads(done.stdout.splitlines()[-1])
    project = Project(program, root)
    notes = [row["note"] for row in project.json("import", "feast", root / "repository", root / "imported")]
    assert notes == ["spending.Conv-Rate: called `conv_rate` here; names are lower-case letters, digits and _"], notes
    project.run("import", "feast", root / "repository", root / "imported", expect=STATE)  # nothing is overwritten
    project.folder = root / "imported"
    text = (project.folder / "assay.yaml").read_text()
    project.write("assay.yaml", text + "serving: {clock: data}\n")
    for words in [("validate",), ("plan",), ("apply",), ("run",)]:
        project.run(*words)
    with Server(project) as server:
        status, text = server.request("/get-online-features",
                                      {"feature_service": "both", "entities": {"user_id": [1, 2, 404]}})
        assert status == 200, text
        answer = json.loads(text)
        found = dict(zip(answer["metadata"]["feature_names"], [result["values"] for result in answer["results"]]))
        assert expected[3] == [0.25, None, None], expected
        assert [found[name] for name in ("age", "name", "spend", "conv_rate")] == expected, (found, expected)


def moved(program, python, root):
    """The repository that `feast init` makes becomes a project, as docs/feast.md says it: its list is that of the document,
    and what is kept is what Feast answers."""
    words = [str(python), str(HERE / "moved.py")]
    subprocess.run([*words, "make", str(root)], check=True, timeout=900, capture_output=True)
    project = Project(program, root)
    notes = [row["note"] for row in project.json("import", "feast", root / "Drivers", root / "moved")]
    quoted = re.search(r"```text\n(.*?)```", (SOURCE / "docs/feast.md").read_text(), flags=re.S)[1].splitlines()
    assert sorted(notes) == sorted(quoted), (notes, quoted)
    # The registry's file by itself has its paths begin where the folder has them begin.
    repository = root / "Drivers/feature_repo"
    for name, registry in [("by_file", repository / "data/registry.db"), ("by_store", repository / "feature_store.yaml")]:
        project.run("import", "feast", registry, root / name)
        assert (root / name / "feast.yaml").read_text() == (root / "moved/feast.yaml").read_text(), name
    alone = shutil.copy(repository / "data/registry.db", root / "alone.db")
    project.run("import", "feast", alone, root / "by_copy")
    assert f'path: "{root}/data/driver_stats.parquet"' in (root / "by_copy/feast.yaml").read_text()
    project.folder = root / "moved"
    for command in [("validate",), ("apply",), ("run",)]:
        project.run(*command)
    with Server(project, "--grpc", "127.0.0.1:0") as server:
        project.run("registry", "export", root / "moved/feast", "--server", f"http://{server.address}")
        run_python(python, "moved.py", "compare", root, server.address, server.grpc_address)


def main(program):
    python = feast_python()
    root = new_folder("feast")
    try:
        project = Project(program, root)
        fixture.make(project)
        project.run("apply")
        project.run("run")
        with Server(project, "--push", "--grpc", "127.0.0.1:0") as server:
            project.run("registry", "export", root / "feast", "--server", f"http://{server.address}")
            before = (root / "feast/registry.db").read_bytes()
            subprocess.run([str(python), str(HERE / "checks.py"), str(root / "feast"), server.grpc_address], check=True,
                           timeout=900)
            assert (root / "feast/registry.db").read_bytes() == before, "reading a registry must not change it"
            pushed(project, server)
            written(project, server, python, root)
            again, said = project.run("registry", "export", root / "feast", "--server", "http://elsewhere:1")
            assert "was there" in said and "featureView" in again, (again, said)
            assert server.address in (root / "feast/feature_store.yaml").read_text()
        secured(project, python, root)
        served_registry(project, python, root)
        document(program, python, root)
        imported(program, python, root)
        moved(program, python, root)
        redis_layout(program, python, root)
        redis_cluster_layout(program, python, root)
        from_feast(program, python, root)
    finally:
        remove(root)


def pushed(project, server):
    """A row that is pushed is served after the next run, and until then the server says that it is not."""
    body = {"push_source_name": "profiles", "df": {"user_id": [77], "age": [30], "ts": ["2026-04-10T00:00:01Z"]}}
    assert server.request("/push", body) == (200, ""), server.request("/push", body)
    wrong = {"push_source_name": "profiles", "verdicts": True,
             "df": {"user_id": [78, 79], "age": ["old", 5], "ts": ["2026-04-10T00:00:01Z"] * 2}}
    status, text = server.request("/push", wrong)
    assert status == 200, text
    said = json.loads(text)
    assert (said["accepted"], said["quarantined"]) == (1, 1) and said["rows"][0]["column"] == "age", said
    project.run("run")
    assert project.sql("SELECT count(*) AS n FROM lake.bronze.profiles_quarantine")[0]["n"] == 1
    status, text = server.request("/get-online-features", {"features": ["profile:age"], "entities": {"user_id": [77]}})
    assert status == 200 and '"values":[30]' in text, text
    # The newest event counts, in whichever order they come.
    for age, at, expected in [(20, "2026-04-09T23:59:59Z", 30), (31, "2026-04-10T00:00:02Z", 31), (21, "2026-04-01T00:00:00Z", 31)]:
        body["df"] = {"user_id": [77], "age": [age], "ts": [at]}
        assert server.request("/push", body) == (200, "")
        project.run("run")
        text = server.request("/get-online-features", {"features": ["profile:age"], "entities": {"user_id": [77]}})[1]
        assert f'"values":[{expected}]' in text, text
    assert server.request("/materialize-incremental", {"end_ts": "2026-11-01T00:00:00"}) == (200, "null")


def written(project, server, python, root):
    """What Feast's client writes into a view of newest values is a row of its source, and goes the way of all rows."""
    question = {"features": ["basket:spend", "basket:items"], "entities": {"user_id": [1], "region": ["eu"]}}
    run_python(python, "written.py", root / "feast")
    project.run("run")
    status, text = server.request("/get-online-features", question)
    assert status == 200 and [one["values"] for one in json.loads(text)["results"][2:]] == [[8.0], [8]], text
    rows = project.sql("SELECT spend, items FROM lake.silver.order_rows WHERE user_id = 1 AND region = 'eu' AND items > 6 ORDER BY items")
    assert [(row["spend"], row["items"]) for row in rows] == [(7.0, 7), (8.0, 8)], rows


if __name__ == "__main__":
    main(sys.argv[1])
