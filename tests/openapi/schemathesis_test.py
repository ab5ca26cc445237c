#!/usr/bin/env python3
"""What /openapi.json says is what the server does: schemathesis makes requests from the document, right and wrong
ones, and compares statuses, content types and bodies with it.

    schemathesis_test.py PROGRAM
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "line"))

from project import SOURCE, Server, flights_project, new_folder, remove

# Of a push that asks for no verdicts the answer is empty, as Feast's is, which a document cannot say.
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


def run(address, folder):
    environment = SOURCE / "build/venv-openapi"
    subprocess.run([str(SOURCE / "tools/python_env.sh"), str(environment), str(HERE / "requirements.txt")], check=True)
    done = subprocess.run([str(environment / "bin/schemathesis"), "run", f"http://{address}/openapi.json", "--checks", CHECKS,
                           "--max-examples", "40", "--seed", "7", "--generation-deterministic", "--phases",
                           "examples,coverage,fuzzing", "--exclude-path", "/push", "--suppress-health-check", "all"],
                          capture_output=True, text=True, timeout=1800, cwd=folder)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print(done.stdout[-1500:])


def main(program):
    root = new_folder("openapi")
    try:
        project = flights_project(program, root / "project", 2)
        project.run("run")
        with Server(project, "--push") as server:
            run(server.address, root)
            metrics = server.request("/metrics")[1]
            assert not re.search(r'assay_serve_requests_total\{[^}]*status="500"', metrics), metrics
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
