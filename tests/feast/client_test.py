#!/usr/bin/env python3
"""Feast's own client, from PyPI, against our server: it opens an exported registry and asks `assay serve`.

    client_test.py PROGRAM

What the client must see is in checks.py, which runs inside an environment of its own with Feast in it.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "line"))

import fixture
from project import SOURCE, Project, Server, new_folder, remove


def feast_python():
    """Python with exactly the packages of requirements.txt."""
    environment = SOURCE / "build/venv-feast"
    subprocess.run([str(SOURCE / "tools/python_env.sh"), str(environment), str(HERE / "requirements.txt")], check=True)
    return environment / "bin/python"


def main(program):
    python = feast_python()
    root = new_folder("feast")
    try:
        project = Project(program, root)
        fixture.make(project)
        project.run("apply")
        project.run("run")
        with Server(project, "--push") as server:
            project.run("registry", "export", root / "feast", "--server", f"http://{server.address}")
            before = (root / "feast/registry.db").read_bytes()
            subprocess.run([str(python), str(HERE / "checks.py"), str(root / "feast"), f"http://{server.address}"],
                           check=True, timeout=600)
            assert (root / "feast/registry.db").read_bytes() == before, "reading a registry must not change it"
            pushed(project, server)
            again, said = project.run("registry", "export", root / "feast", "--server", "http://elsewhere:1")
            assert "was there" in said and "featureView" in again, (again, said)
            assert server.address in (root / "feast/feature_store.yaml").read_text()
    finally:
        remove(root)


def pushed(project, server):
    """A row that is pushed is served after the next run, and until then the server says that it is not."""
    body = {"push_source_name": "profiles", "df": {"user_id": [77], "age": [30], "ts": ["2026-04-10T00:00:01Z"]}}
    assert server.request("/push", body) == (200, ""), server.request("/push", body)
    project.run("run")
    status, text = server.request("/get-online-features", {"features": ["profile:age"], "entities": {"user_id": [77]}})
    assert status == 200 and '"values":[30]' in text, text
    assert server.request("/materialize-incremental", {"end_ts": "2026-11-01T00:00:00"}) == (200, "null")


if __name__ == "__main__":
    main(sys.argv[1])
