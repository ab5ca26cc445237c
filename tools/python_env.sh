#!/usr/bin/env bash
# Makes a Python environment with exactly the packages of a requirements file (pinned, with hashes).
#
#   tools/python_env.sh DIR REQUIREMENTS
set -euo pipefail
dir=${1:?directory}; requirements=${2:?requirements file}
stamp=$dir/.installed
if [ -e "$stamp" ] && cmp -s "$stamp" "$requirements"; then exit 0; fi
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements"
cp "$requirements" "$stamp"
