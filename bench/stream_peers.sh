#!/usr/bin/env bash
# Streams and backfills against Spark Structured Streaming, Spark with Delta and Flink, all on two threads: the same
# files or, of us, the same events in a topic; every answer of the others compared with ours. tools/bench.sh stream_peers
# runs it, when asked by name: the engines are fetched, and it takes a quarter of an hour.
#
#   bench/stream_peers.sh [windows] [broker] [lake] [backfill]     all, or those named
#
#   windows   JSON click events from files to tiles of 10 minutes per user, ours in memory; and to an hour every 10
#             minutes by the others, where ours are the same tiles: any window is merged when it is read
#   broker    the events in a topic of a broker on the same two cores: into the embedded online store, `lake: none`, 3
#             windows x 3 aggregates; by the others to tiles and to an hour every 10 minutes
#   lake      files to bronze, silver, gold in Delta, ours with 3 windows x 3 aggregates and the online store, theirs
#             with an hour every 10 minutes
#   backfill  CSV to 3 windows x 3 aggregates, hop 10 minutes
#
# PEER_EVENTS (4000000), PEER_USERS (1000000), PEER_REPEATS (3; the others have one more before, which warms them up),
# PEER_BACKFILL (2000000 events of a hundredth of it users), PEER_HOPS (20000: of these for the usual form, which makes
# 1,158 rows of each event), PEER_KINDS ("tiles hop"), PEER_HEAP (8g).
set -euo pipefail
cd "$(dirname "$0")/.."
bench=build/release/bench/stream_peers_bench
backfill=build/release/bench/backfill_peers_bench
assay=$PWD/build/release/bin/assay
events=${PEER_EVENTS:-4000000} users=${PEER_USERS:-1000000} repeats=${PEER_REPEATS:-3}
kinds=${PEER_KINDS:-tiles hop}
rows=${PEER_BACKFILL:-2000000} hops=${PEER_HOPS:-20000}
export ASSAY_SPARK_HEAP=${PEER_HEAP:-8g} ASSAY_FLINK_HEAP=${PEER_HEAP:-8g} ASSAY_SPARK_KAFKA=yes
wanted=" ${*:-windows broker lake backfill} "
if [ -z "${PEER_FOLDER:-}" ]; then
  PEER_FOLDER=$(realpath "$(mktemp -d -p build)")
  export PEER_FOLDER
  trap 'rm -rf "$PEER_FOLDER"' EXIT
fi
dir=$PEER_FOLDER
failed=0

spark() { told_why "$dir/spark.err" tools/servers/spark.sh run "$PWD/bench/stream_spark.py" "$@"; }
flink() { told_why "$dir/flink.err" tools/servers/flink.sh run bench/StreamFlink.java "$@"; }
told_why() {  # FILE CMD...: what CMD says on its way out, when it fails
  local file=$1
  shift
  "$@" 2>"$file" || { tail -n 20 "$file" >&2; return 1; }
}

# values FIELD LOG FIRST: the numbers after a word from the FIRST line on, in order of size
values() { grep "^seconds" "$2" | tail -n "+$3" | sed "s/.*$1 \([0-9.]*\).*/\1/" | sort -n; }
middle() { values "$@" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# told NAME LOG FIRST EVENTS
told() {
  awk -v name="$1" -v n="$4" -v s="$(middle seconds "$2" "$3")" -v c="$(middle processor "$2" "$3")" \
    -v least="$(values seconds "$2" "$3" | head -n 1)" -v most="$(values seconds "$2" "$3" | tail -n 1)" \
    'BEGIN { printf "  %s: %.2f s (%.2f to %.2f), processor %.2f s: %.3f M events/s\n", name, s, least, most, c, n / s / 1e6 }'
}

# ratio TITLE PEER_LOG PEER_EVENTS OUR_LOG OUR_EVENTS: theirs over ours, for an event; the peer's first repeat is left out
ratio() {
  awk -v title="$1" -v p="$(middle seconds "$2" 2)" -v o="$(middle seconds "$4" 1)" -v pn="$3" -v on="$5" \
    -v pc="$(middle processor "$2" 2)" -v oc="$(middle processor "$4" 1)" \
    -v least="$(values seconds "$2" 2 | head -n 1)" -v most="$(values seconds "$2" 2 | tail -n 1)" \
    -v ours_least="$(values seconds "$4" 1 | head -n 1)" -v ours_most="$(values seconds "$4" 1 | tail -n 1)" \
    'BEGIN { f = on / pn; printf "  ratio %s: %.1f (%.1f to %.1f), by processor time %.1f\n", title, f * p / o,
             f * least / ours_most, f * most / ours_least, f * pc / oc }'
}

