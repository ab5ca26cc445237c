#!/usr/bin/env python3
"""Ten million values of the flights project, online against offline, in ten samples: none differs.

    verify_many_test.py PROGRAM [VALUES]
"""

import sys

from project import flights_project, new_folder, remove


def main(program, values):
    root = new_folder("verify")
    try:
        project = flights_project(program, root / "project")
        project.run("run")
        compared = 0
        for seed in range(1, 11):
            report = project.json("verify", "delay_v1", "--sample", values // 10, "--instants", 500, "--seed", seed, timeout=1800)
            assert report["differ"] == 0, report
            compared += report["values"]
        assert compared >= values
        print(f"{compared} values compared, 0 differ")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000)
