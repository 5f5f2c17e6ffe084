#!/usr/bin/env bash
# Installs the packages as an operator would, in a Debian of its own, and uses them:
#   install_test.sh SCENARIO BUILD_DIRECTORY
# SCENARIO is one of the files scenarios/*.sh. Needs root: it makes namespaces.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
scenario=$here/scenarios/$1.sh
BUILD=$(readlink -f "$2")
[ "$(id -u)" = 0 ] || { echo "install_test.sh: needs root, for namespaces" >&2; exit 1; }
# Mounts of its own, which end with it.
[ -n "${IN_NAMESPACE:-}" ] || IN_NAMESPACE=1 exec unshare --mount --propagation private "$0" "$@"

export LC_ALL=C.UTF-8
CACHE=$BUILD/install
PACKAGES=$BUILD/packages
NEXT=$BUILD/next/bin # the agent's programs of a later version
. "$here/root.sh"
. "$here/fleet.sh"
trap 'status=$?; [ $status = 0 ] || tell_state; leave; exit $status' EXIT

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# expect WHAT COMMAND…
expect() {
  local what=$1
  shift
  "$@" || fail "$what: $*"
}
# expect_text TEXT COMMAND…: its output, errors too, has the text in it, however it ends.
# TEXT must not be what the command itself repeats.
expect_text() {
  local text=$1 output
  shift
  output=$("$@" 2>&1) || true
  [[ $output == *"$text"* ]] || fail "no '$text' in the output of: $*"$'\n'"$output"
}
# wait_for WHAT SECONDS COMMAND…
wait_for() {
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "$what: gave up waiting"
    sleep 0.3
  done
}

mkdir -p "$CACHE"
# One at a time: they share the base.
exec 9>"$CACHE/lock"
flock 9
make_base "$PACKAGES"/*.deb
. "$scenario"
step "passed: $1"
