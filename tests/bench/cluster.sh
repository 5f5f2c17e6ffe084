#!/usr/bin/env bash
# ./dev bench cluster [MEASURE…] [SIZE]: several schedulers on PostgreSQL and NATS, beside one on
# SQLite, with so many simulated agents; all of it shares this machine. Prints the table of
# docs/scaling.md, and under it what each figure was made of.
#
# Measures (default: all):
#   sqlite    what is compared with: one scheduler, its store an SQLite file
#   one       one scheduler on PostgreSQL and NATS
#   three     three schedulers
#   latency   from the launch at one scheduler to the row of an agent at another (of three)
#   failover  a scheduler is killed, then PostgreSQL's primary (of three)
# Size: agents, default 3000.
# CLUSTER_BENCH_ROWS: rows of 200 bytes from each agent in bulk; default 500.
set -euo pipefail
BIN=$(readlink -f "$1")
shift
# shellcheck source=/dev/null
. "$(dirname "$(readlink -f "$0")")/../cluster/testing.sh"

MEASURES='' SIZE=3000 ROWS=${CLUSTER_BENCH_ROWS:-500}
for word in "$@"; do
  case $word in
    sqlite | one | three | latency | failover) MEASURES="$MEASURES $word" ;;
    *[!0-9]* | '') die "'$word': neither a measure nor a number of agents; see the head of $0" ;;
    *) SIZE=$word ;;
  esac
done
[ -n "$MEASURES" ] || MEASURES='sqlite one three latency failover'
asked() { case " $MEASURES " in *" $1 "*) true ;; *) false ;; esac; }
ulimit -n "$(ulimit -Hn)"

