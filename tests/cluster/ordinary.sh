#!/usr/bin/env bash
# What a cluster is for, with the real programs: a fleet with results moves in from SQLite and
# goes on; a host enrols at a scheduler that hasn't the CA's key; what is launched at one
# scheduler is done by an agent at another, and seen at a third; who is revoked at one is
# refused at another.
#
#   ordinary.sh BIN [--logs DIR]
set -euo pipefail
export BIN
BIN=$(readlink -f "$1")
[ "${2:-}" != --logs ] || KEEP_LOGS=$(readlink -m "$3")
# shellcheck source=/dev/null
. "$(dirname "$(readlink -f "$0")")/testing.sh"
set -E
trap 'tail -n 15 "$ROOT"/*.log "$DIR"/log/*.log >&2; die "line $LINENO failed; the logs are above"' ERR

good() { printf 'good: %s\n' "$*"; }
at() { DRAGNET_CONFIG=$(console_at "$1") "${@:2}"; }

bring_up --agents 60 --before-move "$CLUSTER_HOME/before_move.sh"

# ---- it has moved

OLD=$(cat "$ROOT/before-action")
grep -A 40 'it moves to PostgreSQL' "$ROOT/up.log" | grep -E '^ *records ' || die "migrate doesn't say what it moved: $(cat "$ROOT/up.log")"
said=$(dragnet-swarm check --ledger "$ROOT/before.json" --database "$(store_url)")
good "results from before the move: ${said%%$'\n'*}"
rows=$(at s3 dragnet results "$OLD" --output jsonl 2>/dev/null | wc -l) || true
[ "$rows" = "$(rows_of "$OLD")" ] || die "a console at s3 sees $rows rows of $OLD, not $(rows_of "$OLD")"
good "a console at s3 sees all $rows of them"
action=$(investigate "$LOAD")
wait_until_ended "$action"
good "its agents go on: $(rows_are_stored_once)"

# ---- a host enrols at a scheduler that hasn't the CA's key

! grep -q '^ca_key *=' "$DIR/s2/scheduler.toml" || die "s2 has the CA's key"
KIT=$ROOT/agent
cp -r "$DIR/fleet/agent" "$KIT"
{
  echo 'name = "real"'
  echo "schedulers = [\"$(cluster address s2):7443\"]"
  grep -vE '^(name|schedulers) *=' "$DIR/fleet/agent/agent.toml"
} >"$KIT/agent.toml"
chmod 755 "$KIT"
dragnet-agent run --config "$KIT/agent.toml" >"$ROOT/agent.log" 2>&1 &
AGENT=$!
is_online() { at "$1" dragnet agents --target "name='real'" --output jsonl 2>/dev/null | grep -qi online; }
for_seconds 60 is_online s3 || die "the agent isn't online, seen from s3"
good "an agent enrolled at s2, which asked s1 for its certificate; s3 sees it online"

# ---- launched at s1, done at s2, seen at s3

launched=$(now)
action=$(at s1 dragnet file --path /etc --name '^passwd$' --target "name='real'" --no-wait --yes 2>"$ROOT/console.log" | grep -Eo '[0-9a-f]{8}-[0-9a-f-]{27}')
at s3 dragnet results "$action" --follow --output jsonl >"$ROOT/rows" 2>"$ROOT/watch.log" ||
  die "who watches at s3 fails: $(cat "$ROOT/watch.log")"
grep -q '"/etc/passwd"' "$ROOT/rows" || die "no row at s3: $(cat "$ROOT/watch.log" "$ROOT/rows")"
good "launched at s1, answered by the agent at s2, seen at s3: $(since "$launched") s with two consoles' starts"
action=$(at s1 investigate "rows=20 row_bytes=200 delay=1s..3s")
rows=$(at s3 dragnet results "$action" --follow --output jsonl 2>"$ROOT/watch.log" | wc -l)
[ "$rows" = $((20 * AGENTS)) ] || die "who watches at s3 saw $rows rows of $action, not $((20 * AGENTS))"
good "who watches at s3 while agents everywhere answer sees each row once: $rows"

# ---- revoked at s1, refused at s2

revoked() { grep -qi revoked "$DIR/log/s2.log"; }
! revoked || die "s2 speaks of a revocation already"
begin=$(now)
at s1 dragnet agents revoke real --yes 2>"$ROOT/console.log"
answered=$(now)
until revoked || [ $(($(now) - begin)) -gt 60000 ]; do sleep 0.02; done
revoked || die "s2 doesn't close the session of who was revoked at s1"
good "revoked at s1: s2 closed the session $(($(now) - answered)) ms after the answer ($((answered - begin)) ms for the console)"
is_refused() { ! is_online s2 && grep -qiE 'revoked|refuse' "$ROOT/agent.log"; }
for_seconds 90 is_refused || die "the agent isn't refused at s2"
good "it is refused there when it comes back"
kill "$AGENT"
wait "$AGENT" || true
good "at the end: $(rows_are_stored_once)"
