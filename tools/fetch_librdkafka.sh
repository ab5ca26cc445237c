#!/usr/bin/env bash
# Brings librdkafka into DIR: its source by the npm client, inside the package of its makers' own client for JavaScript, pinned by
# version and checksum, built here (a minute of processor time). Debian's is 2.0.2, whose SCRAM Kafka 4 refuses (docs/bugs.md).
#
#   tools/fetch_librdkafka.sh DIR         DIR/librdkafka.a, DIR/include/librdkafka, and in DIR/pin what they are of
#   tools/fetch_librdkafka.sh --pin       what is pinned; what DIR holds of anything else is brought and built anew
set -euo pipefail
dir=${1:?directory to put librdkafka.a and include/librdkafka into}
package=@confluentinc/kafka-javascript@1.10.1  # has librdkafka 2.15.1
file=confluentinc-kafka-javascript-1.10.1.tgz
sha256=ada7d703bb1d3237e2292bfabf438d663b6160c9f1ac2a2406b5dc4257c81b66

pin="$package $sha256"
[ "$dir" = --pin ] && { echo "$pin"; exit 0; }
[ "$(cat "$dir/pin" 2>/dev/null)" = "$pin" ] && [ -e "$dir/librdkafka.a" ] && [ -e "$dir/include/librdkafka/rdkafka_mock.h" ] && exit 0
for tool in npm make; do
  command -v "$tool" >/dev/null || { echo "fetch_librdkafka: $tool is not installed; try: make deps" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for attempt in 1 2 3; do
  if (cd "$work" && npm pack --silent "$package" >/dev/null) && [ -e "$work/$file" ]; then break; fi
  [ "$attempt" = 3 ] && { echo "fetch_librdkafka: npm could not bring $package; is the npm registry reachable?" >&2; exit 1; }
  sleep 3
done
echo "$sha256  $work/$file" | sha256sum --check --quiet ||
  { echo "fetch_librdkafka: checksum of $package differs from the pinned one; not used" >&2; exit 1; }
tar -xzf "$work/$file" -C "$work" package/deps/librdkafka
source=$work/package/deps/librdkafka
compiler=cc
command -v ccache >/dev/null && compiler="ccache cc"
# What it finds it is built with: TLS, Kerberos, zstd, zlib and HTTP (OAuth) are asked for, so that none is missing in silence.
(cd "$source" &&
  ./configure --disable-lz4-ext --enable-ssl --enable-gssapi --enable-zstd --enable-zlib --enable-curl --disable-debug-symbols &&
  make -C src -j"$(nproc)" CC="$compiler" librdkafka.a) >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; echo "fetch_librdkafka: it could not be built, see above" >&2; exit 1; }
for feature in WITH_SSL WITH_SASL_SCRAM WITH_SASL_CYRUS WITH_ZSTD WITH_ZLIB WITH_CURL; do
  grep -q "^#define $feature 1" "$source/config.h" || { echo "fetch_librdkafka: built without $feature; try: make deps" >&2; exit 1; }
done
mkdir -p "$dir/include/librdkafka"
rm -f "$dir/pin"  # until all of it is there
install -m 644 "$source/src/rdkafka.h" "$source/src/rdkafka_mock.h" "$dir/include/librdkafka/"
install -m 644 "$source/src/librdkafka.a" "$dir/librdkafka.a.part"
mv "$dir/librdkafka.a.part" "$dir/librdkafka.a"
echo "$pin" >"$dir/pin"
