#!/bin/bash
# How fast the YARA engine is against the yara command, with the same matches.
#
#   tests/bench/yara.sh BUILD_DIR [DIRECTORY]
#
# Generated rule sets of 100 and 1,000 rules over DIRECTORY (default /usr/lib),
# each with two threads, the files in the page cache. Fails if a rule, string,
# offset or length differs; prints the times and their ratio (goal: 0.4).
set -euo pipefail

bench=$1/test/yara_scan_bench
directory=${2:-/usr/lib}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# "rule path" and "rule path offset:length:$string", sorted.
findings() {
  awk '/^0x[0-9a-f]+:[0-9]+:\$/ { split($0, part, ":")
         print where " " part[1] ":" part[2] ":" part[3]; next }
       { where = $0; print }' "$1" | LC_ALL=C sort
}

seconds() {
  local start=$EPOCHREALTIME
  "$@" >"$scratch/out" 2>"$scratch/errors"
  awk "BEGIN { print $EPOCHREALTIME - $start }"
}

for rules in 100 1000; do
  "$bench" rules $rules >"$scratch/rules.yar"
  # These fill the page cache, too.
  yara -N -r -s -L -w -p 2 "$scratch/rules.yar" "$directory" >"$scratch/theirs" 2>/dev/null
  "$bench" scan "$scratch/rules.yar" "$directory" >"$scratch/ours"
  findings "$scratch/theirs" >"$scratch/theirs.sorted"
  findings "$scratch/ours" >"$scratch/ours.sorted"
  cmp "$scratch/theirs.sorted" "$scratch/ours.sorted"
  yara_time=$(seconds yara -N -r -w -p 2 "$scratch/rules.yar" "$directory")
  our_time=$(seconds "$bench" count "$scratch/rules.yar" "$directory")
  echo "yara, $rules rules: $our_time s, yara -N -r -p 2: $yara_time s," \
    "ratio $(awk "BEGIN { printf \"%.2f\", $our_time / $yara_time }")," \
    "$(wc -l <"$scratch/ours.sorted") matches and strings, the same"
done
