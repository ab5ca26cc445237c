#!/usr/bin/env bash
# Point-in-time join against DuckDB, Polars and ClickHouse: same rows, same threads, turn by turn, every
# value compared. tools/bench.sh runs it.
#
#   bench/pit.sh            what fits a few minutes: 1/5 of the size, two threads
#   bench/pit.sh --full     5 M labels x two views of 10 M rows x 10 features; int and string keys; uniform,
#                           Zipf and one key with half of all; 1 and 2 threads; Hopsworks' taxi shape
#   bench/pit.sh --full "Zipf keys, 2"      only those whose title begins so
set -euo pipefail
cd "$(dirname "$0")/.."
bench=build/release/bench/pit_bench
tools/python_env.sh build/venv_bench bench/requirements.txt
python=build/venv_bench/bin/python
dir=${PIT_DIR:-build/bench_data}; mkdir -p "$dir"; dir=$(realpath "$dir")
trap 'rm -rf "$dir"' EXIT
rounds=${PIT_ROUNDS:-3}
only=${2:-}
failed=0

seconds() { sed -n 's/^seconds \([0-9.]*\).*/\1/p' "$1" | sort -n; }
middle() { seconds "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
processor() { sed -n 's/.*processor \([0-9.]*\).*/\1/p' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
spread() { seconds "$1" | awk 'NR == 1 { first = $1 } { last = $1 } END { print first " to " last }'; }

# compare NAME THREADS LABELS ROWS KEYS FEATURES SKEW TYPE
compare() {
  local name=$1 threads=$2 best="" peer text
  case "$name, $threads" in "$only"*) ;; *) return 0 ;; esac
  echo "### $name, $threads thread(s): $3 labels x 2 views of $4 rows x $6 features, $5 keys, $7, $8"
  $bench make "$dir" "$3" "$4" "$5" "$6" "$7" "$8"
  rm -f "$dir"/*.log "$dir"/answer_*.parquet
  for _ in $(seq "$rounds"); do
    $bench join "$dir" "$threads" 2 "$dir/answer_assay.parquet" | tail -n 1 >>"$dir/assay.log"
    for peer in duckdb polars clickhouse; do
      PIT_FEATURES=$6 $python bench/pit_peers.py join $peer "$dir" "$threads" 2 "$dir/answer_$peer.parquet" | tail -n 1 >>"$dir/$peer.log"
    done
  done
  for peer in duckdb polars clickhouse; do
    if ! text=$(PIT_FEATURES=$6 $python bench/pit_peers.py compare "$dir/answer_assay.parquet" "$dir/answer_$peer.parquet") || [[ $text != "compared $3 labels"* ]]; then
      text="ANSWERS OF $peer DIFFER OR ARE NOT THERE: $text"; failed=1
    fi
    echo "  $peer: $(middle "$dir/$peer.log") s ($(spread "$dir/$peer.log")), processor $(processor "$dir/$peer.log") s; $text"
    best=$(printf '%s\n' $best "$(middle "$dir/$peer.log")" | sort -n | head -n 1)
  done
  awk -v best="$best" -v ours="$(middle "$dir/assay.log")" -v spread="$(spread "$dir/assay.log")" -v labels="$3" -v threads="$threads" -v cpu="$(processor "$dir/assay.log")" \
    'BEGIN { printf "  assay: %s s (%s), processor %s s: %.1f times the best peer, %.2f M labels a second and core\n", ours, spread, cpu, best / ours, labels / ours / threads / 1e6 }'
  echo "  limit: $(sed -n 's/.*limit \([0-9.]*\).*/\1/p' "$dir/assay.log" | sort -n | head -n 1) s to read all rows once and to fill the answer's memory"
}

if [ "${1:-}" = --full ]; then
  for threads in 2 1; do
    compare "Zipf keys" $threads 5000000 10000000 1000000 10 zipf int
    compare "uniform keys" $threads 5000000 10000000 1000000 10 uniform int
    compare "Zipf text keys" $threads 5000000 10000000 1000000 10 zipf string
    compare "uniform text keys" $threads 5000000 10000000 1000000 10 uniform string
  done
  compare "one key with half of all" 2 5000000 10000000 1000000 10 hot int
  compare "taxi" 2 10000000 4560000 260 2 uniform int
else
  compare "Zipf keys" 2 1000000 2000000 200000 10 zipf int
  compare "one key with half of all" 2 1000000 2000000 200000 10 hot int
  compare "taxi" 2 2000000 912000 260 2 uniform int
fi
exit $failed
