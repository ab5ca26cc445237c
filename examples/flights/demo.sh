#!/usr/bin/env bash
# The demo: real flights through the whole line, in a copy of this example. Every number is computed.
#
#   examples/flights/demo.sh path/to/assay [FOLDER]
set -euo pipefail
assay=$(realpath "${1:?path to the assay program}")
folder=${2:-build/demo}
export OMP_WAIT_POLICY=passive          # training threads that wait give the core away
started=$(date +%s.%N)
heading() { printf '\n== %s\n' "$*"; }

rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
"$assay" init "$folder" --template flights
cd "$folder"

heading "definitions: validate, plan, apply"
"$assay" validate
"$assay" plan --quiet | tail -n 1
"$assay" apply --quiet

heading "rows of every stage: in = out + filtered + duplicates + late + quarantined"
"$assay" run

heading "training set: point in time, from January's flights"
"$assay" sql --to labels.parquet "SELECT origin, destination, departure, distance, event_time, CAST(late AS BIGINT) AS label FROM lake.silver.departures ORDER BY sequence" --quiet
"$assay" training-set delay_v1 --labels labels.parquet --to training.parquet

heading "what a join that ignores known time gets wrong"
"$assay" leakage late

heading "model: trained on the first 80 % of the month, tested on later flights"
"$assay" train late

heading "served over HTTP"
"$assay" serve --http 127.0.0.1:0 --address-file serve.address >/dev/null 2>serve.log &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do [ -s serve.address ] && break; kill -0 "$server" || { cat serve.log; exit 1; }; sleep 0.1; done
address=$(cat serve.address)
entities='"origin": ["ORD"], "destination": ["LAX"], "departure": ["2001-01-31T17:00:00Z"], "distance": [1745]'
post() {  # post PATH BODY: the answer, then the latency of the best of 20 requests on one connection
  local out; out=$(mktemp)
  curl -sS -o "$out" -w '' -X POST -H 'Content-Type: application/json' -d "$2" "http://$address$1"
  cat "$out"; echo
  rm -f "$out"
  local urls=(); for _ in $(seq 20); do urls+=(-o /dev/null "http://$address$1"); done
  curl -sS -w '%{time_starttransfer}\n' -X POST -H 'Content-Type: application/json' -d "$2" "${urls[@]}" |
    sort -n | awk '{t[NR] = $1} END {printf "latency: median %.2f ms of %d requests on one connection\n", t[int((NR + 1) / 2)] * 1000, NR}'
}
post /get-online-features "{\"feature_service\": \"delay_v1\", \"entities\": {$entities}}"
post /predict "{\"model\": \"late\", \"entities\": {$entities}}"
kill "$server"; wait "$server" 2>/dev/null || true
trap - EXIT

heading "online against offline, bit for bit"
"$assay" verify delay_v1

heading "where to look next"
cat <<TEXT
  cd $folder
  assay status                                        where every stage stands
  assay lake list                                     the tables; any Delta reader opens them
  assay sql "SELECT * FROM lake.gold.origin_delays WHERE origin = 'ORD' ORDER BY known_time DESC LIMIT 5"
  assay get delay_v1 --entity origin=ORD,destination=LAX,departure=2001-01-20T10:00:00Z,distance=1745 --at 2001-01-20T10:00:00Z
  flights.yaml                                        the whole project in one file
TEXT
awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN {printf "\ndemo: %.1f s after the build\n", b - a}'
