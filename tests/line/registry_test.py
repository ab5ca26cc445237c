#!/usr/bin/env python3
"""Records in Confluent's wire format whose schemas a real registry has, in Avro and in Protobuf, by a real Kafka broker: written with an
older and a newer schema of their subject, with schemas that refer to others, with numbers that the registry does not have. The registry is
killed and started again while `assay up` reads and while it begins: every record is there once, as its writer's schema says.

    registry_test.py PROGRAM TOPIC_WRITER

The broker's address is in ASSAY_TEST_KAFKA, the registry's in ASSAY_TEST_REGISTRY, its folder in ASSAY_TEST_REGISTRY_DIR
(tools/servers/kafka.sh with tools/servers/schema_registry.sh with ...).
"""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

from kafka_test import BROKERS, check_balance
from project import SOURCE, Project, Server, new_folder, remove

URL = os.environ.get("ASSAY_TEST_REGISTRY", "")
FOLDER = os.environ.get("ASSAY_TEST_REGISTRY_DIR", "")
START_MS = 1_767_225_600_000  # 2026-01-01
UNKNOWN = 2_000_000_000  # a number that no schema has
DEADLINE = 300
AWAY = "assay_flow_source_away"

DEFINITIONS = """
sources:
  avro: {{kafka: {{brokers: "{brokers}", topics: {topic}_avro, format: avro, schema_registry: {{url: "{url}"}}}}}}
  protobuf: {{kafka: {{brokers: "{brokers}", topics: {topic}_protobuf, format: protobuf, schema_registry: {{url: "{url}"}}}}}}
bronze:
  avro: {{source: avro, {table}}}
  protobuf: {{source: protobuf, {table}}}
silver:
  clicks: {{from: avro, sql: "SELECT event_id, n, amount, country, ts AS event_time FROM avro"}}
  messages: {{from: protobuf, sql: "SELECT event_id, n, amount, country, ts AS event_time FROM protobuf"}}
entities:
  click: {{key: event_id, type: string}}
feature_views:
  of_avro: {{entity: click, from: clicks, features: {{n: latest, country: latest}}}}
  of_protobuf: {{entity: click, from: messages, features: {{n: latest, country: latest}}}}
"""
TABLE = ("key: [event_id], event_time: ts, partition_by: [], columns: {event_id: string!, n: int64!, amount: float64!, "
         "country: {type: string, default: none}, note: string, ts: timestamp!}")


def registry(action, *words):
    subprocess.run([SOURCE / "tools/servers/schema_registry.sh", action, FOLDER, *words], check=True, timeout=600, stdout=subprocess.DEVNULL)


def start_registry():
    registry("start", re.search(r":(\d+)/", URL).group(1))


def ask(method, path, body=None):
    request = urllib.request.Request(URL + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/vnd.schemaregistry.v1+json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error


def register(subject, schema, kind, references=()):
    """The number of a schema, a further version of its subject."""
    return ask("POST", f"/subjects/{subject}/versions", {"schema": schema, "schemaType": kind, "references": list(references)})["id"]


def varint(number):
    encoded = b""
    while number >= 0x80:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def zigzag(number):
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


class AvroTopic:
    """Its records, and the schemas that they are written with: the second has a field more, with a default, and larger types of two
    others; the third one's note is of a type that another subject has."""

    name = "avro"

    def __init__(self, subject):
        self.subject = subject
        fields = [{"name": "event_id", "type": "string"}, {"name": "n", "type": "int"}, {"name": "amount", "type": "float"},
                  {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}}]
        wider = [{"name": "country", "type": "string", "default": "XX"}, fields[0], {"name": "n", "type": "long"},
                 {"name": "amount", "type": "double"}, fields[3]]
        noted = [*wider, {"name": "note", "type": ["null", "shop.Note"], "default": None}]
        self.records = [json.dumps({"type": "record", "name": "Click", "namespace": "shop", "fields": one}) for one in (fields, wider, noted)]
        self.note = json.dumps({"type": "enum", "name": "Note", "namespace": "shop", "symbols": ["new", "seen"]})
        self.numbers = []

    def register(self, version):
        references = []
        if version == 2:
            register(f"{self.subject}-note", self.note, "AVRO")
            references = [{"name": "shop.Note", "subject": f"{self.subject}-note", "version": 1}]
        self.numbers.append(register(f"{self.subject}-value", self.records[version], "AVRO", references))

    @staticmethod
    def sized(value):
        return zigzag(len(value.encode())) + value.encode()

    def encode(self, version, i):
        """Record `i`, and the row that it is."""
        event, ts = f"e{i}", START_MS + i * 1000
        if version == 0:
            body = self.sized(event) + zigzag(i) + struct.pack("<f", i / 10) + zigzag(ts)
            return body, (event, i, struct.unpack("<f", struct.pack("<f", i / 10))[0], "none", None)
        country, n = f"C{i % 7}", i + (1 << 40)
        body = self.sized(country) + self.sized(event) + zigzag(n) + struct.pack("<d", i / 10) + zigzag(ts)
        if version == 1:
            return body, (event, n, i / 10, country, None)
        return body + zigzag(1) + zigzag(i % 2), (event, n, i / 10, country, ("new", "seen")[i % 2])


