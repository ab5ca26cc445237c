#!/usr/bin/env bash
# A table of the lake to the online store, embedded and Redis, and what Redis' own client reaches with pipelines of as
# many bytes a value, on one connection as ours.
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

# Debian's redis-tools holds the whole program; its name decides what it is.
ln -s "$(command -v redis-check-rdb)" "$dir/redis-server"
"$dir/redis-server" --port 0 --unixsocket "$dir/redis.sock" --save '' --dir "$dir" >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 100); do
  if [ -S "$dir/redis.sock" ]; then break; fi
  sleep 0.1
done
echo "redis-benchmark, SET of 132 bytes, one connection, 1,000 commands a pipeline:"
redis-benchmark -s "$dir/redis.sock" -t set -d 132 -c 1 -P 1000 -n "$rows" -r "$rows" --csv | tail -n 1
build/release/bench/materialize_bench "$rows" embedded "redis+unix://$dir/redis.sock"
