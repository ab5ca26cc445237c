#!/usr/bin/env bash
# Apache Flink 2.3.0 for programs of one Java file; needs a Java development kit, 17 to 21.
#
#   tools/servers/flink.sh install                installs it with its Kafka connector, prints where its jars are
#   tools/servers/flink.sh run FILE.java WORD...  runs a program in it: one process, nothing listens beyond 127.0.0.1
#
# ASSAY_FLINK_HEAP (1g) is its memory.
NAME=flink
. "$(dirname "$0")/cache.sh"

install_connector() {
  maven_file "$1" org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2 5605c691d11a501382c383fecba37a7a552467da5ab7ba904ef5d6f3d62c5616
}

installed flink-kafka-5.0.0 install_connector
connector=$HOME_DIR/flink-sql-connector-kafka-5.0.0-2.2.jar
# Its jars, as the Python package has them.
python_home flink-python "$SOURCE/tests/engines/requirements-flink.txt"
jars=$(echo "$HOME_DIR"/lib/python3*/site-packages/pyflink/lib)
[ -d "$jars" ] || die "no jars in $HOME_DIR"

# What its own scripts open to reflection.
opened() {
  local package
  for package in lang net io nio lang.reflect text time util util.concurrent util.concurrent.atomic util.concurrent.locks; do
    printf -- '--add-opens=java.base/java.%s=ALL-UNNAMED\n' "$package"
  done
  echo --add-opens=java.base/sun.nio.ch=ALL-UNNAMED
}

case ${1-} in
  install) echo "$jars" ;;
  run)
    shift
    find_java 17 21 && [ -x "$JAVA_HOME/bin/javac" ] ||
      die "needs a Java development kit, 17 to 21; try: apt-get install openjdk-17-jdk-headless"
    mapfile -t options < <(opened)
    exec "$JAVA_HOME/bin/java" "-Xmx${ASSAY_FLINK_HEAP:-1g}" "${options[@]}" -Dorg.apache.logging.log4j.level=ERROR \
      -cp "$jars/*:$connector" "$@"
    ;;
  *) say "usage: flink.sh install | run FILE.java WORD..."; exit 2 ;;
esac
