#!/usr/bin/env python3
"""`assay run` on a project, ended by SIGKILL, then run again: every table's content hash and every
online value equal the undisturbed run's, and every account balances.

    kill_test.py PROGRAM [--kills 200] [--project flights|orders] [--days 31] [--seed 1]

The flights' rows only come; orders are a table of changes. --days: files of the project.

Half of the kills come at a random moment of the run, half at a random pass of a named place where commits
are made (ASSAY_FAIL_POINT), where mistakes would be.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import time

from changing_orders import orders_project
from project import SOURCE, flights_project, new_folder, remove

PROJECTS = {"flights": flights_project, "orders": orders_project}


def fail_points():
    """Names in the source, with the passes an undisturbed run makes of each being unknown."""
    names = set()
    for path in (SOURCE / "src").rglob("*.cc"):
        if not path.name.endswith(("_test.cc", "_fuzz.cc")):
            names |= set(re.findall(r'fail_point\("([a-z_.]+)"\)', path.read_text()))
    return sorted(names)


def check_balance(project):
    for stage in project.json("status"):
        assert stage["balanced"] is not False, stage  # null: no account of its own
        assert stage["lag"] == 0, stage


def start(project, env=None):
    # The clock stands: quarantine tables say when a record was received.
    return subprocess.Popen([project.program, "run", "--quiet"], cwd=project.folder, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL,
                            env={**os.environ, "ASSAY_NOW": "2026-01-01T00:00:00Z", **(env or {})})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--project", choices=PROJECTS, default="flights")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    root = new_folder("kill")
    try:
        project = PROJECTS[options.project](options.program, root / "project", options.days)
        pristine = root / "pristine"
        shutil.copytree(project.folder, pristine)
        began = time.monotonic()
        assert start(project).wait() == 0
        whole = time.monotonic() - began
        expected = project.hashes()
        check_balance(project)
        points = fail_points()
        print(f"seed {options.seed}: one run takes {whole:.1f} s, {len(expected)} contents, fail points: {', '.join(points)}",
              flush=True)
        assert points, "no fail point in the source"
        killed = {"random moment": 0, "fail point": 0, "ended before": 0}
        number = -1
        while killed["random moment"] + killed["fail point"] < options.kills:
            number += 1
            shutil.rmtree(project.folder)
            shutil.copytree(pristine, project.folder)
            if number % 2 == 0:
                process = start(project)
                time.sleep(chance.uniform(0, whole))
                process.send_signal(signal.SIGKILL)
                code = process.wait()
                kind = "random moment" if code == -signal.SIGKILL else "ended before"
            else:
                point = points[number // 2 % len(points)]
                code = start(project, {"ASSAY_FAIL_POINT": f"{point}:{chance.randint(1, 12)}"}).wait()
                kind = "fail point" if code == -signal.SIGKILL else "ended before"
            assert code in (0, -signal.SIGKILL), f"kill {number}: the run to be killed ended with {code} by itself"
            killed[kind] += 1
            code = start(project).wait()
            assert code == 0, f"kill {number}: the run after it ended with {code}"
            found = project.hashes()
            assert found == expected, f"kill {number} ({kind}): " + str(
                {name: (expected.get(name), found.get(name)) for name in expected.keys() | found.keys()
                 if expected.get(name) != found.get(name)})
            check_balance(project)
        print(f"{options.kills} of {options.kills} equal: {killed} (seed {options.seed})")
    finally:
        remove(root)


if __name__ == "__main__":
    main()
