#!/usr/bin/env bash
# Brings the Delta tables that delta-rs tests itself with into DIR, by the pip client, pinned by checksum.
#
#   tools/fetch_delta_tables.sh DIR
#
# They lie in the source archive of PyPI's deltalake: written by Delta 0.2 to 3, Spark, Databricks, delta-rs
# and others, with old and damaged logs among them. pip asks a source archive's build tool for its metadata
# before it keeps the archive; a stand-in answers, so nothing is built.
set -euo pipefail
dir=${1:?directory}
version=1.6.6
sum=91864d97adb429fa8b8748b4f68d69adab3d0417ffa9f100bdb85805890c997f
if [ "$(cat "$dir/.fetched" 2>/dev/null)" = "$sum" ]; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
package=$("$work/venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/maturin
mkdir -p "$package" "$work/archive" "$work/tables"
cat > "$package/__init__.py" <<'PYTHON'
import os

def get_requires_for_build_wheel(settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, settings=None):
    name = "deltalake-0.dist-info"
    os.makedirs(os.path.join(folder, name))
    with open(os.path.join(folder, name, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\nName: deltalake\nVersion: %s\n" % os.environ["DELTALAKE_VERSION"])
    with open(os.path.join(folder, name, "WHEEL"), "w") as file:
        file.write("Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return name
PYTHON
echo "deltalake==$version --hash=sha256:$sum" > "$work/requirements.txt"
DELTALAKE_VERSION=$version "$work/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
  --no-build-isolation --no-binary :all: --require-hashes -d "$work/archive" -r "$work/requirements.txt"
tar xzf "$work/archive/deltalake-$version.tar.gz" -C "$work/tables" --strip-components=1 \
  "deltalake-$version/crates/test/tests/data" "deltalake-$version/crates/core/tests/data_err_logs"
rm -rf "$dir"
mkdir -p "$dir"
mv "$work/tables/crates/test/tests/data" "$dir/tables"
mv "$work/tables/crates/core/tests/data_err_logs" "$dir/damaged"
echo "$sum" > "$dir/.fetched"
