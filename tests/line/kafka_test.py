#!/usr/bin/env python3
"""`assay up` and `assay run` on a real Kafka broker, beside crash_matrix_test.py: topics straight into the online store, and values and
predictions that go to topics, through kills; a topic of another form; the documents' commands.

    kafka_test.py PROGRAM [--kills 6] [--events 60000] [--seed 1]

The broker's address is in ASSAY_TEST_KAFKA (tools/servers/kafka.sh with ...).
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from datetime import datetime

from project import SOURCE, Project, new_folder, remove

BROKERS = os.environ.get("ASSAY_TEST_KAFKA", "")
# Columns that say which record of which source a row came from; they differ between a topic and files.
POSITIONS = {"sequence", "_timestamp"}
# Of the live shop's windows: an event counts from the end of its slide on.
SLIDE = "10 seconds"


def make_project(program, folder, topic):
    """The live shop over topics of its own, or over files when `topic` is None."""
    project = Project(program, folder.parent)
    project.run("init", folder, "--template", "shop_live")
    project.folder = folder
    text = (folder / "shop.yaml").read_text().replace("slide: continuous", "slide: " + SLIDE.replace(" seconds", "s"))
    if topic is None:
        text = re.sub(r"kafka:\n      brokers: .*\n      topics: (\w+)", r"files: {path: data/\1, format: json}", text)
        text = re.sub(r"      _timestamp: .*\n", "", text)
    else:
        text = re.sub(r"topics: (\w+)", rf"topics: {topic}_\1", text)
        # Rows are judged by what they say, not by when the test runs.
        text = text.replace("      _timestamp: timestamp          # when the broker or the producer says it was sent\n", "")
    project.write("shop.yaml", text)
    project.write("assay.yaml", (folder / "assay.yaml").read_text() + "serving: {clock: data}\n")
    project.run("apply", env={"KAFKA_BROKERS": BROKERS or "127.0.0.1:1"})
    return project


def content(project, env):
    """Rows and hash of every table, without positions, and of the online store."""
    found = {}
    for row in project.json("lake", "list", env=env):
        table = row["table"]
        name = "lake." + table.replace("/", ".")
        columns = [c["column_name"] for c in project.json("sql", f"DESCRIBE SELECT * FROM {name}", env=env)]
        if table.endswith("_quarantine"):
            kept = ["reason", "payload"]
        else:
            kept = [c for c in columns if c not in POSITIONS]
        row = ", ".join(f"{c}::VARCHAR" for c in kept)
        found[table] = project.json("sql", f"SELECT count(*) AS n, sum(hash({row}))::VARCHAR AS h FROM {name}", env=env)[0]
    for row in project.json("lake", "hash", "--online", env=env):
        if row["table"].startswith("online"):
            found[row["table"]] = row["hash"]
    return found


def check_balance(project, env):
    for stage in project.json("status", env=env):
        assert stage["balanced"] is not False, stage


def start_up(project, env, flush_every="200ms", *words):
    return subprocess.Popen([project.program, "up", "--flush-every", flush_every, *words], cwd=project.folder,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)


def stop(process):
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=300)
    # Asked before it listens to signals it just ends.
    assert process.returncode in (0, -signal.SIGTERM), f"assay up ended with {process.returncode}: {error[-2000:]}"


def event_words(options):
    """A quarter of an hour of events: what comes late comes within the hour that the table allows."""
    return ["generate", "events", "--count", str(options.events), "--users", "200", "--seed", str(options.seed),
            "--rate", str(options.events / 900)]


def test_no_lake(program, root, options):
    """Topics straight into the online store, through kills: the rows of `assay run` over the same events in files."""
    topic = f"direct_{os.getpid()}"
    env = {**os.environ, "KAFKA_BROKERS": BROKERS}
    files = make_project(program, root / "direct_files", None)
    for name in ("users", "clicks"):
        (files.folder / "data" / name).mkdir(parents=True, exist_ok=True)
    files.run("generate", "users", "--count", 200, "--to", "data/users/users.jsonl")
    files.run(*event_words(options), "--to", "data/clicks/clicks.jsonl", timeout=600)
    files.run("run", "--quiet", env=env)
    project = make_project(program, root / "direct", topic)
    shutil.copytree(files.folder / ".assay", project.folder / ".assay", dirs_exist_ok=True)
    settings = re.sub(r"lake: .*\n", "", (project.folder / "assay.yaml").read_text()) + "lake: none\n"
    project.write("assay.yaml", settings)
    project.run("generate", "users", "--count", 200, "--kafka", BROKERS, "--topic", f"{topic}_users")
    project.run(*event_words(options), "--kafka", BROKERS, "--topic", f"{topic}_clicks", "--partitions", 3, timeout=600)
    chance = random.Random(options.seed)
    for kill in range(options.kills):
        process = start_up(project, env)
        time.sleep(chance.uniform(0.3, 3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"kill {kill}: it ended with {process.returncode} by itself"
    project.run("run", "--quiet", env=env, timeout=900)
    online = {p: {row["table"]: row["hash"] for row in p.json("lake", "hash", "--online", env=env)
                  if row["table"].startswith("online")} for p in (files, project)}
    assert online[project] == online[files], online
    print(f"without a lake, {options.kills} kills: {len(online[files])} online views equal those of files", flush=True)


def read_published(program, folder, topic, env, value="features"):
    """What a topic has for consumers of committed records, by a project that reads it: of each key its records in
    order, as (version, features), or of a model as (instant, prediction)."""
    reader = Project(program, folder.parent)
    reader.run("init", folder, "--template", "shop_live")
    reader.folder = folder
    reader.write("shop.yaml", f"""
