#!/usr/bin/env bash
# The engines that are Python packages: delta-rs, Polars, DuckDB with its delta extension, ClickHouse (chdb).
#
#   tools/servers/engines.sh install         prints the Python that has them
#   tools/servers/engines.sh run WORD...     runs that Python
NAME=engines
. "$(dirname "$0")/cache.sh"
python_home engines-python "$SOURCE/tests/engines/requirements.txt"
case ${1-} in
  install) echo "$HOME_DIR/bin/python" ;;
  run) shift; exec "$HOME_DIR/bin/python" "$@" ;;
  *) say "usage: engines.sh install | run WORD..."; exit 2 ;;
esac
