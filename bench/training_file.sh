#!/usr/bin/env bash
# Training sets from Parquet to Parquet against DuckDB, Polars and ClickHouse: the same rows, two threads, turn by
# turn, every value compared; then much more under a small memory limit, of which DuckDB is told too. tools/bench.sh
# runs it.
#
#   bench/training_file.sh            what fits a few minutes: 1 M labels x two views of 2 M rows
#   bench/training_file.sh --full     5 M x two views of 10 M; then 20 M x two views of 50 M under 4 GiB
#   bench/training_file.sh --large    the last only: 20 minutes, 20 GB of disk
set -euo pipefail
cd "$(dirname "$0")/.."
bench=build/release/bench/training_file_bench
tools/python_env.sh build/venv_bench bench/requirements.txt
python=build/venv_bench/bin/python
dir=$(realpath "$(mktemp -d -p "${TRAINING_DIR:-build}")")
trap 'rm -rf "$dir"' EXIT
rounds=${TRAINING_ROUNDS:-3}
threads=2
failed=0

# values FIELD LOG: the numbers after a word, in order
values() { sed -n "s/.*$1 \([0-9.]*\).*/\1/p" "$2" | sort -n; }
middle() { values "$1" "$2" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
line() { echo "  $1: $(middle seconds "$2") s ($(values seconds "$2" | head -n 1) to $(values seconds "$2" | tail -n 1)), processor $(middle processor "$2") s, peak $(middle peak "$2") MiB${3:-}"; }

# compare LABELS ROWS KEYS MEMORY_MIB PEERS ROUNDS
compare() {
  local peer best=""
  echo "### $1 labels x 2 views of $2 rows x 10 features, $3 keys, Zipf, $4 MiB, $threads threads, Parquet to Parquet"
  rm -rf "${dir:?}"/*
  $bench make "$dir" "$1" "$2" "$3"
  for _ in $(seq "$6"); do
    rm -f "$dir"/answer_*.parquet
    $bench join "$dir" $threads "$4" "$dir/answer_assay.parquet" >>"$dir/assay.log"
    for peer in $5; do
      $python bench/pit_peers.py files "$peer" "$dir" $threads "$4" "$dir/answer_$peer.parquet" >>"$dir/$peer.log" ||
        echo "  $peer did not finish"
    done
  done
  for peer in $5; do
    if ! text=$($python bench/pit_peers.py compare "$dir/answer_assay.parquet" "$dir/answer_$peer.parquet") || [[ $text != "compared $1 labels"* ]]; then
      echo "  ANSWERS OF $peer DIFFER OR ARE NOT THERE: $text"; failed=1
    fi
    [ -s "$dir/$peer.log" ] || continue
    line "$peer" "$dir/$peer.log" "; $text"
    best=$(printf '%s\n' $best "$(middle seconds "$dir/$peer.log")" | sort -n | head -n 1)
    awk -v peer="$peer" -v theirs="$(middle processor "$dir/$peer.log")" -v ours="$(middle processor "$dir/assay.log")" \
      'BEGIN { printf "  %s: %.1f times by processor time\n", peer, theirs / ours }'
  done
  line assay "$dir/assay.log"
  echo "  $($bench limit "$dir" $threads "$4" "$dir/answer_assay.parquet") s to read the rows and write the answer, and nothing else"
  echo "  peers read the rows as they came, and find those that never answer; assay reads the $(middle steps "$dir/assay.log") steps of gold, which are there before"
  awk -v ours="$(middle processor "$dir/assay.log")" -v labels="$1" -v steps="$(middle steps "$dir/assay.log")" \
    'BEGIN { printf "  assay: %.2f processor s for a million labels and steps\n", ours / (labels + steps) * 1e6 }'
  if [ "$(middle peak "$dir/assay.log")" -gt "$4" ]; then echo "  MORE MEMORY THAN IT MAY HAVE"; failed=1; fi
  awk -v best="$best" -v ours="$(middle seconds "$dir/assay.log")" 'BEGIN { if (best != "") printf "  %.1f times the best peer\n", best / ours }'
}

if [ "${1:-}" = --full ]; then
  compare 5000000 10000000 1000000 12288 "duckdb polars clickhouse" "$rounds"
  compare 20000000 50000000 1000000 4096 "duckdb" 1
elif [ "${1:-}" = --large ]; then
  compare 20000000 50000000 1000000 4096 "duckdb" 1
else
  compare 1000000 2000000 200000 4096 "duckdb polars clickhouse" "$rounds"
fi
exit $failed
