#!/usr/bin/env bash
# A table of the lake to the online store, embedded and Redis, and what Redis' own client reaches with pipelines of as
# many bytes a value, on one connection as ours. With MATERIALIZE_FEAST=yes Feast, which is fetched, materializes rows
# of the same shape, a tenth as many (it takes a tenth of a millisecond for each), and the ratio to it is printed.
#
#   bench/materialize.sh [ROWS]      1,000,000
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1000000}
dir=$(realpath "$(mktemp -d -p build)")
server=
end() {
  if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; fi
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap end EXIT

port=$(python3 -c 'import socket; held = socket.socket(); held.bind(("127.0.0.1", 0)); print(held.getsockname()[1])')
# Debian's redis-tools holds the whole program; its name decides what it is.
ln -s "$(command -v redis-check-rdb)" "$dir/redis-server"
"$dir/redis-server" --bind 127.0.0.1 --port "$port" --unixsocket "$dir/redis.sock" --save '' --dir "$dir" >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 100); do
  if [ -S "$dir/redis.sock" ]; then break; fi
  sleep 0.1
done
echo "redis-benchmark, SET of 132 bytes, one connection, 1,000 commands a pipeline:"
redis-benchmark -s "$dir/redis.sock" -t set -d 132 -c 1 -P 1000 -n "$rows" -r "$rows" --csv | tail -n 1
build/release/bench/materialize_bench "$rows" embedded "redis+unix://$dir/redis.sock" | tee "$dir/ours"
if [ "${MATERIALIZE_FEAST:-}" = yes ]; then
  tools/python_env.sh build/venv-feast tests/feast/requirements.txt
  build/venv-feast/bin/python bench/materialize_feast.py "$dir/feast" $((rows / 10)) "127.0.0.1:$port" 2>"$dir/feast.log" |
    grep '^feast ' | tee "$dir/theirs" || { tail -n 20 "$dir/feast.log" >&2; exit 1; }
  median() { grep "$1" "$2" | sed -E "s/.*$3.*/\\1/" | sort -n | awk '{all[NR] = $1} END {print all[int((NR + 1) / 2)]}'; }
  rate=': ([0-9]+) rows' processor='features, ([0-9.]+) us'
  for pair in "embedded sqlite" "redis redis"; do
    ours=$(median "^${pair% *}" "$dir/ours" "$rate") ours_processor=$(median "^${pair% *}" "$dir/ours" "$processor")
    theirs=$(median "^feast ${pair#* }" "$dir/theirs" "$rate") theirs_processor=$(median "^feast ${pair#* }" "$dir/theirs" "$processor")
    awk -v pair="$pair" -v o="$ours" -v t="$theirs" -v op="$ours_processor" -v tp="$theirs_processor" \
      'BEGIN {split(pair, n, " "); printf "ratio of %s to Feast into %s: %.0f by the clock, %.0f by processor time\n", n[1], n[2], o / t, tp / op}'
  done
fi