declare -A TOLD
NOTES=''
note() { NOTES="$NOTES
- $*"; }
# tell COLUMN ROW TEXT
tell() { TOLD[$1,$2]=$3; }
told() { printf '%s' "${TOLD[$1,$2]:-–}"; }
number() { jq -r "$1 | round" <<<"$2"; }
megabytes() { awk '$1 == "VmRSS:" {printf "%.0f", $2 / 1024}' "/proc/$(cat "$DIR/pid/$1")/status"; }
load() { cut -d ' ' -f 1 /proc/loadavg; }
watch_at() { watch_bench "$(console_at "$1")" "${@:2}"; }

# Of the lines of a second each that the swarm prints: the most that connected in one.
most_in_a_second() {
  jq -s '[.[].connections] | [.[1:], .[:-1]] | transpose | map(select(.[0] != null and .[1] != null) | .[0] - .[1]) | max // 0' "$DIR/log/swarm.log"
}

measure_fleet() {
  local column=$1 schedulers=$2 result
  say "$schedulers scheduler(s) on PostgreSQL and NATS, $SIZE agents; the machine's load is $(load)"
  bring_up --agents "$SIZE" --schedulers "$schedulers" --network loopback --direct --bus-bytes $((1 << 30))
  tell "$column" connected "$(swarm_says connected)"
  tell "$column" connect "$(swarm_says all_connected_after | cut -c 1-5) s"
  note "$column: $(most_in_a_second) sessions were claimed in the best second, $(jq -nr "$SIZE / $(swarm_says all_connected_after) | round") a second from the first to the last"
  sleep 5
  tell "$column" memory "$(megabytes s1) MB"
  result=$(watch_at s1 action "$SWARM_TARGET" 'rows=1 row_bytes=1024' 5)
  tell "$column" small "$(number .first_row_ms "$result") / $(number .last_row_ms "$result") ms"
  SMALL[$column]=$(jq .last_row_ms <<<"$result")
  note "$column: small: $result"
  result=$(watch_at s1 action "$SWARM_TARGET" "rows=$ROWS row_bytes=200" 1)
  tell "$column" bulk "$(number .rows_per_second "$result")"
  note "$column: bulk: $result"
}
declare -A SMALL

# Single actions to one agent at s3.
measure_latency() {
  local name id far near
  for name in s1 s3; do
    id=$(query "SELECT encode(a.id, 'escape') FROM sessions s JOIN agents a ON a.no = s.agent WHERE s.scheduler = '$name' AND s.connected != 0 LIMIT 1")
    [ -n "$id" ] || die "no agent is connected to $name"
    [ "$name" = s1 ] && near=$id || far=$id
  done
  near=$(launch_latency "$(console_at s1)" "id='$near'" 51 | sed -n 's/first row *//p')
  far=$(launch_latency "$(console_at s1)" "id='$far'" 51 | sed -n 's/first row *//p')
  tell three latency "$(sed 's/.*median *\([0-9.]*\).*/\1 ms/' <<<"$far")"
  note "launched at s1, first row at s1 (with the way to the agent, the bus, the commit and the way back): agent at s1: $near; agent at s3: $far"
}

measure_failover() {
  local begin moved probe
  moved=$(query "SELECT count(*) FROM sessions WHERE scheduler = 's2' AND connected != 0")
  begin=$(now)
  cluster kill s2
  for_seconds 30 not_all_connected || note "nobody missed s2"
  for_seconds 300 all_connected || note "after s2 was killed only $(swarm_says connected) are connected"
  tell three failover "$moved agents: $(since "$begin") s"
  cluster start s2
  begin=$(now)
  cluster kill db1
  cluster promote db2
  until probe=$(investigate 'rows=1 row_bytes=200') && [ -n "$probe" ]; do sleep 0.2; done
  PROBES+=("$probe")
  for_seconds 300 has_rows "$probe" || note "no row flows after the promotion"
  tell three promotion "$(since "$begin") s"
}
PROBES=()
not_all_connected() { ! all_connected; }

finish_fleet() {
  # What agents are still answering is on its way, and neither lost nor made up.
  wait_until_ended "${PROBES[@]}" || note "$1: not all have answered: $LAST_PROGRESS"
  PROBES=()
  note "$1: $(rows_are_stored_once || true)"
  cluster down >/dev/null 2>&1
  rm -rf "$ROOT"
}

if asked sqlite; then
  say "one scheduler on SQLite, $SIZE agents; the machine's load is $(load)"
  # | agents | all connected | resident, idle | CPU | first / last row | search | blob | bulk | … |
  line=$(FLEET_BENCH_ROWS=$ROWS "$(dirname "$0")/fleet.sh" "$BIN" connect idle small bulk "$SIZE" | grep "^| $SIZE |")
  field() { cut -d '|' -f "$(($1 + 1))" <<<"$line" | sed 's/^ *//; s/ *$//'; }
  tell sqlite connected "$SIZE"
  tell sqlite connect "$(field 2)"
  tell sqlite memory "$(field 3)"
  tell sqlite small "$(field 5)"
  tell sqlite bulk "$(field 8 | sed 's|/s.*||')"
  SMALL[sqlite]=$(field 5 | sed 's|.*/ \([0-9.]*\).*|\1|')
fi
if asked one; then
  measure_fleet one 1
  finish_fleet one
fi
if asked three || asked latency || asked failover; then
  measure_fleet three 3
  ! asked latency || measure_latency
  ! asked failover || measure_failover
  finish_fleet three
fi

ratio=–
[ -z "${SMALL[three]:-}" ] || [ -z "${SMALL[sqlite]:-}" ] || ratio=$(jq -nr "${SMALL[three]} / ${SMALL[sqlite]} * 100 | round / 100")
row() { echo "| $1 | $2 | $(told sqlite "$3") | $(told one "$3") | $(told three "$3") |"; }
cat <<END

$(date -u +%F), $(nproc) cores; load at the end $(load)

| | goal | 1 scheduler, SQLite | 1 scheduler, PostgreSQL | 3 schedulers |
|---|---|---|---|---|
$(row 'agents connected, all of them' '' connected)
$(row 'all connect at once' '' connect)
$(row 'resident memory of a scheduler, idle' '' memory)
$(row 'small action, first / last row at the watcher' "1.5 × SQLite's; is $ratio ×" small)
$(row 'bulk rows of 200 bytes, a second' '60,000' bulk)
$(row 'from the launch at one scheduler to the first row of an agent at another, median' '50 ms' latency)
$(row 'a scheduler is killed: its agents are back' '30 s for 4,000' failover)
$(row 'the primary is killed, the standby promoted: rows flow again' '' promotion)
$NOTES
END
