#!/usr/bin/env bash
# ./dev demo: a fleet of three agents on this machine, and a first investigation.
# Usage: demo.sh DIRECTORY_OF_THE_PROGRAMS
set -euo pipefail
BIN=$1
PATH=$BIN:$PATH

DEMO=$(mktemp -d /tmp/dragnet-demo.XXXXXX)
chmod 755 "$DEMO" # the link and the workers run as users of their own
PIDS=()
cleanup() {
  trap - EXIT INT TERM
  [ ${#PIDS[@]} = 0 ] || kill "${PIDS[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$DEMO"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# wait_for WHAT SECONDS COMMAND…: until COMMAND succeeds.
wait_for() {
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@"; do
    [ $SECONDS -lt $deadline ] || { tail -n 20 "$DEMO"/*.log >&2; die "$what: gave up; logs are above"; }
    sleep 0.2
  done
}

free_port() {
  local port
  for port in $(seq 7443 7543); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  die "no free port from 7443 to 7543"
}

PORT=$(free_port)
say "1. A fleet: its CA, a root key, one investigator, one scheduler"
dragnet-scheduler init --dir "$DEMO/fleet" --name demo --listen "127.0.0.1:$PORT" --investigator demo \
  >"$DEMO/init.log" || die "$(cat "$DEMO/init.log")"
dragnet-scheduler run --config "$DEMO/fleet/scheduler.toml" >"$DEMO/scheduler.log" 2>&1 &
PIDS+=($!)
wait_for "scheduler" 20 grep -q 'listening on' "$DEMO/scheduler.log"
grep -o 'listening on.*' "$DEMO/scheduler.log"
export DRAGNET_CONFIG=$DEMO/fleet/investigator/console.toml

say "2. Three agents, which enrol themselves with a token"
for host in web1 web2 db1; do
  kit=$DEMO/$host
  cp -r "$DEMO/fleet/agent" "$kit"
  {
    # Tables come last in TOML: plain keys go in front.
    echo "name = \"$host\""
    # Users of their own without touching /etc/passwd: free ids of systemd's dynamic range.
    if [ "$(id -u)" = 0 ]; then
      echo 'link_user = "64510:64510"'
      echo 'worker_user = "64511:64511"'
    fi
    grep -vE '^(name|link_user|worker_user|env) *=|^\[tags\]' "$DEMO/fleet/agent/agent.toml"
    printf '\n[tags]\nenv = "demo"\nrole = "%s"\n' "${host%[0-9]}"
  } >"$kit/agent.toml"
  chmod 755 "$kit"
  dragnet-agent run --config "$kit/agent.toml" >"$DEMO/$host.log" 2>&1 &
  PIDS+=($!)
done
three_online() { [ "$(dragnet agents --output jsonl 2>/dev/null | grep -c -i online)" = 3 ]; }
wait_for "agents" 30 three_online
dragnet agents

say "3. An investigation: who has an /etc/passwd?"
echo "\$ dragnet file --path /etc --name '^passwd\$' -t \"os='linux' and tags->>'env'='demo'\""
dragnet file --path /etc --name '^passwd$' -t "os='linux' and tags->>'env'='demo'" --yes

say "4. Go on with"
cat <<EOF
  export DRAGNET_CONFIG=$DRAGNET_CONFIG
  export PATH=$BIN:\$PATH
  dragnet agents
  dragnet file --path /usr/bin --mode '^-rws' -t "tags->>'role'='web'"
  dragnet file --path /etc --content '^root:' --output csv
  dragnet actions
  dragnet results last --output jsonl
  dragnet help file
EOF
if [ -t 0 ] && [ -t 1 ]; then
  say "The fleet runs until you press Ctrl-C (its files: $DEMO)"
  wait "${PIDS[0]}" || true
fi
