#!/usr/bin/env bash
# Content searches against ripgrep: the same files found, and in what time.
# Usage: content.sh DIRECTORY_OF_THE_PROGRAMS [DIRECTORY_TO_SEARCH [ROUNDS]]
#
# Each ratio is the median of pairs of runs in turn, after one warm-up run each.
# As root, so that both read every file; inside the worker's sandbox.
set -euo pipefail
BIN=$1
TREE=${2:-/usr}
ROUNDS=${3:-3}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

ONE_LITERAL='sshd_config'
ONE_CLASS='[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
ONE_ANCHOR='^(root|daemon):[^:]*:[0-9]+:'
ONE_CASE='(?i:authorized_keys)2?'
TWENTY=(
  'BEGIN (RSA|OPENSSH|EC) PRIVATE KEY' 'authorized_keys' 'eval\(base64_decode' '/etc/shadow'
  'LD_PRELOAD=' '(?i:password) *= *["'\''][^"'\'']{6,}' 'wget https?://[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+'
  'curl .*\| *(ba)?sh' 'nc -e /bin/' '/dev/tcp/[0-9.]+/[0-9]+' 'AKIA[0-9A-Z]{16}' 'chmod [0-7]*777'
  'xmrig' 'stratum\+tcp://' '^\* \* \* \* \* root' 'ptrace\(PTRACE_ATTACH' 'insmod .*\.ko'
  'ssh-rsa AAAA' 'iptables -F' 'setuid\(0\)'
)

# parameters NAME PATTERN…: a search that any of the patterns decides.
parameters() {
  local name=$1
  shift
  printf '%s\n' "$@" | python3 -c '
import json, sys
patterns = sys.stdin.read().splitlines()
print(json.dumps({"searches": [{"paths": [sys.argv[1]], "contents": patterns, "match_any": True}]}))
' "$TREE" >"$WORK/$name.json"
}
# In turn: what each run writes is kept for the comparison of what was found.
run_dragnet() { "$BIN/dragnet-agent" module file --params "$WORK/$1.json" >"$WORK/$1.dragnet" || [ $? = 3 ]; }
run_rg() { # NAME THREADS PATTERN…
  local name=$1 threads=$2 arguments=() pattern
  shift 2
  for pattern in "$@"; do arguments+=(-e "$pattern"); done
  # Bytes, as Dragnet sees them: no UTF-16 converted, no classes of Unicode.
  rg --no-config -uuu -a -E none --no-unicode -j"$threads" -l "${arguments[@]}" "$TREE" >"$WORK/$name.rg" || [ $? = 1 ]
}
seconds() {
  local start=$EPOCHREALTIME
  "$@"
  echo "$start $EPOCHREALTIME" | awk '{printf "%.3f\n", $2 - $1}'
}
median() { sort -n | awk '{a[NR] = $1} END {printf "%.3f", a[int((NR + 1) / 2)]}'; }

# The same paths.
compare_lists() {
  python3 - "$WORK/$1.dragnet" "$WORK/$1.rg" <<'PYTHON'
import base64, json, sys
rows = (json.loads(line).get("row") for line in open(sys.argv[1]))
mine = set()
for row in filter(None, rows):
    raw = row.get("pathRaw") or row.get("path_raw")
    mine.add(base64.b64decode(raw) if raw else row["path"].encode())
peer = set(open(sys.argv[2], "rb").read().splitlines())
extra, missing = mine - peer, peer - mine
if extra or missing:
    print("DIFFERENT: only dragnet", sorted(extra)[:5], "only rg", sorted(missing)[:5])
    sys.exit(1)
print(f"{len(mine)} files, the same")
PYTHON
}

failed=0
bench() { # NAME GOAL PATTERN…
  local name=$1 goal=$2 i
  shift 2
  parameters "$name" "$@"
  run_dragnet "$name"
  run_rg "$name" 2 "$@"
  : >"$WORK/d"; : >"$WORK/r2"; : >"$WORK/r1"
  for ((i = 0; i < ROUNDS; ++i)); do
    seconds run_dragnet "$name" >>"$WORK/d"
    seconds run_rg "$name" 2 "$@" >>"$WORK/r2"
    seconds run_rg "$name" 1 "$@" >>"$WORK/r1"
  done
  printf '%-12s dragnet %7.3f s   rg -j2 %7.3f s   ratio %.3f (at most %s)   rg -j1 %7.3f s   ratio %.3f   ' "$name" \
    "$(median <"$WORK/d")" "$(median <"$WORK/r2")" "$(paste "$WORK/d" "$WORK/r2" | awk '{print $1/$2}' | median)" "$goal" \
    "$(median <"$WORK/r1")" "$(paste "$WORK/d" "$WORK/r1" | awk '{print $1/$2}' | median)"
  compare_lists "$name" || failed=1
}

bench literal 0.8 "$ONE_LITERAL"
bench class 0.8 "$ONE_CLASS"
bench anchored 0.8 "$ONE_ANCHOR"
bench caseless 0.8 "$ONE_CASE"
bench twenty 0.5 "${TWENTY[@]}"
exit $failed
