#!/usr/bin/env python3
"""Ten million values of five public data sets, online against offline, in several samples each: none differs.

    ASSAY_DATASETS=FOLDER verify_many_test.py PROGRAM [VALUES [DATASET...]]
"""

import sys
import time

from datasets import DEFINITIONS, dataset_project
from project import new_folder, remove

SAMPLE_MAX = 2_000_000


def verify(program, root, name, values):
    """Compare at least so many values of one data set; gives how many there were, and how many had a value."""
    project = dataset_project(program, root, name)
    compared, present, seed = 0, 0, 0
    while compared < values or seed < 2:
        seed += 1
        sample = min(SAMPLE_MAX, values // 2)
        report = project.json("verify", "v1", "--sample", sample, "--instants", 500, "--seed", seed, timeout=5000)
        assert report["differ"] == 0, report
        compared += report["values"]
        present += report["present"]
    assert present > compared // 20, (name, compared, present)
    return compared, present


def main(program, values, names):
    total = 0
    for name in names:
        root = new_folder("verify")
        try:
            begin = time.monotonic()
            compared, present = verify(program, root, name, values // len(names))
            print(f"{name}: {compared} values compared, {present} of them present, 0 differ, {time.monotonic() - begin:.0f} s", flush=True)
            total += compared
        finally:
            remove(root)
    assert total >= values
    print(f"{total} values compared, 0 differ")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000, sys.argv[3:] or list(DEFINITIONS))