class ProtobufTopic:
    """The same: the second schema has a wider number and a field more, the third a message of another subject's file."""

    name = "protobuf"

    def __init__(self, subject):
        self.subject = subject
        head = 'syntax = "proto3";\npackage shop;\nimport "google/protobuf/timestamp.proto";\n'
        body = "message Click {{\n  string event_id = 1;\n  {n} n = 2;\n  double amount = 3;\n  google.protobuf.Timestamp ts = 4;\n{more}}}\n"
        country = "  optional string country = 5;\n"
        self.records = [head + body.format(n="int32", more=""), head + body.format(n="int64", more=country),
                        head + 'import "note.proto";\n' + body.format(n="int64", more=country + "  Note note = 6;\n")]
        self.note = 'syntax = "proto3";\npackage shop;\nenum Note {\n  new = 0;\n  seen = 1;\n}\n'
        self.numbers = []

    def register(self, version):
        references = []
        if version == 2:
            register(f"{self.subject}-note", self.note, "PROTOBUF")
            references = [{"name": "note.proto", "subject": f"{self.subject}-note", "version": 1}]
        self.numbers.append(register(f"{self.subject}-value", self.records[version], "PROTOBUF", references))

    @staticmethod
    def sized(field, value):
        return varint(field << 3 | 2) + varint(len(value)) + value

    def encode(self, version, i):
        event = f"e{i}"
        n = i + (1 << 40 if version else 0)
        body = (b"\0" + self.sized(1, event.encode()) + varint(2 << 3) + varint(n) + varint(3 << 3 | 1) + struct.pack("<d", i / 10) +
                self.sized(4, varint(1 << 3) + varint(START_MS // 1000 + i)))
        if version == 0:  # of a field without a value Protobuf writes nothing; event 0 has none at all
            return body, (event, n, i / 10, "none", None)
        country = f"C{i % 7}"
        body += self.sized(5, country.encode())
        if version == 1:
            return body, (event, n, i / 10, country, None)
        return body + varint(6 << 3) + varint(i % 2), (event, n, i / 10, country, ("new", "seen")[i % 2])


class Sender:
    """Who sends to a topic of one format; keeps the rows that it must become."""

    def __init__(self, writer, topic, kind):
        self.writer = writer
        self.topic = f"{topic}_{kind}"
        self.format = {"avro": AvroTopic, "protobuf": ProtobufTopic}[kind](self.topic)
        self.table = f"lake.bronze.{kind}"
        self.rows = {}

    def write(self, values):
        lines = "".join(f"{key}\t{value.hex()}\n" for key, value in values)
        subprocess.run([self.writer, BROKERS, self.topic, "2", "hex"], input=lines.encode(), check=True, timeout=120)

    def framed(self, number, body):
        return b"\0" + struct.pack(">I", number) + body

    def send(self, count, versions):
        """Records of these versions in turn."""
        values = []
        for at in range(count):
            i = len(self.rows) + 1
            version = versions[at % len(versions)]
            body, row = self.format.encode(version, i)
            self.rows[row[0]] = row
            values.append((f"k{i % 5}", self.framed(self.format.numbers[version], body)))
        self.write(values)

    def send_bad(self):
        """One whose schema nobody has, one cut short, one that is of none; gives why each is refused."""
        body, _ = self.format.encode(0, 1)
        self.write([("k", self.framed(UNKNOWN, body)), ("k", self.framed(self.format.numbers[0], body[:-3])), ("k", b"plain text")])
        return ["malformed", "malformed", "unknown_schema"]


class Line:
    def __init__(self, program, writer, root, topic):
        self.senders = [Sender(writer, topic, kind) for kind in ("avro", "protobuf")]
        self.project = Project(program, root / "registry")
        self.project.write("assay.yaml", "project: registry\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\n"
                                         "serving: {clock: data}\n")
        self.project.write("project.yaml", DEFINITIONS.format(brokers=BROKERS, topic=topic, url=URL, table=TABLE))

    def register(self, version):
        for sender in self.senders:
            sender.format.register(version)

    def send(self, count, versions):
        for sender in self.senders:
            sender.send(count, versions)

    def up(self):
        return Server(self.project, "--flush-every", "200ms", command="up")

    def rows(self, sender):
        return self.project.sql(f"SELECT event_id, n, amount, country, note FROM {sender.table}")

    def count(self, sender):
        return self.project.sql(f"SELECT count(*) AS n FROM {sender.table}")[0]["n"]

    def wait_for_all(self):
        wait_until(lambda: f"all rows; {[self.count(sender) for sender in self.senders]} are there, "
                           f"{self.project.json('quarantine', 'list')} refused",
                   lambda: all(self.count(sender) >= len(sender.rows) for sender in self.senders))

    def check(self):
        for sender in self.senders:
            found = [(row["event_id"], row["n"], row["amount"], row["country"], row["note"]) for row in self.rows(sender)]
            assert sorted(found) == sorted(sender.rows.values()), (sender.topic, sorted(found)[:5], len(found), len(sender.rows))
        check_balance(self.project, None)


def wait_until(what, is_it):
    """`what` says, when it was in vain, what was waited for."""
    deadline = time.monotonic() + DEADLINE
    while not is_it():
        assert time.monotonic() < deadline, "waited in vain for " + what()
        time.sleep(0.3)


def away(server):
    """Of how many tables the source is told to be away."""
    return sum(float(value) for value in re.findall(AWAY + r"\{.*\} (\S+)", server.request("/metrics")[1]))


def reads_versions(line):
    line.register(0)
    line.send(60, [0])
    line.register(1)
    line.send(60, [1, 0])
    line.project.run("apply")
    line.project.run("run", "--quiet")
    line.check()
    return "two versions of a schema, a field more and wider types: each record as its writer's says"


def loses_the_registry(line):
    with line.up() as server:
        line.send(40, [0, 1])
        line.wait_for_all()
        before = {sender.topic: len(sender.rows) for sender in line.senders}
        line.register(2)
        registry("kill")
        line.send(40, [2, 0, 1])
        wait_until(lambda: "word of the registry", lambda: away(server) == len(line.senders))
        for sender in line.senders:
            noted = line.project.sql(f"SELECT count(note) AS n FROM {sender.table}")[0]["n"]
            assert noted == 0, (sender.topic, noted, before)
        start_registry()
        line.wait_for_all()
        wait_until(lambda: "the registry's return", lambda: away(server) == 0)
    line.check()
    return "the registry is killed before a schema is asked for: the line waits, and goes on when it is back"


def begins_without_it(line):
    """Killed with records on their way, begun while the registry is away."""
    with line.up() as server:
        line.send(40, [0, 1, 2])
        registry("kill")
        server.process.send_signal(signal.SIGKILL)
        server.process.communicate()
        server.process.returncode = 0  # this end was asked for
    line.send(40, [2, 1, 0])
    with line.up():
        start_registry()
        line.wait_for_all()
    line.check()
    return "a line that is killed and begins while the registry is away has every record once"


def refuses(line):
    expected = {sender.topic: sender.send_bad() for sender in line.senders}
    line.send(20, [2, 1, 0])
    line.project.run("run", "--quiet")
    line.check()
    for sender in line.senders:
        reasons = sorted(row["reason"] for row in line.project.sql(f"SELECT reason FROM {sender.table}_quarantine"))
        assert reasons == expected[sender.topic], (sender.topic, reasons)
    return "numbers that it does not have, records cut short and records of no schema are in quarantine"


def main(program, writer):
    assert BROKERS and URL and FOLDER, "run it by tools/servers/kafka.sh with tools/servers/schema_registry.sh with"
    root = new_folder("registry")
    try:
        line = Line(program, writer, root, f"registry_{os.getpid()}")
        for case in (reads_versions, loses_the_registry, begins_without_it, refuses):
            print(case(line), flush=True)
    finally:
        remove(root)


if __name__ == "__main__":
    main(*sys.argv[1:])
