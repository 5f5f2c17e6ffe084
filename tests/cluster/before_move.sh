#!/usr/bin/env bash
# Of ordinary.sh: the fleet while it is on SQLite, whose agents answer an action.
#   before_move.sh DIRECTORY_OF_THE_CLUSTER
set -euo pipefail
DIR=$1
ROOT=$(dirname "$DIR")
# shellcheck source=/dev/null
. "$DIR/cluster.env"
# shellcheck source=/dev/null
. "$(dirname "$(readlink -f "$0")")/testing.sh"
export DRAGNET_CONFIG=$DIR/fleet/investigator/console.toml
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

dragnet-scheduler run --config "$DIR/fleet/scheduler.toml" >"$ROOT/before-scheduler.log" 2>&1 &
SCHEDULER=$!
for_seconds 60 grep -q 'listening on' "$ROOT/before-scheduler.log" || die "the scheduler doesn't listen"
dragnet-swarm run --fleet "$DIR/fleet" --agents "$AGENTS" --for 1h --ledger "$ROOT/before.json" >"$ROOT/before-swarm.log" 2>&1 &
SWARM=$!
connected() { [ "$(tail -n 1 "$ROOT/before-swarm.log" | jq .connected)" = "$AGENTS" ]; }
for_seconds 60 connected || die "agents don't connect"
action=$(investigate "$LOAD")
wait_until_ended "$action"
echo "$action" >"$ROOT/before-action"
for process in $SWARM $SCHEDULER; do
  kill "$process"
  wait "$process"
done
