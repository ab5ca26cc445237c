"""What bench/restart.sh does while the broker runs.

    restart.py FOLDER USERS REPEATS RATE        FOLDER has the events: part-0.jsonl and part-1.jsonl
"""

import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSAY = str(ROOT / "build/release/bin/assay")
PROJECT = """sources:
  clicks: {{kafka: {{brokers: "{brokers}", topics: clicks}}}}
bronze:
  clicks:
    source: clicks
    key: [event_id]
    dedup_for: 1h
    event_time: {{column: ts, unit: ms}}
    columns: {{event_id: string!, user_id: string!, item_id: int64!, price: float64, ts: timestamp!}}
silver:
  events:
    from: clicks
    sql: SELECT user_id, item_id, price, ts AS event_time FROM clicks
    allowed_lateness: 2d
entities:
  user: {{key: user_id, type: string}}
feature_views:
  activity:
    entity: user
    from: events
    features:
      item_id: latest
      price: latest
  windows:
    entity: user
    from: events
    slide: 10m
    features:
      clicks: {{agg: count, over: [1h, 7d]}}
      spend: {{agg: sum, of: price, over: [1h, 7d]}}
"""
START_MS = 1_767_225_600_000
DAY_MS = 86_400_000
LIFE_SECONDS = 3  # from an answer to the next end: what comes meanwhile is in no table of the lake
FEATURES = ["activity:item_id", "activity:price", "windows:clicks_7d", "windows:spend_7d"]


class Load:
    """Events of a thousand users, and now and then of one that is new, sent at a steady rate of the day after all others."""

    def __init__(self, brokers, rate):
        self.rate = rate
        self.sent = 0
        self.probes = 0
        self.wanted = 0
        self.is_over = False
        self.writer = subprocess.Popen([ROOT / "build/release/tests/topic_writer", brokers, "clicks", "2"], stdin=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.send)
        self.thread.start()

    def event(self, user):
        self.sent += 1
        return json.dumps({"event_id": f"x{self.sent}", "user_id": user, "item_id": self.sent % 1000, "price": 1.5,
                           "ts": START_MS + DAY_MS + self.sent // 100})

    def send(self):
        began, base = time.monotonic(), 0
        while not self.is_over:
            lines = []
            if self.probes < self.wanted:
                self.probes += 1
                lines.append(f"probe\t{self.event(f'probe{self.probes}')}\n")
            while base < (time.monotonic() - began) * self.rate:
                base += 1
                user = f"u{base % 1000}"
                lines.append(f"{user}\t{self.event(user)}\n")
            self.writer.stdin.write("".join(lines))
            self.writer.stdin.flush()
            time.sleep(0.02)

    def probe(self):
        """The name of a user whose only event is sent now."""
        self.wanted += 1
        return f"probe{self.wanted}"

    def end(self):
        self.is_over = True
        self.thread.join()
        self.writer.stdin.close()
        assert self.writer.wait(timeout=300) == 0


def ask(address, user):
    """The values of a user, and whether each is there; nothing when there is no answer."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("POST", "/get-online-features", json.dumps({"features": FEATURES, "entities": {"user_id": [user]}}))
        reply = connection.getresponse()
        text = reply.read()
    except OSError:
        return None
    return [result["values"][0] for result in json.loads(text)["results"]] if reply.status == 200 else None


def first_answer(folder, users):
    """Seconds from the start of `assay up` to its first right answer, the process and its address."""
    began = time.monotonic()
    process = subprocess.Popen([ASSAY, "up", "--http", "127.0.0.1:0"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = None
    for line in process.stdout:
        found = re.search(r"http://([0-9.]+:[0-9]+)", line)
        if found:
            address = found.group(1)
            break
    assert address, f"it ended with {process.wait()}"
    user = users // 3
    while (values := ask(address, f"u{user}")) is None:
        assert time.monotonic() - began < 120 and process.poll() is None, "no answer came"
        time.sleep(0.005)
    seconds = time.monotonic() - began
    price = user % 97 + 0.5
    assert values == [f"u{user}", user % 1000, price, 1, price], values
    return seconds, process, address


def first_event(address, load, began):
    """Seconds since `began` until an answer has an event that was sent after the first answer."""
    user = load.probe()
    while (values := ask(address, user)) is None or values[1] is None:
        assert time.monotonic() - began < 600, f"no event of {user} comes"
        time.sleep(0.005)
    return time.monotonic() - began


def drop_memory():
    subprocess.run(["sync"], check=True)
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def spread(seconds):
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def main():
    place, users, repeats, rate = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    assert users >= 1_000_000, "of fewer no slide ends behind the event of the one that is asked for"
    brokers = os.environ["ASSAY_TEST_KAFKA"]
    subprocess.run([ROOT / "build/release/bench/stream_peers_bench", "send", place, "clicks"], check=True)
    folder = place / "project"
    folder.mkdir()
    (folder / "assay.yaml").write_text("project: restart\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: {clock: data}\n")
    (folder / "project.yaml").write_text(PROJECT.format(brokers=brokers))
    subprocess.run([ASSAY, "apply"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    subprocess.run([ASSAY, "run", "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    print(f"{users} entities from a topic into bronze, silver, gold and the online store in {time.monotonic() - began:.0f} s", flush=True)
    took = {"SIGTERM": [], "SIGKILL": [], "SIGKILL, files dropped from memory": []}
    events = {how: [] for how in took}
    _, process, _ = first_answer(folder, users)
    load = Load(brokers, rate)
    try:
        for _ in range(repeats):
            for how in took:
                time.sleep(LIFE_SECONDS)
                process.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
                process.communicate()
                if "dropped" in how and not drop_memory():
                    print("files cannot be dropped from memory here", flush=True)
                began = time.monotonic()
                seconds, process, address = first_answer(folder, users)
                took[how].append(seconds)
                events[how].append(first_event(address, load, began))
    finally:
        load.end()
    process.kill()
    process.communicate()
    for how, seconds in took.items():
        print(f"  start to first answer after {how}: {spread(seconds)}, to an event sent then {spread(events[how])}", flush=True)
    subprocess.run([ASSAY, "run", "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    count = subprocess.run([ASSAY, "sql", "SELECT count(*), count(DISTINCT event_id) FROM lake.bronze.clicks", "--output", "csv"], cwd=folder,
                           check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    assert count == f"{users + load.sent},{users + load.sent}", (count, users, load.sent)
    print(f"  {load.sent} events at {rate} a second meanwhile, each in the lake once", flush=True)


if __name__ == "__main__":
    main()
