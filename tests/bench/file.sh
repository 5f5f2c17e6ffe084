#!/usr/bin/env bash
# The module `file` against what people use by hand, both warm, with two threads
# each, their results compared. The program runs as in production, in its sandbox:
# starting it is part of its time.
# Usage: file.sh DIRECTORY_OF_THE_PROGRAMS [TREE]
set -euo pipefail
BIN=$1
TREE=${2:-/usr}
ROUNDS=${ROUNDS:-5}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# seconds COMMAND: wall time of one run.
seconds() {
  local start end
  start=$(date +%s%N)
  bash -c "$1"
  end=$(date +%s%N)
  awk -v t=$((end - start)) 'BEGIN {printf "%.4f\n", t / 1e9}'
}
# best COMMAND: of $ROUNDS runs, the fastest, which other work disturbed least.
best() {
  local i
  for ((i = 0; i < ROUNDS; i++)); do seconds "$1"; done | sort -n | head -1
}
# compare TITLE GOAL OURS THEIRS
compare() {
  local ours theirs
  bash -c "$4" && bash -c "$3" # warm
  theirs=$(best "$4")
  ours=$(best "$3")
  awk -v t="$1" -v g="$2" -v a="$ours" -v b="$theirs" \
    'BEGIN {printf "%-34s %8.3f s  against %8.3f s: %.2f (goal %s)\n", t, a, b, a / b, g}'
  OURS=$ours
}
same() {
  if cmp -s "$1" "$2"; then echo "  same results: $(wc -l <"$1") lines"; else
    echo "  DIFFERENT results:"
    diff "$1" "$2" | head -5
    exit 1
  fi
}
rows() { # FILTER: of the rows on standard input.
  python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line).get("row")
    if row: print('"$1"')' | LC_ALL=C sort
}

printf '{"searches":[{"paths":["%s"],"names":["\\\\.so$"],"oneFilesystem":true}],"threads":2}' \
  "$TREE" >"$WORK/name.json"
compare "names of $TREE" 0.5 \
  "'$BIN/dragnet-agent' module file --params '$WORK/name.json' >'$WORK/name.out'" \
  "find '$TREE' -xdev -type f -name '*.so' >'$WORK/name.find'"
rows 'row["path"]' <"$WORK/name.out" >"$WORK/name.ours"
LC_ALL=C sort "$WORK/name.find" >"$WORK/name.theirs"
same "$WORK/name.ours" "$WORK/name.theirs"

# Hashes of the list, not a row for each file: a run has 100,000 rows at most.
find "$TREE" -xdev -type f -name '*.so*' -print0 | xargs -0 sha256sum | cut -c1-64 >"$WORK/list"
python3 -c '
import json, sys
tree, hashes = sys.argv[1], open(sys.argv[2]).read()
print(json.dumps({"searches": [{"paths": [tree], "hashList": hashes, "oneFilesystem": True,
                                "returnSha256": True}], "threads": 2}))' "$TREE" "$WORK/list" \
  >"$WORK/hash.json"
compare "SHA-256 of all of $TREE" 0.9 \
  "'$BIN/dragnet-agent' module file --params '$WORK/hash.json' >'$WORK/hash.out'" \
  "rm -f '$WORK'/hash.openssl.*; find '$TREE' -xdev -type f -print0 | xargs -0 -P2 sh -c 'exec openssl dgst -sha256 -r \"\$@\" >$WORK/hash.openssl.\$\$' openssl"
rows 'row["sha256"] + " " + row["path"]' <"$WORK/hash.out" >"$WORK/hash.ours"
# Each openssl has written a file of its own: in one they would mix.
cat "$WORK"/hash.openssl.* | sed 's/ \*/ /' |
  awk 'NR == FNR {known[$1]; next} $1 in known' "$WORK/list" - | LC_ALL=C sort >"$WORK/hash.theirs"
same "$WORK/hash.ours" "$WORK/hash.theirs"

bytes=$(tail -1 "$WORK/hash.out" | python3 -c 'import json,sys; print(json.load(sys.stdin)["summary"]["bytesExamined"])')
speed=$(openssl speed -seconds 1 -multi 2 -bytes 131072 -evp sha256 2>/dev/null |
  awk '/^sha256/ {sub("k", "", $NF); print $NF * 1000}')
awk -v b="$bytes" -v s="$speed" -v o="$OURS" \
  'BEGIN {printf "  %.2f GB at %.2f GB/s: floor %.3f s, ours is %.2f of it (goal 1.15)\n", b / 1e9, s / 1e9, b / s, o * s / b}'
