#!/usr/bin/env bash
# ./dev bench fleet [MEASURE…] [SIZE…]: one scheduler and so many simulated
# agents (dragnet-swarm), which share this machine; a Markdown table.
#
# Measures (default: all but hold):
#   connect    all agents connect at once: seconds until the last one is, failures
#   idle       the scheduler's resident memory; its and the swarm's CPU over 30 s
#   small      an action of 1 KiB to all, a row of 1 KiB from each: first and last
#              row at a watcher (median of 5)
#   search     counting a target (median of 20)
#   blob       3 MB of YARA rules to all, and a small action to 1 % every 2 s meanwhile
#   bulk       1,000 rows (FLEET_BENCH_ROWS) of 200 bytes from each: rows a second, peak memory
#   reconnect  the scheduler is stopped and started: seconds until all are back
#   hold       leaves it running until Enter is pressed, to look at it
# Sizes: agents, default 1000 2000 5000 10000 15000.
# At the end of each size what the agents produced is compared with the store.
# FLEET_BENCH_SWARM: further options of `dragnet-swarm run`.
set -euo pipefail
BIN=$1
shift
TEST_BIN=$(dirname "$BIN")/test
. "$(dirname "$0")/../fleet.sh"
PATH=$TEST_BIN:$PATH

MEASURES='' SIZES=''
for word in "$@"; do
  case $word in
    connect | idle | small | search | blob | bulk | reconnect | hold) MEASURES="$MEASURES $word" ;;
    *[!0-9]* | '') die "'$word': neither a measure nor a number of agents; see the head of $0" ;;
    *) SIZES="$SIZES $word" ;;
  esac
done
[ -n "$MEASURES" ] || MEASURES="connect idle small search blob bulk reconnect"
[ -n "$SIZES" ] || SIZES="1000 2000 5000 10000 15000"
asked() { case " $MEASURES " in *" $1 "*) true ;; *) false ;; esac; }

TARGET="tags->>'swarm'='1'"
# One in a hundred.
SOME="tags->>'number' like '%00'"

