"""What bench/restart.sh does while the broker runs.

    restart.py FOLDER USERS REPEATS        FOLDER has the events: part-0.jsonl and part-1.jsonl
"""

import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
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
"""


def first_answer(folder, users):
    """Seconds from the start of `assay up` to its first right answer, and the process."""
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
    body = json.dumps({"features": ["activity:item_id", "activity:price"], "entities": {"user_id": [f"u{user}"]}})
    while True:
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request("POST", "/get-online-features", body)
            reply = connection.getresponse()
            text = reply.read()
            if reply.status == 200:
                break
        except OSError:
            pass
        assert time.monotonic() - began < 120 and process.poll() is None, "no answer came"
        time.sleep(0.005)
    seconds = time.monotonic() - began
    values = [result["values"][0] for result in json.loads(text)["results"]]
    assert values == [f"u{user}", user % 1000, user % 97 + 0.5], values
    return seconds, process


def drop_memory():
    subprocess.run(["sync"], check=True)
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def main():
    place, users, repeats = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
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
    _, process = first_answer(folder, users)
    for _ in range(repeats):
        for how, seconds in took.items():
            process.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
            process.communicate()
            if "dropped" in how and not drop_memory():
                print("files cannot be dropped from memory here", flush=True)
            again, process = first_answer(folder, users)
            seconds.append(again)
    process.kill()
    process.communicate()
    for how, seconds in took.items():
        print(f"  start to first answer after {how}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})", flush=True)


if __name__ == "__main__":
    main()
