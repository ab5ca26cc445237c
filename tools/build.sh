#!/usr/bin/env bash
# Configures and builds one preset; says how long it took.
#
#   tools/build.sh [PRESET] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true
start=$(date +%s)
[ -e "build/$preset/build.ninja" ] || cmake --preset "$preset" >/dev/null
targets=()
for target in "$@"; do targets+=(--target "$target"); done
cmake --build --preset "$preset" "${targets[@]}" -- -k 1
echo "build $preset: $(($(date +%s) - start)) s" >&2
