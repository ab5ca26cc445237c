#!/usr/bin/env bash
# Our server against Feast's in Python and in Go, both of which read a Redis that Feast itself filled with the same
# values: 1 x 10, 1 x 50 and 100 x 50 features, turn by turn, every answer compared. Feast is fetched, and its server in
# Go is built.
#
#   bench/serve_peers.sh [USERS [SECONDS]]      100,000 users, 4 seconds a measurement
set -euo pipefail
cd "$(dirname "$0")/.."
users=${1:-100000} seconds=${2:-4}
tools/python_env.sh build/venv-feast tests/feast/requirements.txt
go=$(tools/servers/feast_go.sh install)
python=$PWD/build/venv-feast/bin
dir=$(realpath "$(mktemp -d -p build)")
started=()
end() {
  local group
  for group in "${started[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap end EXIT
ports=($(python3 -c 'import socket
held = [socket.socket() for _ in range(4)]
for each in held: each.bind(("127.0.0.1", 0))
print(*[each.getsockname()[1] for each in held])'))

start() {  # LOG CMD...: in a group and session of its own
  local log=$dir/$1.log
  shift
  setsid "$@" >"$log" 2>&1 </dev/null &
  started+=($!)
}
answers() {  # NAME PORT: waits until something listens there
  local _
  for _ in $(seq 600); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  tail -n 20 "$dir/$1.log" >&2
  echo "serve_peers: $1 does not answer" >&2
  return 1
}

# Debian's redis-tools holds the whole program; its name decides what it is.
ln -s "$(command -v redis-check-rdb)" "$dir/redis-server"
start redis "$dir/redis-server" --port "${ports[0]}" --bind 127.0.0.1 --save '' --dir "$dir"
answers redis "${ports[0]}"
export FEAST_USAGE=False
"$python/python" bench/serve_feast.py "$dir/repo" "127.0.0.1:${ports[0]}" "$users" 2>"$dir/load.log" || { tail "$dir/load.log" >&2; exit 1; }
PATH=$python:$PATH start python "$python/feast" -c "$dir/repo" serve --host 127.0.0.1 --port "${ports[1]}" --workers 2 --max-requests 0 --no-access-log
python_server=${started[-1]}
start go "$go" -chdir "$dir/repo" -host 127.0.0.1 -port "${ports[2]}" -metrics-port "${ports[3]}"
go_server=${started[-1]}
answers python "${ports[1]}"
answers go "${ports[2]}"
build/release/bench/serve_peers_bench "$users" "$seconds" "Feast's Go" "${ports[2]}" "$go_server" "Feast's Python" "${ports[1]}" "$python_server"
