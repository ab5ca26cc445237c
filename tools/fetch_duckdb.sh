#!/usr/bin/env bash
# Brings DuckDB's library, C header and httpfs extension into DIR by the npm client and pip, pinned by
# version and checksum.
#
#   tools/fetch_duckdb.sh DIR         and in DIR/pin what they are of
#   tools/fetch_duckdb.sh --pin       what is pinned; what DIR holds of anything else is brought anew
#
# The library is the one inside npm's @duckdb/node-bindings-linux-x64; duckdb.h comes from npm's duckdb,
# whose last version (1.4.4) declares every function used here; the C interface only grows.
set -euo pipefail
dir=${1:?directory to put libduckdb.so and duckdb.h into}
library=@duckdb/node-bindings-linux-x64@1.5.5-r.5
library_file=duckdb-node-bindings-linux-x64-1.5.5-r.5.tgz
library_sha256=86d2bda909785550e8a14a57a8a4584827aff0e268d8f1a58c3fd48559f7020e
header=duckdb@1.4.4
header_file=duckdb-1.4.4.tgz
header_sha256=5bb967dcbcd517670ba5f169f238fb9d6787e53752c60ebe24386169d76941ed

extension=duckdb-extension-httpfs==1.5.5
extension_sha256=84913dbe172ccb54368de2c4a020c38ca8b0e76f99df548f7fac37934cc7826f

pin="$library $library_sha256 $header $header_sha256 $extension $extension_sha256"
[ "$dir" = --pin ] && { echo "$pin"; exit 0; }
if [ "$(cat "$dir/pin" 2>/dev/null)" != "$pin" ]; then
  rm -f "$dir/pin" "$dir/httpfs.duckdb_extension"  # the library stays until the other one is there
fi
[ -e "$dir/pin" ] && [ -e "$dir/libduckdb.so" ] && [ -e "$dir/duckdb.h" ] && [ -e "$dir/httpfs.duckdb_extension" ] && exit 0
command -v npm >/dev/null || { echo "fetch_duckdb: npm is not installed; try: make deps" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() {  # fetch PACKAGE FILE SHA256
  for attempt in 1 2 3; do
    if (cd "$work" && npm pack --silent "$1" >/dev/null) && [ -e "$work/$2" ]; then break; fi
    [ "$attempt" = 3 ] && { echo "fetch_duckdb: npm could not bring $1; is the npm registry reachable?" >&2; exit 1; }
    sleep 3
  done
  echo "$3  $work/$2" | sha256sum --check --quiet ||
    { echo "fetch_duckdb: checksum of $1 differs from the pinned one; not used" >&2; exit 1; }
}
if [ ! -e "$dir/httpfs.duckdb_extension" ]; then
  # Of this version of the library, signed by its makers: it reads objects of S3 where they lie.
  python3 -m venv "$work/venv"
  echo "$extension --hash=sha256:$extension_sha256" >"$work/requirements.txt"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --target "$work/extension" -r "$work/requirements.txt" ||
    { echo "fetch_duckdb: pip could not bring $extension; is the Python package registry reachable?" >&2; exit 1; }
  mkdir -p "$dir"
  install -m 644 "$(find "$work/extension" -name httpfs.duckdb_extension)" "$dir/httpfs.duckdb_extension"
fi
fetch "$library" "$library_file" "$library_sha256"
fetch "$header" "$header_file" "$header_sha256"
mkdir -p "$dir"
tar -xzf "$work/$library_file" -C "$work" package/libduckdb.so
tar -xzf "$work/$header_file" -C "$work" package/src/duckdb/src/include/duckdb.h
install -m 644 "$work/package/src/duckdb/src/include/duckdb.h" "$dir/duckdb.h"
install -m 755 "$work/package/libduckdb.so" "$dir/libduckdb.so.part"
mv "$dir/libduckdb.so.part" "$dir/libduckdb.so"
echo "$pin" >"$dir/pin"