# checked CMD...: fails the whole when answers differ
checked() { "$@" || { echo "  ANSWERS DIFFER, or are not all there" >&2; failed=1; }; }

# seconds_of CMD...: runs it, and says how long it took as the others do
seconds_of() {
  local TIMEFORMAT='%R %U %S'
  { time "$@" >/dev/null 2>"$dir/assay.err"; } 2>"$dir/time" || { tail -n 5 "$dir/assay.err" >&2; return 1; }
  awk '{ printf "seconds %.3f processor %.3f\n", $1, $2 + $3 }' "$dir/time"
}

make_events() {
  [ -d "$dir/clicks" ] && [ "$(cat "$dir/of")" = "$events $users" ] && return 0
  rm -rf "$dir/clicks"
  mkdir "$dir/clicks"
  echo "$events $users" >"$dir/of"
  $bench make "$dir/clicks" "$events" "$users"
  du -b "$dir/clicks" | awk '{ print $1 " bytes" }'
}

windows() {
  echo "### windows: JSON files to tiles of 10 minutes per user, 3 aggregates; ours the operators alone, users parted before"
  make_events
  rm -f "$dir/tiles.log"
  local kind engine words=()
  for kind in $kinds; do
    $bench tiles "$dir/clicks" 1 >>"$dir/tiles.log"
    spark "$kind" "$dir/clicks" $((repeats + 1)) "$dir/spark_$kind" >"$dir/spark_$kind.log"
    $bench tiles "$dir/clicks" 1 >>"$dir/tiles.log"
    flink "$kind" "$dir/clicks" $((repeats + 1)) "$dir/flink_$kind" >"$dir/flink_$kind.log"
    words+=("$kind=$dir/spark_$kind/*.csv" "$kind=$dir/flink_$kind/part-*")
  done
  checked $bench tiles "$dir/clicks" 1 "${words[@]}" >"$dir/more.log"
  cat "$dir/more.log" >>"$dir/tiles.log"
  told assay "$dir/tiles.log" 1 "$events"
  for kind in $kinds; do
    for engine in spark flink; do
      told "$engine, $kind" "$dir/${engine}_$kind.log" 2 "$events"
      ratio "$engine $kind" "$dir/${engine}_$kind.log" "$events" "$dir/tiles.log" "$events"
    done
  done
  sed -n 's/^answers/  answers/p' "$dir/tiles.log"
}

# What `broker` does while the broker runs.
with_broker() {
  local i kind
  rm -f "$dir/broker.log"
  for i in $(seq "$repeats"); do
    $bench send "$dir/clicks" "clicks_$i"
    rm -rf "$dir/direct"
    $bench project "$dir/direct" "{kafka: {brokers: \"$ASSAY_TEST_KAFKA\", topics: clicks_$i}}" none
    (cd "$dir/direct" && told_why "$dir/assay.err" "$assay" apply >/dev/null && seconds_of "$assay" run --threads 2) >>"$dir/broker.log"
  done
  for kind in $kinds; do
    spark "$kind" "kafka:$ASSAY_TEST_KAFKA/clicks_1" $((repeats + 1)) "$dir/spark_topic_$kind" >"$dir/spark_topic_$kind.log"
    flink "$kind" "kafka:$ASSAY_TEST_KAFKA/clicks_1" $((repeats + 1)) "$dir/flink_topic_$kind" >"$dir/flink_topic_$kind.log"
    checked $bench check "$dir/direct" "$events" "$kind=$dir/spark_topic_$kind/*.csv" "$kind=$dir/flink_topic_$kind/part-*" >>"$dir/broker.log"
  done
}

