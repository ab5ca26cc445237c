#!/usr/bin/env python3
"""Feast's own client, from PyPI, against our server: it opens an exported registry and asks `assay serve`.

    client_test.py PROGRAM

What the client must see is in checks.py, which runs inside an environment of its own with Feast in it.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "line"))

import fixture
from project import SOURCE, STATE, Project, Server, new_folder, remove


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
        if "assay serve" in body:
            script += "until [ -s address ] || ! kill -0 $!; do sleep 0.1; done\n"
    assert script.count("python - ") == 1 and script.count("feast -c") == 2, script
    address = free_address()
    script = script.replace("assay registry export feast", f"assay registry export feast --server http://{address}")
    script = script.replace("--http 127.0.0.1:6566", f"--http {address} --address-file address")
    path = f"{Path(program).resolve().parent}:{python.parent}:{os.environ['PATH']}"
    shell = subprocess.Popen(["bash", "-c", script + "kill $!; wait\n"], cwd=root, env={**os.environ, "PATH": path},
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        said, _ = shell.communicate(timeout=900)
        assert shell.returncode == 0 and "origin_delays" in said, said[-3000:]
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)


def redis_layout(program, python, root):
    """Values in a Redis server in Feast's own layout, read by Feast's client without any server of ours."""
    address = free_address()
    # Debian's redis-tools holds the whole program; its name decides what it is.
    server = subprocess.Popen(["redis-server", "--port", address.split(":")[1], "--save", "", "--dir", str(root)],
                              executable=shutil.which("redis-check-rdb"), stdout=subprocess.DEVNULL)
    try:
        project = Project(program, root / "redis")
        fixture.make(project)
        place = f"redis://{address}?feast={fixture.PROJECT}"
        project.write("assay.yaml", fixture.DEFINITIONS.replace("embedded:./online", f'"{place}"'))
        project.run("apply")
        project.run("run")
        project.run("registry", "export", root / "redis/feast")
        subprocess.run([str(python), str(HERE / "redis_checks.py"), str(root / "redis/feast"), address], check=True,
                       timeout=900)
    finally:
        server.kill()
        server.wait()


def imported(program, python, root):
    """A repository that Feast made becomes a project that answers as Feast does."""
    done = subprocess.run([str(python), str(HERE / "repository.py"), str(root / "repository")], check=True, timeout=900,
                          capture_output=True, text=True)
    expected = json.loads(done.stdout.splitlines()[-1])
    project = Project(program, root)
    project.run("import", "feast", root / "repository", root / "imported")
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
        assert [found[name] for name in ("age", "name", "spend")] == expected, (found, expected)


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
            again, said = project.run("registry", "export", root / "feast", "--server", "http://elsewhere:1")
            assert "was there" in said and "featureView" in again, (again, said)
            assert server.address in (root / "feast/feature_store.yaml").read_text()
        document(program, python, root)
        imported(program, python, root)
        redis_layout(program, python, root)
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
    assert server.request("/materialize-incremental", {"end_ts": "2026-11-01T00:00:00"}) == (200, "null")


if __name__ == "__main__":
    main(sys.argv[1])
