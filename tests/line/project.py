"""What the tests of the whole program share: a project in a folder of its own, and the program."""

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
# Exit codes, as src/base/error_table.cc has them.
OK, USAGE, STATE, NOT_FOUND, CORRUPT, REFUSED = 0, 2, 3, 4, 5, 6


class Project:
    """A project folder and the program that works on it."""

    def __init__(self, program, folder):
        self.program = str(Path(program).resolve())
        self.folder = Path(folder)

    def run(self, *words, expect=OK, timeout=300, env=None):
        """Run a command in the project; gives (stdout, stderr). The exit code must be `expect`."""
        done = subprocess.run([self.program, *map(str, words)], cwd=self.folder, capture_output=True, text=True,
                              timeout=timeout, env={**os.environ, **(env or {})})
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"assay {' '.join(map(str, words))}: exit {done.returncode}, expected {expect}\n"
                                 f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout, done.stderr

    def json(self, *words, **options):
        return json.loads(self.run(*words, "--output", "json", **options)[0])

    def sql(self, query):
        return self.json("sql", query)

    def hashes(self):
        """Content of every table and of the online store: {table: (rows, hash)}."""
        return {row["table"]: (row["rows"], row["hash"]) for row in self.json("lake", "hash", "--online")}

    def write(self, path, content):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            target.write_text(content)
        return target


class Server:
    """`assay serve`, or another command that serves, on a free port unless told otherwise; use as a context."""

    def __init__(self, project, *words, command="serve", name="serve", port=0):
        self.project = project
        self.words = words
        self.command = command
        self.name = name  # of its address file: those that run at the same time have others
        self.port = port

    def __enter__(self):
        address_file = self.project.folder / f"{self.name}.address"
        address_file.unlink(missing_ok=True)
        self.process = subprocess.Popen([self.project.program, self.command, "--http", f"127.0.0.1:{self.port}", "--address-file",
                                         str(address_file), *self.words], cwd=self.project.folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while not (address_file.exists() and address_file.read_text().strip()):
            if self.process.poll() is not None:
                raise AssertionError(f"assay {self.command} ended: " + self.process.stderr.read())
            if time.monotonic() > deadline:
                raise AssertionError("assay serve does not come up")
            time.sleep(0.02)
        self.address, *more = address_file.read_text().split()
        self.grpc_address = more[0] if more else None
        return self

    def __exit__(self, failure, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, error = self.process.communicate(timeout=60)
        if failure is not None:
            print(f"assay {self.command} said at last: {error[-3000:]}", file=sys.stderr)
        elif self.process.returncode != OK:
            raise AssertionError(f"assay serve ended with {self.process.returncode}: {error}")

    def request(self, path, body=None):
        """Status and body of one request; a dict is sent as JSON, bytes as they are."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        request = urllib.request.Request(f"http://{self.address}{path}", data=data,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def raw(self, data):
        """Send bytes on a connection of their own; gives what comes back until the server closes, which it must."""
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=120) as connection:
            connection.sendall(data)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received


def new_folder(name):
    return Path(tempfile.mkdtemp(prefix=f"assay_{name}_"))


def flights_project(program, folder, days=31):
    """A project from the flights template with the first `days` days of data, definitions applied."""
    project = Project(program, folder.parent)
    project.run("init", folder, "--template", "flights")
    for file in sorted((folder / "data/flights").iterdir())[days:]:
        file.unlink()
    project.folder = folder
    project.run("apply")
    return project


def read_flights(folder, days):
    """Lines of the first days' files, without headers."""
    lines = []
    for file in sorted((folder / "data/flights").iterdir())[:days]:
        lines += gzip.open(file, "rt").read().splitlines()[1:]
    return lines


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