broker() {
  echo "### broker: topic to the embedded online store, no lake, 3 windows x 3 aggregates"
  make_events
  PEER_STEP=with_broker ASSAY_KAFKA_HEAP=1g tools/servers/kafka.sh with "$PWD/bench/stream_peers.sh" || { failed=1; return 0; }
  told assay "$dir/broker.log" 1 "$events"
  local kind engine
  for kind in $kinds; do
    for engine in spark flink; do
      told "$engine, $kind" "$dir/${engine}_topic_$kind.log" 2 "$events"
      ratio "$engine $kind" "$dir/${engine}_topic_$kind.log" "$events" "$dir/broker.log" "$events"
    done
  done
  sed -n 's/^answers/  answers/p' "$dir/broker.log"
}

lake() {
  echo "### lake: JSON files to bronze, silver and gold in Delta"
  make_events
  rm -f "$dir/lake.log"
  local i
  for i in $(seq "$repeats"); do
    rm -rf "$dir/lake"
    $bench project "$dir/lake" "{files: {path: $dir/clicks, format: json}}" ./lake
    (cd "$dir/lake" && told_why "$dir/assay.err" "$assay" apply >/dev/null && seconds_of "$assay" run --threads 2) >>"$dir/lake.log"
  done
  spark lake "$dir/clicks" "$dir/spark_tables" $((repeats + 1)) "$dir/spark_lake" >"$dir/spark_lake.log"
  checked $bench check "$dir/lake" "$events" "hop=$dir/spark_lake/*.csv" >>"$dir/lake.log"
  told "assay, bronze, silver, gold and online" "$dir/lake.log" 1 "$events"
  told "spark, bronze, silver, gold" "$dir/spark_lake.log" 2 "$events"
  ratio "spark with delta" "$dir/spark_lake.log" "$events" "$dir/lake.log" "$events"
  sed -n 's/^answers/  answers/p' "$dir/lake.log"
}

backfill() {
  echo "### backfill: CSV to 3 windows x 3 aggregates, hop 10 minutes"
  $backfill make "$dir/steps.csv" "$rows" $((rows / 100))
  $backfill make "$dir/hops.csv" "$hops" $((hops / 100))
  rm -f "$dir"/ours_*.log
  local engine form
  for engine in spark flink; do
    for form in steps hops; do
      $backfill run "$dir/$form.csv" "$repeats" >>"$dir/ours_$form.log"
      $engine backfill $form "$dir/$form.csv" $((repeats + 1)) "$dir/${engine}_$form" >"$dir/${engine}_$form.log"
      checked $backfill run "$dir/$form.csv" 1 "$form=$dir/${engine}_$form/part-*" >>"$dir/ours_$form.log"
    done
  done
  told "assay, $rows events" "$dir/ours_steps.log" 1 "$rows"
  told "assay, $hops events" "$dir/ours_hops.log" 1 "$hops"
  for engine in spark flink; do
    told "$engine, window functions over tiles, $rows events" "$dir/${engine}_steps.log" 2 "$rows"
    ratio "$engine window functions" "$dir/${engine}_steps.log" "$rows" "$dir/ours_steps.log" "$rows"
    told "$engine, hops, $hops events" "$dir/${engine}_hops.log" 2 "$hops"
    ratio "$engine hops" "$dir/${engine}_hops.log" "$hops" "$dir/ours_hops.log" "$hops"
  done
  sed -n 's/^answers/  answers/p' "$dir/ours_steps.log" "$dir/ours_hops.log"
}

if [ -n "${PEER_STEP:-}" ]; then
  "$PEER_STEP"
  exit "$failed"
fi
for work in windows broker lake backfill; do
  case $wanted in *" $work "*) $work ;; esac
done
exit "$failed"
