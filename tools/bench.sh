#!/usr/bin/env bash
# Builds and runs the benchmarks. Each checks its answer and prints a ratio with its spread.
#
#   tools/bench.sh [NAME...]        those named, else all of `usual` below, and restart where Maven can fetch a broker
#
# stream_peers and serve_peers run only when they are named: they fetch Spark and Flink, and Feast, and take a quarter of an hour
# each. Whatever was left out is said at the end.
#
# With BENCH_FULL=yes pit, training_file and window take the sizes of docs/benchmarks: some hours, and 20 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release -DASSAY_BUILD_BENCH=ON >/dev/null
cmake --build --preset release --target benchmarks
echo "# $(date -u +%Y-%m-%d), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), commit $(git rev-parse --short HEAD)"
usual=(window asof_join online_read lake_open lake_scan lake_append lake_commit lake_compact pit training_file json_decode stream
  window_read materialize serve_handler serve_http serve_grpc access)
left_out=(stream_peers serve_peers)
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  names=("${usual[@]}")
  if command -v mvn >/dev/null; then names+=(restart); else left_out=(restart "${left_out[@]}"); fi
fi
for name in "${names[@]}"; do
  echo "## $name"
  words=()
  case "${BENCH_FULL:-} $name" in "yes pit" | "yes training_file" | "yes window") words=(--full) ;; esac
  if [ -x "bench/$name.sh" ]; then "bench/$name.sh" "${words[@]}"; else "build/release/bench/${name}_bench"; fi
done
if [ $# -eq 0 ]; then
  echo "## left out"
  echo "Lines of docs/benchmarks that want other engines, which are fetched (Spark, Flink, Feast, a broker): make bench BENCH='${left_out[*]}'"
fi
