#!/usr/bin/env python3
"""What /openapi.json says is what the server does: schemathesis makes requests from the document, right and wrong
ones, and compares statuses, content types and bodies with it. Of a server that everybody may ask, of one that takes
pushes, and of one with callers, who may do all, some or nothing.

    schemathesis_test.py PROGRAM
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "line"))
sys.path.insert(0, str(HERE.parent / "feast"))

import fixture
from project import SOURCE, Project, Server, flights_project, new_folder, remove

CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"
# Of a push that asks for no verdicts the answer is empty, as Feast's is, which a document cannot say.
WITHOUT_BODIES = "not_a_server_error,status_code_conformance,response_headers_conformance"
SECRETS = {"all": ["*"], "some": ["registry", "view:origin_delays", "source:flights"]}


def run(server, root, *words, checks=CHECKS, examples=40, hooks=None):
    environment = SOURCE / "build/venv-openapi"
    subprocess.run([str(SOURCE / "tools/python_env.sh"), str(environment), str(HERE / "requirements.txt")], check=True)
    more = {} if hooks is None else {"SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": str(HERE)}
    done = subprocess.run([str(environment / "bin/schemathesis"), "run", str(root / "openapi.json"), "--url",
                           f"http://{server.address}", "--checks", checks, "--max-examples", str(examples), "--seed", "7",
                           "--generation-deterministic", "--phases", "examples,coverage,fuzzing", "--suppress-health-check",
                           "all", *words],
                          capture_output=True, text=True, timeout=1800, cwd=root, env={**os.environ, **more})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print(done.stdout[-1500:], flush=True)


def get(server, path, secret=None):
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    with urllib.request.urlopen(urllib.request.Request(f"http://{server.address}{path}", headers=headers), timeout=60) as answer:
        return answer.read().decode()


def answered(metrics):
    """Endpoints and statuses that there were answers with."""
    found = set(re.findall(r'assay_serve_requests_total\{endpoint="([^"]*)",status="(\d+)"\} [1-9]', metrics))
    assert not [one for one in found if one[1] == "500"], found
    return found


def everybody(project, root):
    with Server(project, "--push") as server:
        (root / "openapi.json").write_text(get(server, "/openapi.json"))
        run(server, root, "--exclude-path", "/push")
        answered(get(server, "/metrics"))


def pushes(program, root):
    """To a source that takes them: with verdicts, of which there is a body, and as Feast's clients push."""
    project = Project(program, root / "pushes")
    fixture.make(project)
    project.run("apply")
    project.run("run")
    with Server(project, "--push") as server:
        run(server, root, "--include-path", "/push", hooks="push_hooks")
        run(server, root, "--include-path", "/push", checks=WITHOUT_BODIES)
        found = answered(get(server, "/metrics"))
        assert {("/push", "200"), ("/push", "422")} <= found, found
    project.run("run")  # what was taken in does the line no harm


def callers(project, root):
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in SECRETS}
    project.write("access.json", json.dumps({"callers": [
        {"name": name, "secret_sha256": hashes[name], "may": may} for name, may in SECRETS.items()]}))
    with Server(project, "--push", "--access", "access.json") as server:
        run(server, root, checks=WITHOUT_BODIES, examples=10)  # strangers
        found = answered(get(server, "/metrics", "all"))
        assert {status for path, status in found if path in ("/get-online-features", "/push", "/api/v1")} <= {"401", "405"}, found
        assert ("/push", "401") in found and ("/health", "200") in found, found
        for name in SECRETS:
            words = ["--header", f"authorization: Bearer {name}"]
            run(server, root, *words, "--exclude-path", "/push", examples=10)
            run(server, root, *words, "--include-path", "/push", checks=WITHOUT_BODIES, examples=10)
        found = answered(get(server, "/metrics", "all"))
        assert {("/metrics", "403"), ("/api/v1", "200"), ("/materialize", "403")} <= found, found


def main(program):
    root = new_folder("openapi")
    try:
        project = flights_project(program, root / "project", 2)
        project.run("run")
        everybody(project, root)
        pushes(program, root)
        callers(project, root)
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
