#!/usr/bin/env python3
"""The same input cut into 1, 7 or 1,000 files, read with 1 or 4 threads, in large or small commits: identical
bits in gold, in the online store and in the training set.

    cut_test.py PROGRAM
"""

import sys

from project import flights_project, new_folder, read_flights, remove

DAYS = 3
HEADER = "date,origin,destination,distance,delay\n"


def cut(lines, parts):
    size = -(-len(lines) // parts)
    return [lines[i:i + size] for i in range(0, len(lines), size)]


def run_cut(program, root, parts, threads, epoch_rows):
    folder = root / f"cut_{parts}_{threads}_{epoch_rows}"
    project = flights_project(program, folder, DAYS)
    lines = read_flights(folder, DAYS)
    for file in (folder / "data/flights").iterdir():
        file.unlink()
    for number, part in enumerate(cut(lines, parts)):
        project.write(f"data/flights/part-{number:04d}.csv", HEADER + "\n".join(part) + "\n")
    project.run("run", "--threads", threads, "--epoch-rows", epoch_rows)
    hashes = {table: value for table, value in project.hashes().items() if table.startswith(("gold/", "online/"))}
    project.run("sql", "--to", "labels.parquet",
                "SELECT origin, destination, departure, distance, event_time FROM lake.silver.departures "
                "ORDER BY event_time, origin, destination, distance, delay")
    project.run("training-set", "delay_v1", "--labels", "labels.parquet", "--to", "training.csv")
    hashes["training set"] = (folder / "training.csv").read_bytes()
    return hashes


def main(program):
    root = new_folder("cut")
    try:
        expected = run_cut(program, root, 1, 1, 1_000_000)
        assert len(expected) >= 7, expected.keys()
        for parts, threads, epoch_rows in [(7, 4, 997), (1000, 1, 4000), (1000, 4, 1_000_000)]:
            found = run_cut(program, root, parts, threads, epoch_rows)
            for name in expected:
                assert found[name] == expected[name], f"{name} differs: {parts} files, {threads} threads, {epoch_rows} rows"
        print(f"4 cuts of {DAYS} days: {len(expected)} contents identical")
    finally:
        remove(root)


if __name__ == "__main__":
    main(sys.argv[1])
