#!/usr/bin/env bash
# Breaks a cluster while its agents answer, one fault after the other, and compares each time
# what the agents produced with what is stored. Needs root (network namespaces, a small
# disk); exit status 77: it can't be run here.
#
#   faults.sh BIN [--agents N] [--logs DIR] [FAULT…]
#
#   kill-scheduler   kill -9 of the scheduler that leads
#   kill-bus         kill -9 of the NATS server that leads the stream of records
#   kill-database    kill -9 of PostgreSQL's primary; the standby is promoted
#   kill-proxy       kill -9 of haproxy, which is started again
#   cut-bus          the scheduler that leads hears no NATS server
#   cut-database     it hears no PostgreSQL
#   cut-both         it hears neither
#   rolling-restart  the schedulers are stopped and started one after the other
#   replay           records come twice, and in the wrong order
#   full-disk        a NATS server that leads nothing has no room
#   full-disk-leader the one that leads JetStream as a whole has no room, until it is killed (not
#                    among the default ones)
#
# A fault is over when an action that was launched after it has been answered by all
# agents: how long that took is printed, and for the cuts it must be so before they are mended.
set -euo pipefail
BIN=$(readlink -f "$1")
shift
# shellcheck source=/dev/null
. "$(dirname "$(readlink -f "$0")")/testing.sh"

ALL=(kill-scheduler kill-bus kill-database kill-proxy cut-bus cut-database cut-both rolling-restart replay full-disk)
WANTED=150 FAULTS=()
while [ $# -gt 0 ]; do
  case $1 in
    --agents) WANTED=$2; shift ;;
    --logs) KEEP_LOGS=$(readlink -m "$2"); shift ;;
    *)
      [[ " ${ALL[*]} full-disk-leader " == *" $1 "* ]] || die "there is no fault $1; see the head of $0"
      FAULTS+=("$1")
      ;;
  esac
  shift
