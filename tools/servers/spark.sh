#!/usr/bin/env bash
# Apache Spark 4.2.0 with Delta Lake 4.4.0, in local mode, for Python scripts; needs Java 17 to 21.
#
#   tools/servers/spark.sh install           installs it and prints where
#   tools/servers/spark.sh run SCRIPT...     runs a Python script in it: one process, nothing listens beyond 127.0.0.1
#
# ASSAY_SPARK_HEAP (1g) is the driver's memory; ASSAY_SPARK_KAFKA=yes adds its Kafka source.
NAME=spark
. "$(dirname "$0")/cache.sh"

install_delta() {
  maven_file "$1" io.delta:delta-spark_4.2_2.13:4.4.0 27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead
  maven_file "$1" io.delta:delta-storage:4.4.0 c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc
}

install_kafka_source() {
  maven_file "$1" org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0 64539c45e5d39f7ddb747312c239f38f5208d08c1a0ddf7d70beb2fbd9373705
  maven_file "$1" org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.2.0 641c7947afc8aa1189e433b7c2d305293993c8691bc1c2062d6d4f513b12518c
  maven_file "$1" org.apache.kafka:kafka-clients:3.9.2 014b4ef36884478a932641818b080c36a8f8e2e92dc771e800c9d2694f4f83d8
  maven_file "$1" org.apache.commons:commons-pool2:2.13.1 f77a5060d6936a9144023584232f9de3f2248f1abfe156e9d31795f18770674f
}

installed delta-spark-4.4.0 install_delta
jars=$HOME_DIR/delta-spark_4.2_2.13-4.4.0.jar,$HOME_DIR/delta-storage-4.4.0.jar
if [ "${ASSAY_SPARK_KAFKA:-no}" = yes ]; then
  installed spark-kafka-4.2.0 install_kafka_source
  for jar in "$HOME_DIR"/*.jar; do jars=$jars,$jar; done
fi
python_home spark-python "$SOURCE/tests/engines/requirements-spark.txt"
case ${1-} in
  install) echo "$HOME_DIR" ;;
  run)
    shift
    find_java 17 21 || die "needs Java 17 or 21; try: apt-get install openjdk-17-jre-headless"
    SPARK_HOME=$(echo "$HOME_DIR"/lib/python3*/site-packages/pyspark)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    export SPARK_HOME SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_DIRS=$work \
      PYSPARK_PYTHON=$HOME_DIR/bin/python PYSPARK_DRIVER_PYTHON=$HOME_DIR/bin/python
    "$SPARK_HOME/bin/spark-submit" --master 'local[2]' --driver-memory "${ASSAY_SPARK_HEAP:-1g}" --jars "$jars" \
      --conf spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension \
      --conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog \
      --conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 --conf spark.ui.enabled=false \
      --conf spark.sql.shuffle.partitions=2 --conf spark.databricks.delta.snapshotPartitions=1 \
      --conf spark.default.parallelism=2 --conf spark.sql.session.timeZone=UTC \
      --conf "spark.sql.warehouse.dir=$work/warehouse" --conf "spark.driver.extraJavaOptions=-Dderby.system.home=$work" \
      "$@"
    ;;
  *) say "usage: spark.sh install | run SCRIPT..."; exit 2 ;;
esac
