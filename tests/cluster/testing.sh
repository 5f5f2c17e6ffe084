# shellcheck shell=bash
# Sourced by what tests or measures a cluster, after BIN is set: brings one up, launches
# actions on it with the real console, and compares what its agents produced with what is stored.

CLUSTER_HOME=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
TEST_BIN=$(dirname "$BIN")/test
PATH=$BIN:$TEST_BIN:$PATH
SWARM_TARGET="tags->>'swarm'='1'"
# So many rows in so many records that answers are many commits; some agents fail.
LOAD="rows=50..200 row_bytes=300 record_bytes=1500 delay=0s..1500ms clean=10% incomplete=5% crashed=3% limit=2%"
# After so long without any progress something hangs: agents wait a minute at most
# before they try again.
LONGEST_SILENCE=120

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
# The kernel's, in milliseconds.
now() { local up; read -r up _ </proc/uptime; echo "$((10#${up/./}0))"; }
# since MILLISECONDS: until now, in seconds.
since() { local ms=$(($(now) - $1)); printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100)); }

cluster() { "$CLUSTER_HOME/cluster.sh" --dir "$DIR" "$@"; }
# bring_up OPTION…: a cluster in a directory that goes with this script. Sets what
# `cluster.sh env` says; consoles connect through the proxy.
bring_up() {
  ROOT=$(mktemp -d /tmp/dragnet-test.XXXXXX)
  chmod 755 "$ROOT"
  DIR=$ROOT/cluster
  mkdir "$DIR"
  trap bring_down EXIT
  trap 'exit 130' INT TERM
  "$CLUSTER_HOME/cluster.sh" up --bin "$BIN" --dir "$DIR" --detach "$@" >"$ROOT/up.log" 2>&1 </dev/null || {
    cat "$ROOT/up.log" >&2
    die "the cluster doesn't come up"
  }
  eval "$(cluster env)"
  export DRAGNET_CONFIG=$DIR/fleet/investigator/console.toml
  FLEET_ID=$(sed -n 's/^fleet_id *= *"\(.*\)"/\1/p' "$DRAGNET_CONFIG")
}
bring_down() {
  local status=$?
  trap - EXIT INT TERM
  if [ -n "${KEEP_LOGS:-}" ] && [ "$status" != 0 ]; then
    mkdir -p "$KEEP_LOGS"
    cp -r "$DIR"/log/. "$KEEP_LOGS" 2>/dev/null || true
    cp "$ROOT"/*.log "$DIR/ledger.json" "$KEEP_LOGS" 2>/dev/null || true
  fi
  [ ! -f "$DIR/cluster.env" ] || cluster down >/dev/null 2>&1 || true
  rm -rf "$ROOT"
  exit "$status"
}

# for_seconds SECONDS COMMAND…: until it succeeds; fails after that time.
for_seconds() {
  local until=$(($(now) + $1 * 1000))
  shift
  until "$@"; do
    [ "$(now)" -lt "$until" ] || return 1
    sleep 0.2
  done
}

# ---- actions

# investigate ANSWER [FLAG…]: launches it on all agents, connected or not; prints its id.
investigate() {
  local answer=$1
  shift
  dragnet file --path /etc --name '^passwd$' --target "$SWARM_TARGET" --wait --expires 2h \
    --action-description "swarm: $answer" --no-wait --yes "$@" 2>>"$ROOT/console.log" |
    grep -Eo '[0-9a-f]{8}-[0-9a-f-]{27}' | tail -n 1
}
# progress_of ACTION: how many agents are in which state, as an object of numbers.
progress_of() {
  dragnet actions show "$1" --output jsonl 2>>"$ROOT/console.log" | jq -ce '.progress | map_values(tonumber)'
}
ended_of() { jq '[.found, .clean, .incomplete, .refused, .neverSent] | map(. // 0) | add'; }
rows_of() { progress_of "$1" | jq '.rows // 0'; }
# has_ended ACTION [AGENTS]
has_ended() {
  local progress
  progress=$(progress_of "$1") || return 1
  LAST_PROGRESS=$progress
  [ "$(jq '.targeted // 0' <<<"$progress")" = "${2:-$AGENTS}" ] && [ "$(ended_of <<<"$progress")" = "${2:-$AGENTS}" ]
}
# wait_until_ended ACTION…: fails if nothing changes for LONGEST_SILENCE.
wait_until_ended() {
  local action before changed
  for action in "$@"; do
    before='' changed=$(now) LAST_PROGRESS=''
    until has_ended "$action"; do
      [ "$LAST_PROGRESS" = "$before" ] || changed=$(now)
      before=$LAST_PROGRESS
      [ $(($(now) - changed)) -lt $((LONGEST_SILENCE * 1000)) ] || {
        echo "action $action doesn't end: ${LAST_PROGRESS:-no scheduler tells its progress}"
        return 1
      }
      sleep 0.2
    done
  done
}
has_rows() { [ "$(rows_of "$1")" -gt 0 ] 2>/dev/null; }

# ---- agents

# Of its last whole line.
swarm_says() { tail -n 3 "$DIR/log/swarm.log" | grep '^{.*}$' | tail -n 1 | jq -r ".$1"; }
all_connected() { [ "$(swarm_says connected)" = "$AGENTS" ]; }

# ---- rows

# The store, as the superuser on its own machine reads it.
store_url() { echo "postgresql://postgres@/dragnet?host=$DIR/$(cluster primary)/run"; }
query() { cluster sql "$(cluster primary)" -d dragnet -c "SET search_path = dragnet" -c "$1"; }

ledger_is_new() { [ "$(stat -c %i "$DIR/ledger.json" 2>/dev/null)" != "$1" ]; }
# compare_rows [ACTION…]: what agents produced, of these actions or of all, byte for byte, with what is stored; prints what the
# checker says, and fails unless each row is stored once.
compare_rows() {
  local old said action options=()
  for action in "$@"; do options+=(--action "$action"); done
  old=$(stat -c %i "$DIR/ledger.json" 2>/dev/null || true)
  kill -USR1 "$(cat "$DIR/pid/swarm")"
  for_seconds 60 ledger_is_new "$old" || { echo "the swarm writes no ledger"; return 1; }
  if ! said=$(dragnet-swarm check --ledger "$DIR/ledger.json" --database "$(store_url)" "${options[@]}" 2>&1); then
    echo "$said"
    # A row may be produced after the ledger was written and before the store is read. One that
    # nobody produced is made up of the next ledger, too.
    [[ $said == *', lost 0, twice 0,'*', wrong states 0'* ]] && return 2
    return 1
  fi
  SAID=${said%%$'\n'*}
  # A record may be stored before its acknowledgement has come.
  if [[ $said != *', pending 0,'* ]]; then echo "$SAID"; return 2; fi
}
# All NATS servers count the records alike: else who reads on at another server leaves some
# out. (How many a server still has may differ: one that was away may have missed removals.)
copies_agree() {
  COPIES=$(cluster bus_copies)
  [ "$(wc -l <<<"$COPIES")" = 3 ] && [ "$(cut -d ' ' -f 2 <<<"$COPIES" | sort -u | wc -l)" = 1 ]
}

# rows_are_stored_once [ACTION…]
rows_are_stored_once() {
  local try said status
  for ((try = 0; ; ++try)); do
    said=$(compare_rows "$@" && echo "$SAID") && { echo "$said"; return 0; }
    status=$?
    if [ $status != 2 ] || [ $try = 30 ]; then echo "$said"; return 1; fi
    sleep 1
  done
}

# ---- the machine

can_part_networks() {
  [ "$(id -u)" = 0 ] && ip link add dgctry type bridge 2>/dev/null && ip link del dgctry &&
    ip netns add dgctry 2>/dev/null && ip netns del dgctry
}
# As a NATS client has them.
bus_urls() {
  local name urls=()
  for name in "${BUSES[@]}"; do urls+=("nats://$(cluster address "$name"):4222"); done
  (IFS=,; echo "${urls[*]}")
}
# console_at SCHEDULER: a configuration of a console that connects to it directly.
console_at() {
  local file=$DIR/fleet/investigator/console-$1.toml
  sed "s/^scheduler *=.*/scheduler = \"$(cluster address "$1"):7443\"/" "$DIR/fleet/investigator/console.toml" >"$file"
  echo "$file"
}
