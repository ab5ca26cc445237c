#!/usr/bin/env bash
# Simulated lives of `assay up` by seed, several processes at a time; fails where a seed does, which says how to see it again.
#
#   tools/simulate.sh LINE_SIMULATION FIRST_SEED COUNT JOBS
set -euo pipefail

program=$1 first=$2 count=$3 jobs=$4
at_once=50  # seeds of a process, so that all end at about the same time

for ((seed = first; seed < first + count; seed += at_once)); do
  rest=$((first + count - seed))
  echo "$seed $((rest < at_once ? rest : at_once))"
done | xargs -P "$jobs" -n 2 "$program" up
