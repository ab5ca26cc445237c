#!/usr/bin/env bash
# Formatting and clang-tidy on the files that changed since BASE (default: origin/main, else the first
# commit), each header compiled alone, and the walls of the house. `tools/lint.sh --fix` formats in place.
set -euo pipefail
cd "$(dirname "$0")/.."
ASSAY_DEPS=lint tools/install_deps.sh
base=${BASE:-$(git rev-parse --verify -q origin/main || git rev-list --max-parents=0 HEAD | tail -n 1)}
mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h')
python3 tools/tidy.py
if [ "${1:-}" = --fix ]; then
  [ ${#files[@]} -eq 0 ] || clang-format -i "${files[@]}"
  exit 0
fi
[ ${#files[@]} -eq 0 ] && { echo "lint: no C++ file changed since $base"; exit 0; }
clang-format --dry-run --Werror "${files[@]}"
[ -e build/release/compile_commands.json ] || cmake --preset release >/dev/null
cmake --build build/release --target all_verify_interface_header_sets -- -k 1 | tail -n 1
mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep '\.cc$' | grep -v '_fuzz\.cc$' || true)
[ ${#sources[@]} -eq 0 ] || printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p build/release
echo "lint: ${#files[@]} files are clean"