done
[ ${#FAULTS[@]} -gt 0 ] || FAULTS=("${ALL[@]}")
can_part_networks || { echo "not run: this needs root and network namespaces"; exit 77; }

# ---- what is broken: each sets MEND, which heals it

lead() { query "SELECT encode(holder, 'escape') FROM leases WHERE name = 'lead'"; }

break_kill-scheduler() {
  local name
  name=$(lead)
  note "$name led"
  cluster kill "$name"
  MEND="cluster start $name"
}

break_kill-bus() {
  local name
  name=$(cluster bus_leader)
  note "$name led"
  cluster kill "$name"
  MEND="cluster start $name"
}

break_kill-database() {
  local name other
  name=$(cluster primary)
  [ "$name" = db1 ] && other=db2 || other=db1
  cluster kill "$name"
  cluster promote "$other"
  note "$other is promoted"
  MEND="cluster rejoin $name"
}

break_kill-proxy() {
  cluster kill proxy
  cluster start proxy
}

# cut_off NAME…: of the scheduler that leads.
cut_off() {
  local name other
  name=$(lead)
  note "$name is cut off"
  for other in "$@"; do cluster cut "$name" "$other"; done
  MEND="cluster heal"
}
break_cut-bus() { cut_off n1 n2 n3; }
break_cut-database() { cut_off db1 db2; }
break_cut-both() { cut_off n1 n2 n3 db1 db2; }

break_rolling-restart() {
  local name
  for name in "${SCHEDULERS[@]}"; do
    cluster stop "$name"
    cluster start "$name"
  done
}

# While no one can write, what agents send waits on the bus.
break_replay() {
  local holder replayed
  query 'BEGIN; SELECT * FROM stream_head FOR UPDATE; SELECT pg_sleep(3)' >/dev/null &
  holder=$!
  sleep 1.5
  replayed=$(replay_records --bus "$(bus_urls)" --fleet "$FLEET_ID" --name s1 --take-away \
    --ca "$DIR/tls/ca.pem" --certificate "$DIR/tls/s1.pem" --key "$DIR/tls/s1.key")
  wait "$holder"
  note "$(jq -r '"\(.again) records came again, in the wrong order, \(.taken_away) of them only so"' <<<"$replayed")"
  [ "$(jq .again <<<"$replayed")" -gt 0 ] || problem "no record waited on the bus: nothing was replayed"
}

break_full-disk() {
  # Whoever comes back follows.
  while [ "$(cluster meta_leader)" = n2 ] || [ "$(cluster bus_leader)" = n2 ]; do
    cluster stop n2
    cluster start n2
  done
  broken=$(now)
  cluster fill n2
  note "n2 has no room"
  MEND="make_room"
}
# NATS 2.9.10 goes on to lead with a store that can't write: no consumer is made any more, and
# records wait. An operator kills it.
break_full-disk-leader() {
  local leader
  until leader=$(cluster meta_leader) && [ "$leader" = n2 ]; do
    [ -z "$leader" ] || cluster stop "$leader"
    for_seconds 60 another_leads "$leader"
    [ -z "$leader" ] || cluster start "$leader"
  done
  cluster fill n2
  note "n2 leads, and has no room; killed after 20 s"
  sleep 20
  cluster kill n2
  broken=$(now)
  MEND="make_room"
}
another_leads() {
  local leader
  leader=$(cluster meta_leader) && [ "$leader" != "$1" ]
}
# Of a store that couldn't write NATS takes nothing more before it is started anew, and 2.9.10
# doesn't end by SIGTERM then.
make_room() {
  cluster room n2
  cluster kill n2
  cluster start n2
}

# ---- a round

note() { NOTES="$NOTES${NOTES:+; }$*"; }
problem() {
  BAD=$((BAD + 1))
  PROBLEMS="$PROBLEMS
  $*"
}

# An action that all agents, wherever they have gone, have answered. Sets PROBE.
whole_again() {
  for_seconds "$LONGEST_SILENCE" launch_probe || { problem "no action can be launched"; return 1; }
  local said
  said=$(wait_until_ended "$PROBE") || { problem "while it was broken: $said"; return 1; }
}
launch_probe() { PROBE=$(investigate 'rows=1 row_bytes=200') && [ -n "$PROBE" ]; }

# run FAULT
run() {
  local fault=$1 actions=() begin broken recovered='' said MEND=''
  NOTES='' PROBLEMS='' BAD=0 PROBE=''
  begin=$(now)
  for _ in 1 2 3; do actions+=("$(investigate "$LOAD")"); done
  for_seconds 60 has_rows "${actions[0]}" || problem "no row of ${actions[0]} comes"
  broken=$(now)
  "break_$fault"
  whole_again && recovered=$(since "$broken")
  [ -z "$MEND" ] || $MEND || problem "$MEND failed"
  for_seconds "$LONGEST_SILENCE" all_connected || problem "$(swarm_says connected) of $AGENTS agents are connected"
  said=$(wait_until_ended "${actions[@]}") || problem "$said"
  said=$(rows_are_stored_once "${actions[@]}" ${PROBE:+"$PROBE"}) || problem "$said"
  for_seconds "$LONGEST_SILENCE" copies_agree || problem "NATS servers count records differently: ${COPIES//$'\n'/, }"
  printf '%-16s %s: whole again after %s s; %s s in all%s\n  %s\n' "$fault" "$([ $BAD = 0 ] && echo good || echo BAD)" \
    "${recovered:-?}" "$(since "$begin")" "${NOTES:+; $NOTES}" "$said"
  [ -z "$PROBLEMS" ] || printf '%s\n' "${PROBLEMS:1}"
  [ $BAD = 0 ] || FAILED="$FAILED $fault"
}

set -E
trap 'die "line $LINENO: $BASH_COMMAND: failed"' ERR
say "a cluster with $WANTED agents"
# Among the agents are some that send what they have twice, or in another order.
CLUSTER_SWARM="--lie repeat=10% --lie reorder=10%" bring_up --agents "$WANTED" --network namespaces --small-disk n2=96
FAILED=''
for fault in "${FAULTS[@]}"; do run "$fault"; done
# Nothing that was stored once has changed since.
said=$(rows_are_stored_once) || FAILED="$FAILED at-the-end"
printf '%-16s %s\n' 'at the end' "$said"
if [ -n "$FAILED" ]; then
  tail -n 15 "$DIR"/log/*.log >&2
  die "bad:$FAILED"
fi
