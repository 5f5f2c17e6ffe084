# A fleet in a temporary directory, for scripts: source this after setting BIN.
# Removes everything when the script ends.
PATH=$BIN:$PATH
FLEET_ROOT=$(mktemp -d /tmp/dragnet-fleet.XXXXXX)
chmod 755 "$FLEET_ROOT" # the link and the workers run as users of their own
FLEET_PIDS=()

fleet_cleanup() {
  trap - EXIT INT TERM
  [ ${#FLEET_PIDS[@]} = 0 ] || kill "${FLEET_PIDS[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$FLEET_ROOT"
}
trap fleet_cleanup EXIT
trap 'exit 130' INT TERM

die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# wait_for WHAT SECONDS COMMAND…: until COMMAND succeeds.
wait_for() {
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@"; do
    [ $SECONDS -lt $deadline ] || { tail -n 20 "$FLEET_ROOT"/*.log >&2; die "$what: gave up; logs are above"; }
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

# start_scheduler NAME: a fleet and its scheduler; sets DRAGNET_CONFIG.
start_scheduler() {
  local port
  port=$(free_port)
  dragnet-scheduler init --dir "$FLEET_ROOT/fleet" --name "$1" --listen "127.0.0.1:$port" \
    --investigator "$1" --token-uses 1000 >"$FLEET_ROOT/init.log" 2>&1 || die "$(cat "$FLEET_ROOT/init.log")"
  dragnet-scheduler run --config "$FLEET_ROOT/fleet/scheduler.toml" >"$FLEET_ROOT/scheduler.log" 2>&1 &
  SCHEDULER_PID=$!
  FLEET_PIDS+=($!)
  wait_for "scheduler" 20 grep -q 'listening on' "$FLEET_ROOT/scheduler.log"
  export DRAGNET_CONFIG=$FLEET_ROOT/fleet/investigator/console.toml
}

# start_agent NAME ENV: an agent that enrols itself; sets AGENT_PID.
start_agent() {
  local kit=$FLEET_ROOT/$1
  cp -r "$FLEET_ROOT/fleet/agent" "$kit"
  {
    # Tables come last in TOML: plain keys go in front.
    echo "name = \"$1\""
    grep -vE '^(name|env) *=|^\[tags\]' "$FLEET_ROOT/fleet/agent/agent.toml"
    printf '\n[tags]\nenv = "%s"\nrole = "%s"\n' "$2" "${1%%[0-9]*}"
  } >"$kit/agent.toml"
  chmod 755 "$kit"
  dragnet-agent run --config "$kit/agent.toml" >"$FLEET_ROOT/$1.log" 2>&1 &
  AGENT_PID=$!
  FLEET_PIDS+=($!)
}

online() { [ "$(dragnet agents --output jsonl 2>/dev/null | grep -ci online)" -ge "$1" ]; }
