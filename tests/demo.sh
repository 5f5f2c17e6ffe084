#!/usr/bin/env bash
# ./dev demo: a fleet of three agents on this machine, and a first investigation.
# Usage: demo.sh DIRECTORY_OF_THE_PROGRAMS
set -euo pipefail
BIN=$1
. "$(dirname "$0")/fleet.sh"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "1. A fleet: its CA, a root key, one investigator, one scheduler"
start_scheduler demo
grep -o 'listening on.*' "$FLEET_ROOT/scheduler.log"

say "2. Three agents, which enrol themselves with a token"
for host in web1 web2 db1; do start_agent "$host" demo; done
wait_for "agents" 60 online 3
dragnet agents

say "3. An investigation: who has an /etc/passwd?"
echo "\$ dragnet file --path /etc --name '^passwd\$' -t \"os='linux' and tags->>'env'='demo'\""
dragnet file --path /etc --name '^passwd$' -t "os='linux' and tags->>'env'='demo'" --yes

say "4. Go on with"
cat <<EOF
  export DRAGNET_CONFIG=$DRAGNET_CONFIG
  export PATH=$BIN:\$PATH
  dragnet console
  dragnet agents
  dragnet file --path /usr/bin --mode '^-rws' -t "tags->>'role'='web'"
  dragnet file --path /etc --content '^root:' --output csv
  dragnet actions
  dragnet results last --output jsonl
  dragnet help file
EOF
if [ -t 0 ] && [ -t 1 ]; then
  say "The fleet runs until you press Ctrl-C (its files: $FLEET_ROOT)"
  wait "$SCHEDULER_PID" || true
fi