sources:
  changes: {{kafka: {{brokers: "{BROKERS}", topics: {topic}}}}}
bronze:
  changes:
    source: changes
    columns: {{_key: string, _partition: int64, _offset: int64, _headers: string, {value}: {"string" if value == "features" else "float64"}}}
    partition_by: []
""")
    reader.run("apply", env=env)
    reader.run("run", "--quiet", env=env)
    assert reader.json("quarantine", "list", env=env) == []
    found = {}
    rows = reader.json("sql", f"SELECT _key, _headers, {value} AS value FROM lake.bronze.changes "
                              "ORDER BY _partition, _offset", env=env)
    for row in rows:
        headers = json.loads(row["_headers"])
        at = int(headers["assay.version"]) if value == "features" else datetime.fromisoformat(headers["assay.as_of"][:-1])
        found.setdefault(row["_key"], []).append((at, row["value"]))
    return found


def publishing_project(program, folder, topic, published, env):
    project = make_project(program, folder, topic)
    text = (project.folder / "shop.yaml").read_text()
    publish = f'    publish: {{kafka: {{brokers: "{BROKERS}", topic: {published}}}}}\n'
    project.write("shop.yaml", text.replace("    from: events\n    ttl", f"    from: events\n{publish}    ttl"))
    project.run("apply", env=env)
    project.run("generate", "events", "--count", 0, "--kafka", BROKERS, "--topic", published, "--partitions", 2)
    return project


def wait_for_values(project, env):
    """Run until an event counts by the data's own clock: before that there is nothing to publish."""
    deadline = time.monotonic() + 300
    while not project.sql(f"SELECT count(*) AS n FROM lake.bronze.clicks WHERE time_bucket(INTERVAL '{SLIDE}', event_time) "
                          f"+ INTERVAL '{SLIDE}' <= (SELECT max(known_time) FROM lake.bronze.clicks)")[0]["n"]:
        assert time.monotonic() < deadline, "no event's slide has ended"
        time.sleep(0.5)
        project.run("run", "--quiet", env=env, timeout=900)


