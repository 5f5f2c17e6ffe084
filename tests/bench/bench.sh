#!/usr/bin/env bash
# ./dev bench: the figures of docs/performance.md.
# Usage: bench.sh DIRECTORY_OF_THE_PROGRAMS [launch|idle|limits|modules|store|results|hosts|checks]…
#        bench.sh DIRECTORY_OF_THE_PROGRAMS fleet [MEASURE…] [SIZE…]   (fleet.sh)
#        bench.sh DIRECTORY_OF_THE_PROGRAMS cluster [MEASURE…] [SIZE]  (cluster.sh)
set -euo pipefail
BIN=$1
shift
case "${1:-}" in
  fleet | cluster)
    what=$1
    shift
    exec "$(dirname "$0")/$what.sh" "$BIN" "$@"
    ;;
esac
WHAT=${*:-launch idle limits modules store results hosts checks}
TEST_BIN=$(dirname "$BIN")/test
. "$(dirname "$0")/../fleet.sh"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
asked() { case " $WHAT " in *" $1 "*) true ;; *) false ;; esac; }

# milliseconds COMMAND…: wall time of one run, whatever it prints or returns.
milliseconds() {
  local start end
  start=$(date +%s%N)
  "$@" >/dev/null 2>&1 || true
  end=$(date +%s%N)
  echo $(((end - start) / 1000)) | awk '{printf "%.1f\n", $1 / 1000}'
}
median() { sort -n | awk '{a[NR] = $1} END {printf "%.1f", a[int((NR + 1) / 2)]}'; }

agent_pids() { echo "$1" $(pgrep -P "$1"); }

# sum_kb FIELD PIDS…: of smaps_rollup(5).
sum_kb() {
  local field=$1 pid
  shift
  for pid in "$@"; do awk -v f="$field:" '$1 == f {print $2}' "/proc/$pid/smaps_rollup"; done |
    awk '{s += $1} END {print s}'
}
cpu_ticks() {
  local pid
  for pid in "$@"; do awk '{print $14 + $15}' "/proc/$pid/stat"; done | awk '{s += $1} END {print s}'
}

if asked results; then
  say "What the console makes of 1,000,000 rows"
  for what in filter stack sql diff; do "$TEST_BIN/results_bench" 1000000 "$what"; done
  if [ "$WHAT" = results ]; then exit; fi
fi

if asked checks; then
  say "A baseline of this host"
  "$(dirname "$0")/checks.sh" "$BIN"
  if [ "$WHAT" = checks ]; then exit; fi
fi

if asked store; then
  say "The scheduler's store, and its agents by target"
  STORE_DIR=$(mktemp -d "${DRAGNET_BENCH_DIR:-/var/tmp}/dragnet-store-bench.XXXXXX")
  "$TEST_BIN/store_bench" "$STORE_DIR"
  rm -rf "$STORE_DIR"
  "$TEST_BIN/target_bench"
  if [ "$WHAT" = store ]; then exit; fi
fi

start_scheduler bench
start_agent one bench
ONE=$AGENT_PID
wait_for "agent" 30 online 1

if asked launch; then
  say "One agent: launch to complete (file on one path)"
  "$TEST_BIN/launch_latency" "$DRAGNET_CONFIG" "name='one'" 31
  say "One agent: 'dragnet file …' as a whole process"
  for _ in $(seq 16); do
    milliseconds dragnet file --path /etc --name '^passwd$' -t "name='one'" --yes
  done | tail -n 15 | median
  echo " ms (median of 15)"
fi

if asked idle; then
  say "An idle agent, all its processes together (30 s)"
  sleep 5
  # shellcheck disable=SC2046
  set -- $(agent_pids "$ONE")
  before=$(cpu_ticks "$@")
  sleep 30
  after=$(cpu_ticks "$@")
  for pid in "$@"; do
    printf '%-16s resident %6s KB, anonymous %6s KB\n' "$(cat /proc/"$pid"/comm)" \
      "$(sum_kb Rss "$pid")" "$(sum_kb Anonymous "$pid")"
  done
  printf 'together         resident %6s KB (proportional %s KB), anonymous %6s KB, CPU %s ticks of 10 ms in 30 s\n' \
    "$(sum_kb Rss "$@")" "$(sum_kb Pss "$@")" "$(sum_kb Anonymous "$@")" "$((after - before))"
  printf 'scheduler        resident %6s KB\n' "$(sum_kb Rss "$SCHEDULER_PID")"
fi

if asked limits; then
  say "Keeping a worker's CPU share (10 s each)"
  "$TEST_BIN/agent_costs" share
  say "The agent's spool"
  "$TEST_BIN/agent_costs" spool
fi

# What people use by hand instead, and the same answers asked for.
if asked modules; then
  HERE=$(dirname "$0")
  say "Module file: names and hashes"
  "$HERE/file.sh" "$BIN"
  say "Module file: content"
  "$HERE/content.sh" "$BIN"
  say "YARA"
  "$HERE/yara.sh" "$(dirname "$BIN")" /usr/lib
  say "Module netstat"
  "$HERE/netstat.sh" "$BIN"
  say "Module memory (its own process of 512 MB; libyara's scan_proc)"
  "$TEST_BIN/memory_throughput"
fi

if asked hosts; then
  say "100 agents on this machine"
  for i in $(seq 99); do start_agent "host$i" bench; done
  wait_for "100 agents" 180 online 100
  "$TEST_BIN/launch_latency" "$DRAGNET_CONFIG" "tags->>'env'='bench'" 11
fi
