#!/usr/bin/env bash
# How long `assay up` takes from its start to its first answer, with the state of 10 M entities, latest values and windows of an hour
# and of seven days: a topic of an event a user is read into lake and online store; then, while other events come at a steady rate,
# the process ends by SIGTERM, and is killed with some seconds of them in its journal, also with what the machine had of files in memory
# dropped (where that is allowed), and is started again each time. Each answer is compared, and told is also when the first event is
# readable that was sent after it; at the end the lake has every event once.
#
#   bench/restart.sh       RESTART_USERS (10000000), RESTART_REPEATS (3), RESTART_RATE (10000) events a second
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath "$(mktemp -d -p build)")
trap 'rm -rf "$folder"' EXIT
users=${RESTART_USERS:-10000000} half=$((${RESTART_USERS:-10000000} / 2))
for part in 0 1; do
  seq $((part * half)) $((part * half + half - 1)) | awk '{
    printf "{\"event_id\":\"e%d\",\"user_id\":\"u%d\",\"item_id\":%d,\"price\":%d.5,\"ts\":%.0f}\n", $1, $1, $1 % 1000, $1 % 97, 1767225600000 + $1 % 86400000 }' \
    >"$folder/part-$part.jsonl"
done
ASSAY_KAFKA_HEAP=1g tools/servers/kafka.sh with python3 bench/restart.py "$folder" $((half * 2)) "${RESTART_REPEATS:-3}" "${RESTART_RATE:-10000}"
