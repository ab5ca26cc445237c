#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks: Debian packages, then DuckDB and librdkafka by the
# npm client. Run it as root or with sudo; with nothing missing it does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(
  g++ cmake ninja-build ccache python3 python3-venv curl ca-certificates
  libabsl-dev libboost1.81-dev libcli11-dev libcurl4-openssl-dev libfmt-dev libgrpc++-dev libhiredis-dev liblmdb-dev libnghttp2-dev
  libpq-dev libprotobuf-dev libprotoc-dev libsasl2-dev make pkg-config
  libre2-dev libsimdjson-dev
  libsqlite3-dev libssl-dev openssl libxgboost-dev libyaml-cpp-dev libzstd-dev tzdata zlib1g-dev
  libgtest-dev libgmock-dev libbenchmark-dev redis-tools postgresql-15
)
# npm comes with a Node.js of its own on many machines; Debian's package would clash with that.
command -v npm >/dev/null || packages+=(npm)
case " ${ASSAY_DEPS:-} " in *" lint "*) packages+=(clang clang-format clang-tidy libclang-rt-14-dev) ;; esac

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}" >&2
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      { echo "make deps: neither root nor sudo; ask an administrator to install: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  {
    "${as_root[@]}" apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 || { tail -n 20 "$log" >&2; echo "make deps: apt-get failed, see above" >&2; exit 1; }
fi
tools/fetch_duckdb.sh .deps/duckdb
tools/fetch_librdkafka.sh .deps/librdkafka