# field KEY: of a line of JSON on standard input; rounded when it is a number.
field() {
  python3 -c '
import json, sys
value = json.loads(sys.stdin.read())[sys.argv[1]]
print(f"{value:.{sys.argv[2]}f}" if isinstance(value, (int, float)) else json.dumps(value))' "$1" "${2:-0}"
}
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
# Of a core, over 30 s.
percent() { awk -v before="$1" -v after="$2" 'BEGIN {printf "%.1f %%", (after - before) / 30}'; }
megabytes() { awk -v field="$2:" '$1 == field {printf "%.0f", $2 / 1024}' "/proc/$1/status"; }
swarm_says() { tail -n 1 "$FLEET_ROOT/swarm.out" | field "$@"; }
failures() {
  tail -n 1 "$FLEET_ROOT/swarm.out" | python3 -c '
import json, sys
print("; ".join(f"{count} × {why}" for why, count in json.load(sys.stdin)["failures"].items()) or "none")'
}
watch() { watch_bench "$DRAGNET_CONFIG" "$@"; }
note() { NOTES="$NOTES
- $SIZE: $*"; }

run_scheduler() {
  dragnet-scheduler run --config "$FLEET_ROOT/fleet/scheduler.toml" >>"$FLEET_ROOT/scheduler.log" 2>&1 &
  SCHEDULER_PID=$!
  FLEET_PIDS=("$SCHEDULER_PID")
}
listening() { [ "$(grep -c 'listening on' "$FLEET_ROOT/scheduler.log")" -ge "$1" ]; }
all_connected() { [ "$(swarm_says all_connected_after 1 2>/dev/null || echo -1.0)" != -1.0 ]; }

start_fleet() {
  rm -rf "${FLEET_ROOT:?}"/*
  dragnet-scheduler init --dir "$FLEET_ROOT/fleet" --name bench --listen "127.0.0.1:$(free_port)" \
    --investigator bench >"$FLEET_ROOT/init.log" 2>&1 || die "$(cat "$FLEET_ROOT/init.log")"
  export DRAGNET_CONFIG=$FLEET_ROOT/fleet/investigator/console.toml
  dragnet-swarm prepare --fleet "$FLEET_ROOT/fleet" --agents "$SIZE"
  run_scheduler
  wait_for "scheduler" 60 listening 1
  # shellcheck disable=SC2086
  dragnet-swarm run --fleet "$FLEET_ROOT/fleet" --agents "$SIZE" --for 2h \
    --ledger "$FLEET_ROOT/ledger.json" ${FLEET_BENCH_SWARM:-} \
    >"$FLEET_ROOT/swarm.out" 2>"$FLEET_ROOT/swarm.log" &
  SWARM_PID=$!
  FLEET_PIDS+=("$SWARM_PID")
  wait_for "$SIZE agents connected" 600 all_connected
}

# Its exit status.
end() {
  kill "$1" || return
  wait "$1"
}

stop_fleet() {
  end "$SWARM_PID" || note "the swarm failed: $(tail -n 1 "$FLEET_ROOT/swarm.log")"
  note "$(dragnet-swarm check --ledger "$FLEET_ROOT/ledger.json" \
    --database "$FLEET_ROOT/fleet/scheduler/dragnet.db" 2>&1 | head -n 5)"
  end "$SCHEDULER_PID" || note "the scheduler ended with status $?"
  FLEET_PIDS=()
}

measure_connect() {
  CONNECT="$(swarm_says all_connected_after 1) s"
  note "connecting: failures: $(failures); CPU scheduler $(ticks "$SCHEDULER_PID") ticks of 10 ms, swarm $(ticks "$SWARM_PID")"
}

measure_idle() {
  local scheduler swarm
  sleep 5
  scheduler=$(ticks "$SCHEDULER_PID") swarm=$(ticks "$SWARM_PID")
  sleep 30
  IDLE_CPU=$(percent "$scheduler" "$(ticks "$SCHEDULER_PID")")
  RESIDENT="$(megabytes "$SCHEDULER_PID" VmRSS) MB"
  note "idle: the swarm takes $(percent "$swarm" "$(ticks "$SWARM_PID")") of a core and $(megabytes "$SWARM_PID" VmRSS) MB"
}

measure_small() {
  local result scheduler swarm
  scheduler=$(ticks "$SCHEDULER_PID") swarm=$(ticks "$SWARM_PID")
  result=$(watch action "$TARGET" "rows=1 row_bytes=1024" 5)
  SMALL="$(field first_row_ms <<<"$result") / $(field last_row_ms <<<"$result") ms"
  note "small: $result; CPU scheduler $(($(ticks "$SCHEDULER_PID") - scheduler)) ticks, swarm $(($(ticks "$SWARM_PID") - swarm))"
}

measure_search() {
  SEARCH="$(watch search "tags->>'env'='prod' and distribution='debian' and tags->>'role' like 'w%'" 20 |
    field median_ms 1) ms"
}

measure_blob() {
  local result
  result=$(watch blob "$TARGET" 3000000 "$SOME")
  BLOB="$(field end_ms <<<"$result") / $(field small_worst_ms <<<"$result") ms"
  note "blob: $result; fetched $(swarm_says blobs_fetched), wrong $(swarm_says blobs_wrong), $(swarm_says blob_bytes) bytes"
}

measure_bulk() {
  local result scheduler swarm
  scheduler=$(ticks "$SCHEDULER_PID") swarm=$(ticks "$SWARM_PID")
  echo 5 >"/proc/$SCHEDULER_PID/clear_refs" # VmHWM starts anew: proc(5)
  result=$(watch action "$TARGET" "rows=${FLEET_BENCH_ROWS:-1000} row_bytes=200" 1)
  BULK="$(field rows_per_second <<<"$result")/s, $(megabytes "$SCHEDULER_PID" VmHWM) MB"
  note "bulk: $result; CPU scheduler $(($(ticks "$SCHEDULER_PID") - scheduler)) ticks, swarm $(($(ticks "$SWARM_PID") - swarm))"
}

measure_reconnect() {
  local result stopping stopped
  stopping=$(date +%s%N)
  kill "$SCHEDULER_PID"
  wait "$SCHEDULER_PID" || true
  stopped=$(date +%s%N)
  run_scheduler
  FLEET_PIDS+=("$SWARM_PID")
  wait_for "scheduler" 60 listening 2
  result=$(watch connected "$SIZE" 300)
  RECONNECT="$(field seconds 1 <<<"$result") s"
  note "reconnect: $result after it was down for $(((stopped - stopping) / 1000000)) ms to end and $((($(date +%s%N) - stopped) / 1000000)) ms in all since; ends of connections so far: $(failures)"
}

set -E
trap 'tail -n 5 "$FLEET_ROOT"/*.log >&2; die "line $LINENO failed with $SIZE agents; logs are above"' ERR
NOTES=
echo "| agents | all connected | resident, idle | CPU, idle | first / last row | search | 3 MB to all / other action | bulk rows, peak memory | all back |"
echo "|---|---|---|---|---|---|---|---|---|"
for SIZE in $SIZES; do
  CONNECT=- RESIDENT=- IDLE_CPU=- SMALL=- SEARCH=- BLOB=- BULK=- RECONNECT=-
  start_fleet
  for measure in connect idle small search blob bulk reconnect; do
    ! asked $measure || "measure_$measure"
  done
  echo "| $SIZE | $CONNECT | $RESIDENT | $IDLE_CPU | $SMALL | $SEARCH | $BLOB | $BULK | $RECONNECT |"
  if asked hold; then
    echo "DRAGNET_CONFIG=$DRAGNET_CONFIG; Enter ends it" >&2
    read -r _ || true
  fi
  stop_fleet
done
printf '%s\n' "$NOTES"
