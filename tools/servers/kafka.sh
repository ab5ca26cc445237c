#!/usr/bin/env bash
# Apache Kafka 4.3.1, one node (broker and controller in one process) on the loopback; needs Java 17 or later.
#
#   tools/servers/kafka.sh install
#   tools/servers/kafka.sh start DIR [PORT]   prints `ready 127.0.0.1:PORT`; without PORT a free one
#   tools/servers/kafka.sh stop DIR           its data stays in DIR
#   tools/servers/kafka.sh kill DIR           the same, by SIGKILL
#   tools/servers/kafka.sh status DIR         `running`, or `stopped` and exit 3
#   tools/servers/kafka.sh with CMD...        start one in a folder of its own, run CMD with ASSAY_TEST_KAFKA
#                                             (HOST:PORT) and ASSAY_TEST_KAFKA_DIR (the folder, so that CMD may
#                                             stop and start it) in the environment, stop it
#
# With ASSAY_KAFKA_SECURE=yes it also listens to SASL over TLS, on ASSAY_TEST_KAFKA_SECURE (HOST:PORT) of `with`: PLAIN,
# SCRAM-SHA-256 and SCRAM-SHA-512, users `reader`, `looker` and `nobody`, whose passwords are their names and `-secret`. They may do
# what they are allowed (who asks without TLS may all); DIR/ca.pem is the authority, and DIR/other.pem another one.
#
# ASSAY_KAFKA_HEAP (512m) is the server's memory. Topics are made by who wants them, never by asking for them.
NAME=kafka
. "$(dirname "$0")/cache.sh"

VERSION=4.3.1

# Maven checks each artifact against its repository's checksum; kafka.sha256 pins all of them once more.
install_kafka() {
  command -v mvn >/dev/null || die "needs mvn; try: apt-get install maven"
  cat >"$1/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>assay</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
</dependencies></project>
POM
  mvn -q -B -f "$1/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$1/libs" -DincludeScope=runtime
  (cd "$1/libs" && sha256sum --check --quiet --strict "$SOURCE/tools/servers/kafka.sha256") ||
    die "the jars differ from those pinned in tools/servers/kafka.sha256"
}

java() {
  "$JAVA_HOME/bin/java" -cp "$HOME_DIR/libs/*" "-Dlog4j2.configurationFile=$DIR/log4j2.xml" "$@"
}

# secure_lines: what server.properties has for the listener SECURE; makes its certificates.
secure_lines() {
  local name users=
  for name in ca other; do
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$name" -keyout "$DIR/$name.key" -out "$DIR/$name.pem" 2>>"$LOG"
  done
  openssl req -newkey rsa:2048 -nodes -subj "/CN=127.0.0.1" -keyout "$DIR/server.key" -out "$DIR/server.csr" 2>>"$LOG"
  openssl x509 -req -in "$DIR/server.csr" -CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" -CAcreateserial -days 30 \
    -extfile <(echo "subjectAltName=IP:127.0.0.1") -out "$DIR/server.crt" 2>>"$LOG"
  cat "$DIR/server.key" "$DIR/server.crt" >"$DIR/server.pem"
  for name in reader looker nobody; do users+=" user_$name=\"$name-secret\""; done
  cat <<CONFIG
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required$users;
listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$DIR/server.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
CONFIG
}

configure() {  # PORT
  local controller secure= scheme= more=
  controller=$(free_port)
  if [ -n "$SECURE_PORT" ]; then
    secure=,SECURE://127.0.0.1:$SECURE_PORT scheme=,SECURE:SASL_SSL
    more=$(secure_lines)
  fi
  cat >"$DIR/server.properties" <<CONFIG
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$1$secure,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$1$secure
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT$scheme
$more
log.dirs=$DIR/data
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
CONFIG
  cat >"$DIR/log4j2.xml" <<'CONFIG'
<Configuration status="WARN">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1}: %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
CONFIG
}

start() {  # DIR [PORT]
  mkdir -p "$1"
  DIR=$(cd "$1" && pwd -P)
  PORT=${2:-$(free_port)}
  LOG=$DIR/kafka.log
  PIDFILE=$DIR/kafka.pid
  alive && die "is running in $DIR already"
  find_java 17 || die "needs Java 17 or later; try: apt-get install openjdk-17-jre-headless"
  installed "kafka-$VERSION" install_kafka
  SECURE_PORT=
  [ -z "${ASSAY_KAFKA_SECURE-}" ] || SECURE_PORT=$(free_port)
  configure "$PORT"
  local scram=() name mechanism
  for name in reader looker nobody; do
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
      scram+=(--add-scram "$mechanism=[name=$name,password=$name-secret]")
    done
  done
  [ -n "$SECURE_PORT" ] || scram=()
  if [ ! -e "$DIR/data/meta.properties" ]; then
    java -Xmx128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format \
      -t "$(java -Xmx128m kafka.tools.StorageTool random-uuid)" -c "$DIR/server.properties" "${scram[@]}" >>"$LOG" 2>&1
  fi
  local heap=${ASSAY_KAFKA_HEAP:-512m}
  daemon "$JAVA_HOME/bin/java" -cp "$HOME_DIR/libs/*" "-Dlog4j2.configurationFile=$DIR/log4j2.xml" \
    "-Xmx$heap" "-Xms$heap" -XX:+UseG1GC kafka.Kafka "$DIR/server.properties"
  wait_ready 180 broker_answers
  echo "ready 127.0.0.1:$PORT"
}

# A request for the API's versions: the broker answers only once it serves clients.
broker_answers() {
  local reply
  exec 4<>"/dev/tcp/127.0.0.1/$PORT" || return 1
  printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&4
  reply=$(timeout 2 dd bs=1 count=8 <&4 2>/dev/null | od -An -tx1 | tr -d ' \n')
  exec 4>&-
  [ "${reply:8:8}" = 00000001 ]
}

run_with() {  # CMD...
  local folder status=0
  folder=$(mktemp -d)
  PIDFILE=$folder/kafka.pid
  trap 'stop_server; rm -rf "$folder"' EXIT
  start "$folder" >&2
  ASSAY_TEST_KAFKA=127.0.0.1:$PORT ASSAY_TEST_KAFKA_DIR=$folder \
    ASSAY_TEST_KAFKA_SECURE=${SECURE_PORT:+127.0.0.1:$SECURE_PORT} "$@" || status=$?
  exit "$status"
}

case ${1-} in
  install)
    installed "kafka-$VERSION" install_kafka
    echo "$HOME_DIR"
    ;;
  start) start "${2:?folder}" "${3-}" ;;
  stop)
    PIDFILE=${2:?folder}/kafka.pid
    stop_server
    ;;
  kill)
    PIDFILE=${2:?folder}/kafka.pid
    kill_server
    ;;
  status)
    PIDFILE=${2:?folder}/kafka.pid
    if alive; then echo running; else echo stopped; exit 3; fi
    ;;
  with)
    shift
    run_with "$@"
    ;;
  *) say "usage: kafka.sh install | start|stop|kill|status DIR [PORT] | with CMD..."; exit 2 ;;
esac
