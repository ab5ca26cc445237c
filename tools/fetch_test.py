#!/usr/bin/env python3
"""What lies in .deps is of the versions that are pinned: the scripts that fetch it leave alone what is, and bring the rest anew.

  fetch_test.py        no registry is asked: the package clients here say that they were called, and fail
"""

import os
import pathlib
import subprocess
import tempfile

TOOLS = pathlib.Path(__file__).resolve().parent
FILES = {
    "fetch_librdkafka.sh": ["librdkafka.a", "include/librdkafka/rdkafka_mock.h"],
    "fetch_duckdb.sh": ["libduckdb.so", "duckdb.h", "httpfs.duckdb_extension"],
}
CLIENTS = ["npm", "python3", "make"]


def asks(script, pin, files, folder):
    """Whether a folder with these files and this pin makes the script ask a package client."""
    work = pathlib.Path(folder)
    (work / "bin").mkdir()
    for client in CLIENTS:
        stub = work / "bin" / client
        stub.write_text(f"#!/bin/sh\ntouch {work}/asked\nexit 1\n")
        stub.chmod(0o755)
    for name in files:
        path = work / "deps" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("held")
    (work / "deps").mkdir(exist_ok=True)
    if pin is not None:
        (work / "deps" / "pin").write_text(pin + "\n")
    environment = dict(os.environ, PATH=f"{work}/bin:{os.environ['PATH']}")
    done = subprocess.run([TOOLS / script, work / "deps"], env=environment, capture_output=True, timeout=120)
    asked = (work / "asked").exists()
    assert (done.returncode == 0) != asked, done.stderr.decode()
    return asked


def main():
    for script, files in FILES.items():
        pin = subprocess.run([TOOLS / script, "--pin"], check=True, capture_output=True, text=True).stdout.strip()
        for held, held_files, is_asked in [
            (pin, files, False),
            (pin.replace("1", "2"), files, True),  # another version
            (None, files, True),  # of who knows which
            (pin, files[:-1], True),  # not all of it
        ]:
            with tempfile.TemporaryDirectory() as folder:
                found = asks(script, held, held_files, folder)
                assert found == is_asked, f"{script} with pin {held} and {held_files}: asked {found}"
    print("ok")


if __name__ == "__main__":
    main()