def test_published(program, root, options):
    """Values go to a topic in transactions while the line is killed: in them, behind them, and at random moments."""
    env = {**os.environ, "KAFKA_BROKERS": BROKERS}
    topic = f"published_{os.getpid()}"
    for name, words in (("users", ["users", "--count", 200]), ("clicks", ["events", "--count", 0, "--partitions", 3])):
        subprocess.run([program, "generate", *map(str, words), "--kafka", BROKERS, "--topic", f"{topic}_{name}"], check=True,
                       cwd=root)
    project = publishing_project(program, root / "killed", topic, f"{topic}_killed", env)
    sender = subprocess.Popen([program, "generate", "events", "--count", "10000000", "--users", "200", "--live",
                               "--rate", "200", "--late", "0", "--kafka", BROKERS, "--topic", f"{topic}_clicks"],
                              cwd=root, stderr=subprocess.DEVNULL)
    chance = random.Random(options.seed)
    points = ["flow.publish.before_commit:1", "flow.publish.after_commit:1", "flow.publish.before_commit:2",
              "flow.gold.before_commit:2", None, None]
    for point in points:
        process = start_up(project, {**env, "ASSAY_FAIL_POINT": point or ""})
        if point is None:
            time.sleep(chance.uniform(1, 4))
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, f"{point}: it ended with {process.returncode} by itself"
    wait_for_values(project, env)
    sender.kill()
    sender.wait()
    project.run("run", "--quiet", env=env, timeout=900)
    publishing_project(program, root / "undisturbed", topic, f"{topic}_once", env).run("run", "--quiet", env=env, timeout=900)

    found = read_published(program, root / "reader", f"{topic}_killed", env)
    for key, records in found.items():
        versions = [version for version, _ in records]
        assert versions == sorted(set(versions)), f"{key}: {versions}"
    last = {key: records[-1][1:] for key, records in found.items()}
    once = read_published(program, root / "reader_once", f"{topic}_once", env)
    more = {key: records for key, records in once.items() if len(records) != 1}
    assert once and not more, f"{len(once)} entities, of which these have more than one record: {more}"
    assert last == {key: records[-1][1:] for key, records in once.items()}
    count = sum(len(records) for records in found.values())
    print(f"published through {len(points)} kills: {count} changes of {len(last)} entities, none twice, none missing",
          flush=True)


MODEL = """
models:
  buys:
    service: shopper_v1
    labels: {{from: events, column: "event_type = 'purchase'"}}
    train: {{trees: 10, depth: 3}}
    publish: {{kafka: {{brokers: "{brokers}", topic: {topic}}}}}
"""


