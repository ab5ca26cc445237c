#!/usr/bin/env bash
# Streams through a real broker on the same cores (Java 17 and Maven), or without one where there is none: bench/stream_bench.cc
#
#   bench/stream.sh [memory EVENTS | readable SECONDS RATE | backlog EVENTS | direct EVENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
if command -v mvn >/dev/null; then
  ASSAY_KAFKA_HEAP=1g exec tools/servers/kafka.sh with build/release/bench/stream_bench "$@"
fi
echo "no mvn, so no broker: on the client library's own; try: apt-get install maven openjdk-17-jre-headless" >&2
exec build/release/bench/stream_bench "$@"
