#!/usr/bin/env bash
# Builds and runs the benchmarks. Each checks its answer and prints a ratio with its spread.
#
#   tools/bench.sh [NAME...]        those named, else all: `usual` below, then those beside other engines
#
# Other engines are fetched first: a broker, Spark and Flink where there is Maven, Feast, and its server in Go where there is Go. They
# take most of an hour; BENCH_PEERS=no leaves them out. Whatever was left out is said at the end.
#
# With BENCH_FULL=yes pit, training_file and window take the sizes of docs/benchmarks: some hours, and 20 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release -DASSAY_BUILD_BENCH=ON >/dev/null
cmake --build --preset release --target benchmarks
echo "# $(date -u +%Y-%m-%d), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), commit $(git rev-parse --short HEAD)"
usual=(window asof_join online_read lake_open lake_scan lake_append lake_commit lake_compact pit training_file json_decode stream
  window_read materialize serve_handler serve_http serve_grpc access)
names=("$@")
left_out=()
# beside PROGRAM NAME...: these too, where there is such a program
beside() {
  if [ "${BENCH_PEERS:-yes}" = yes ] && command -v "$1" >/dev/null; then names+=("${@:2}"); else left_out+=("${@:2}"); fi
}
if [ $# -eq 0 ]; then
  names=("${usual[@]}")
  beside mvn restart stream_peers
  beside go serve_peers
  if [ "${BENCH_PEERS:-yes}" = yes ]; then export MATERIALIZE_FEAST=yes; fi
fi
for name in "${names[@]}"; do
  echo "## $name"
  words=()
  case "${BENCH_FULL:-} $name" in "yes pit" | "yes training_file" | "yes window") words=(--full) ;; esac
  if [ -x "bench/$name.sh" ]; then "bench/$name.sh" "${words[@]}"; else "build/release/bench/${name}_bench"; fi
done
if [ ${#left_out[@]} -gt 0 ]; then
  echo "## left out"
  echo "Lines of docs/benchmarks that want other engines, which are fetched by mvn and go: make bench BENCH='${left_out[*]}'"
fi
