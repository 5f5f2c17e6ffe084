# shellcheck shell=bash
# Sourced by cluster.sh. What all parts of a cluster need: messages, waiting, processes.

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'cluster.sh: %s\n' "$*" >&2; exit 2; }

# wait_for WHAT SECONDS COMMAND…: until COMMAND succeeds.
wait_for() {
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || {
      tail -n 20 "$DIR"/log/*.log >&2 || true
      die "$what: gave up waiting; the logs are above"
    }
    sleep 0.2
  done
}

# wait_until_ready NAME COMMAND…: as wait_for, but at once told of when NAME has ended.
wait_until_ready() {
  local name=$1
  shift
  wait_for "$name" 120 ready_or_gone "$name" "$@"
  runs "$name" || { tail -n 20 "$DIR/log/$name.log" >&2; die "$name has ended: its log is above"; }
}
ready_or_gone() {
  local name=$1
  shift
  "$@" || gone "$name"
}

is_root() { [ "$(id -u)" = 0 ]; }

# as USER COMMAND…: what refuses to be root, or has no need to be. Executes it, so that a
# process that is started by this is the command's own.
as() {
  local user=$1
  shift
  if is_root; then
    exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --no-new-privs "$@"
  fi
  exec "$@"
}

# give USER FILE…
give() {
  local user=$1
  shift
  ! is_root || chown -R "$user:$(id -g "$user")" "$@"
}

# http ADDRESS:PORT PATH: the body; fails unless the status is 200.
http() {
  local answer
  answer=$(exec 3<>"/dev/tcp/${1%:*}/${1##*:}" && printf 'GET %s HTTP/1.0\r\nHost: x\r\n\r\n' "$2" >&3 && cat <&3) || return 1
  [[ $answer == HTTP/1.?' 200 '* ]] || return 1
  printf '%s\n' "${answer#*$'\r\n\r\n'}"
}

# ---- processes, by name: db1 db2 n1 n2 n3 s1 s2 s3 proxy swarm

pid_of() { cat "$DIR/pid/$1" 2>/dev/null; }
runs() {
  local pid
  pid=$(pid_of "$1") && [ "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null)" != Z ] && kill -0 "$pid" 2>/dev/null
}

# launch NAME COMMAND…: in NAME's network, with a session of its own, so that Ctrl-C at the
# terminal ends none of them before its turn. COMMAND may be a function that ends with exec.
launch() {
  local name=$1
  shift
  ! runs "$name" || die "$name runs already"
  (
    # Of the script's own descriptors none is theirs, or who waits for its output waits for them.
    exec </dev/null >>"$DIR/log/$name.log" 2>&1
    enter "$name" "$@"
  ) &
  echo $! >"$DIR/pid/$name"
  disown
}

# signal NAME SIGNAL
signal() { kill "-$2" "$(pid_of "$1")" 2>/dev/null; }

gone() { ! runs "$1"; }

stop_component() {
  runs "$1" || return 0
  # PostgreSQL: fast, without waiting for clients.
  case $1 in db*) signal "$1" INT ;; *) signal "$1" TERM ;; esac
  wait_for "the end of $1" 60 gone "$1"
}

kill_component() {
  local name=$1
  runs "$name" || return 0
  # PostgreSQL's other processes end by themselves when the first one is gone, and hold
  # its memory until then.
  signal "$name" KILL
  wait_for "the end of $name" 30 gone "$name"
  case $name in db*) wait_for "the end of $name's processes" 60 no_postgres_on "$name" ;; esac
}
