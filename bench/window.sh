#!/usr/bin/env bash
# Backfill of hopping windows against DuckDB, one thread each, answers compared. tools/bench.sh runs it.
#
#   bench/window.sh            300,000 events of 10,000 users, three repeats
#   bench/window.sh --full     10 M events of 100,000 users, all by both; 100 M of 1 M users, of which the peer is
#                              given every twentieth part of the users
set -euo pipefail
cd "$(dirname "$0")/.."
bench=build/release/bench/window_bench
$bench
if [ "${1:-}" = --full ]; then
  $bench 10000000 100000 10
  $bench 100000000 1000000 100 20
fi
