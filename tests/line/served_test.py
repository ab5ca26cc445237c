#!/usr/bin/env python3
"""A server logs what it serves, also beside the line and through kills; `verify --served` finds every logged
answer in the offline tables, bit for bit.

    served_test.py PROGRAM
"""

import http.client
import os
import re
import signal
import sys
import time

from project import NOT_FOUND, Server, flights_project, new_folder, remove

DAYS = 3
AIRPORTS = ["ATL", "BOS", "DEN", "DFW", "JFK", "LAX", "ORD", "SFO"]


def metric(server, name):
    found = re.search(rf"^{name} (\d+)$", server.request("/metrics")[1], re.M)
    return int(found[1]) if found else 0


def ask(server, origins, destination="LAX"):
    body = {"feature_service": "delay_v1", "entities": {
        "origin": origins, "destination": [destination] * len(origins), "departure": ["2001-01-03T17:00:00Z"] * len(origins),
        "distance": [1000] * len(origins)}}
    status, text = server.request("/get-online-features", body)
    assert status == 200, text


def logged(project):
    return project.sql("SELECT count(*) AS n FROM lake.served.delay_v1")[0]["n"]


def kills(project):
    """`assay up` logs what it serves, and ended by a kill in the middle of a commit it loses what was not written."""
    many = AIRPORTS * 250
    for point, is_written in (("lake.write.before_sync", False), ("lake.commit.before_put", False),
                              ("lake.commit.after_put", True)):
        before = logged(project)
        os.environ["ASSAY_FAIL_POINT"] = point
        up = Server(project, "--log-share", "1", command="up", name="up")
        try:
            up.__enter__()
            del os.environ["ASSAY_FAIL_POINT"]
            ask(up, AIRPORTS)
            asked = len(AIRPORTS)
            deadline = time.monotonic() + 120
            while up.process.poll() is None:  # much waits, so it is written before a minute is over
                assert time.monotonic() < deadline, "nothing is written"
                try:
                    ask(up, many)
                    asked += len(many)
                except (OSError, http.client.HTTPException):
                    time.sleep(0.1)
            assert up.process.returncode == -signal.SIGKILL, up.process.returncode
        finally:
            os.environ.pop("ASSAY_FAIL_POINT", None)
            up.process.kill()
            up.process.communicate()
        after = logged(project)
        assert (before < after <= before + asked + len(many)) if is_written else after == before, (point, before, after, asked)
        with Server(project, "--log-share", "1", command="up", name="up") as server:
            ask(server, AIRPORTS)
        assert logged(project) == after + len(AIRPORTS), point


def main(program):
    root = new_folder("served")
    try:
        project = flights_project(program, root / "project", DAYS)
        project.run("run")
        _, error = project.run("verify", "delay_v1", "--served", expect=NOT_FOUND)
        assert "--log-share" in error, error
        with Server(project) as server:
            ask(server, AIRPORTS)
            assert metric(server, "assay_serve_logged_rows_total") == 0
        with Server(project, "--log-share", "1") as server:
            for _ in range(20):
                ask(server, AIRPORTS)
            ask(server, ["someone@example.com"], "nowhere")  # no stored key: never written down
            assert metric(server, "assay_serve_logged_rows_total") == 20 * len(AIRPORTS)
            assert metric(server, "assay_serve_log_dropped_rows_total") == 0
        with Server(project, "--log-share", "0.4") as server:
            ask(server, AIRPORTS)
            assert metric(server, "assay_serve_logged_rows_total") < len(AIRPORTS)
        rows = project.sql("SELECT count(*) AS n, count(DISTINCT origin) AS airports FROM lake.served.delay_v1")[0]
        assert rows["n"] > 20 * len(AIRPORTS) and rows["airports"] == len(AIRPORTS), rows
        report = project.json("verify", "delay_v1", "--served")
        assert report["differ"] == 0 and report["behind_values"] == 0, report
        assert report["served_answers"] == rows["n"] and report["values"] > 20 * rows["n"], report
        assert report["present"] > report["values"] // 2, report
        shown, _ = project.run("verify", "--served")
        assert f"verify: {report['values']} values compared, 0 differ" in shown, shown
        kills(project)
        report = project.json("verify", "delay_v1", "--served")
        assert report["differ"] == 0 and report["served_answers"] == min(logged(project), 100_000), report
        print(f"{report['values']} logged values compared, 0 differ")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