def test_published_model(program, root, options):
    """A model's predictions go to a topic while the line is killed. Two projects have the model and the tables of the
    same instant and read on from there, one of them undisturbed; in the end both topics say the same of everybody."""
    env = {**os.environ, "KAFKA_BROKERS": BROKERS}
    topic = f"scored_{os.getpid()}"
    killed = make_project(program, root / "scored", topic)
    killed.run("generate", "users", "--count", 200, "--kafka", BROKERS, "--topic", f"{topic}_users")
    killed.run("generate", "events", "--count", 0, "--kafka", BROKERS, "--topic", f"{topic}_clicks", "--partitions", 3)
    sender = subprocess.Popen([program, "generate", "events", "--count", "10000000", "--users", "200", "--live",
                               "--rate", "200", "--late", "0", "--kafka", BROKERS, "--topic", f"{topic}_clicks"],
                              cwd=root, stderr=subprocess.DEVNULL)
    definitions = (killed.folder / "shop.yaml").read_text()
    killed.write("shop.yaml", definitions + MODEL.format(brokers=BROKERS, topic=f"{topic}_killed"))
    killed.run("apply", env=env)
    killed.run("generate", "events", "--count", 0, "--kafka", BROKERS, "--topic", f"{topic}_killed", "--partitions", 2)
    killed.run("generate", "events", "--count", 0, "--kafka", BROKERS, "--topic", f"{topic}_once", "--partitions", 2)
    killed.run("run", "--quiet", env=env, timeout=900)
    wait_for_values(killed, env)
    killed.run("train", "buys", env=env, timeout=900)
    shutil.copytree(killed.folder, root / "scored_once")
    once = Project(program, root)
    once.folder = root / "scored_once"
    once.write("shop.yaml", definitions + MODEL.format(brokers=BROKERS, topic=f"{topic}_once"))
    once.run("apply", env=env)
    chance = random.Random(options.seed)
    points = ["flow.publish.before_commit:1", "flow.publish.after_commit:1", "flow.publish.before_commit:2",
              "flow.gold.before_commit:2", *[None] * options.kills]
    for point in points:
        process = start_up(killed, {**env, "ASSAY_FAIL_POINT": point or ""})
        if point is None:
            time.sleep(chance.uniform(1, 4))
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, f"{point}: it ended with {process.returncode} by itself"
    sender.kill()
    sender.wait()
    for project in (killed, once):
        project.run("run", "--quiet", env=env, timeout=900)
    found = read_published(program, root / "scores", f"{topic}_killed", env, "prediction")
    expected = read_published(program, root / "scores_once", f"{topic}_once", env, "prediction")
    for key, records in found.items():
        instants = [at for at, _ in records]
        assert instants == sorted(instants) and len(records) == len(set(records)), f"{key}: {records}"
    last, once_last = ({key: records[-1][1] for key, records in all_of.items()} for all_of in (found, expected))
    assert once_last and last == once_last, {key: (last.get(key), once_last.get(key)) for key in last.keys() | once_last.keys()
                                             if last.get(key) != once_last.get(key)}
    count = sum(len(records) for records in found.values())
    print(f"a model's predictions through {len(points)} kills: {count} of {len(found)} entities, none twice, none missing",
          flush=True)


def test_broken_schema(program, root):
    topic = f"broken_{os.getpid()}"
    env = {**os.environ, "KAFKA_BROKERS": BROKERS}
    project = make_project(program, root / "broken", topic)
    for name in ("users", "clicks"):
        # Users where clicks should be: every record lacks what a click must have.
        project.run("generate", "users", "--count", 2000, "--kafka", BROKERS, "--topic", f"{topic}_{name}")
    _, error = project.run("run", env=env, expect=3)
    assert "their form has changed" in error, error
    print("a topic of another form stops the line", flush=True)


def test_documents(program, root):
    """The commands of the live shop's page, all of them as they are written, then those of the streams' page."""
    pages = "".join((SOURCE / page).read_text() for page in ("examples/shop_live/README.md", "docs/streams.md"))
    commands = "".join(re.findall(r"<!-- run with kafka -->\n```sh\n(.*?)```", pages, flags=re.S))
    folder = root / "documents"
    folder.mkdir()
    env = {**os.environ, "KAFKA_BROKERS": BROKERS, "PATH": f"{os.path.dirname(os.path.abspath(program))}:{os.environ['PATH']}"}
    shell = subprocess.Popen(["bash", "-c", "set -e\n" + commands], cwd=folder, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said, _ = shell.communicate(timeout=1800)
    finally:  # whatever fails, nothing that was started stays
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert shell.returncode == 0, said
    answers = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert len(answers) == 2 and answers[0] != answers[1], said
    found = answers[1]["results"][answers[1]["metadata"]["feature_names"].index("clicks_1h")]["values"]
    assert any(found), said
    print("the live shop runs as its page says", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    assert BROKERS, "ASSAY_TEST_KAFKA is not set; run it by tools/servers/kafka.sh with"
    root = new_folder("kafka")
    try:
        test_no_lake(options.program, root, options)
        test_published(options.program, root, options)
        test_published_model(options.program, root, options)
        test_broken_schema(options.program, root)
        test_documents(options.program, root)
    finally:
        remove(root)


if __name__ == "__main__":
    main()
