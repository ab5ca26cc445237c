#!/usr/bin/env python3
"""A broker that asks who one is: SASL over TLS by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, and what is said when a password, a certificate's
authority, a topic or a group is refused.

    ASSAY_KAFKA_SECURE=yes kafka.sh with kafka_security_test.py PROGRAM TOPIC_WRITER
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from project import Project, new_folder, remove

OPEN = os.environ.get("ASSAY_TEST_KAFKA", "")
SECURE = os.environ.get("ASSAY_TEST_KAFKA_SECURE", "")
FOLDER = Path(os.environ.get("ASSAY_TEST_KAFKA_DIR", ""))
EVENTS = 500
DEFINITIONS = """sources:
  clicks:
    kafka:
      brokers: "{brokers}"
      topics: {topic}
      options: {{security.protocol: SASL_SSL, sasl.mechanism: {mechanism}, sasl.username: {user}, sasl.password: "${{KAFKA_PASSWORD}}", ssl.ca.location: {ca}}}
bronze:
  clicks:
    source: clicks
    event_time: {{column: ts, unit: ms}}
    columns: {{user_id: string!, ts: timestamp!}}
"""


def make_project(program, root, name, user="reader", mechanism="PLAIN", ca="ca.pem", topic="open_clicks"):
    project = Project(program, root / name)
    project.write("assay.yaml", "project: secure\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\n")
    project.write("project.yaml", DEFINITIONS.format(brokers=SECURE, user=user, mechanism=mechanism, ca=FOLDER / ca, topic=topic))
    project.run("apply", env={**os.environ, "KAFKA_PASSWORD": "none"})
    return project


def run(project, password):
    began = time.monotonic()
    done = subprocess.run([project.program, "run", "--quiet"], cwd=project.folder, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "KAFKA_PASSWORD": password})
    return done.returncode, done.stderr, time.monotonic() - began


def expect_refused(project, password, code, *words):
    found, error, seconds = run(project, password)
    last = [line for line in error.splitlines() if line.startswith("assay: ")][-1]
    assert found == code, (found, error)
    for word in words:
        assert word in last, last
    assert password not in error, "a password was told"
    assert seconds < 20, f"{seconds:.1f} s until `{last}`"
    print(f"refused in {seconds:.1f} s: {last[:100]}", flush=True)


def test_mechanisms(program, root):
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        project = make_project(program, root, mechanism, mechanism=mechanism)
        code, error, _ = run(project, "reader-secret")
        assert code == 0, error
        rows = project.json("sql", "SELECT count(*) AS n FROM lake.bronze.clicks", env={**os.environ, "KAFKA_PASSWORD": "none"})[0]["n"]
        assert rows == EVENTS, rows
        print(f"{mechanism}: {rows} rows", flush=True)


def test_share(program, root):
    """Who may read a topic, but is in no group, is told so by `assay up --share`, and takes part when allowed."""
    project = make_project(program, root, "share", user="looker")
    env = {**os.environ, "KAFKA_PASSWORD": "looker-secret"}
    process = subprocess.Popen([program, "up", "--share", "--flush-every", "200ms"], cwd=project.folder, stderr=subprocess.PIPE, text=True, env=env)
    told = ""
    deadline = time.monotonic() + 60
    for line in process.stderr:
        told += line
        if "Group authorization failed" in line or "GROUP_AUTHORIZATION_FAILED" in line:
            break
        assert time.monotonic() < deadline, told
    else:
        assert "authorization" in told, told
    process.terminate()
    process.communicate(timeout=60)
    print("a group that is refused is told", flush=True)


def main():
    program, writer = sys.argv[1:]
    assert SECURE, "ASSAY_TEST_KAFKA_SECURE is not set; run it by ASSAY_KAFKA_SECURE=yes tools/servers/kafka.sh with"
    lines = "".join(f"u{i % 7}\t" + json.dumps({"user_id": f"u{i % 7}", "ts": 1767225600000 + i}) + "\n" for i in range(EVENTS))
    for topic in ("open_clicks", "closed_clicks"):
        subprocess.run([writer, OPEN, topic, "2"], input=lines, text=True, check=True, timeout=120)
    for user in ("reader", "looker"):
        subprocess.run([writer, OPEN, "open", "allow", user, "read", "topic"], check=True, timeout=120)
    subprocess.run([writer, OPEN, "assay", "allow", "reader", "read", "group"], check=True, timeout=120)
    root = new_folder("secure")
    try:
        test_mechanisms(program, root)
        wrong = make_project(program, root, "password")
        expect_refused(wrong, "not-this-one", 7, "source `clicks`", "authentication", "`sasl.password`")
        wrong = make_project(program, root, "scram", mechanism="SCRAM-SHA-512")
        expect_refused(wrong, "not-this-one", 7, "source `clicks`", "authentication", "`sasl.password`")
        wrong = make_project(program, root, "authority", ca="other.pem")
        expect_refused(wrong, "reader-secret", 7, "certificate", "`ssl.ca.location`")
        for name, user, topic in (("nobody", "nobody", "open_clicks"), ("closed", "reader", "closed_clicks")):
            refused = make_project(program, root, name, user=user, topic=topic)
            expect_refused(refused, f"{user}-secret", 6, topic, "Topic authorization failed")
        test_share(program, root)
    finally:
        remove(root)


if __name__ == "__main__":
    main()
