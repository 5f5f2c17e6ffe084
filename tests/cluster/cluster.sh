#!/usr/bin/env bash
# ./dev cluster: a whole cluster on this machine: PostgreSQL with a synchronous standby,
# three servers of NATS, three schedulers, haproxy, and simulated agents.
#
#   cluster.sh up [--bin DIR] [--dir DIR] [--agents N] [--schedulers N] [--engines]
#                 [--network namespaces|loopback] [--small-disk n2=MEGABYTES] [--bus-bytes N] [--detach]
#                 [--before-move PROGRAM] [--direct]
#       Until Ctrl-C (or SIGTERM), then nothing of it is left, but for what is in a DIR that was
#       given. --engines: PostgreSQL and NATS only. --detach: returns when it is up; `down` ends it.
#       --direct: agents connect to the schedulers without the proxy; --network loopback only.
#       --before-move: PROGRAM DIR is run while the fleet is still on SQLite, and no scheduler runs.
#
# From another terminal, or a test; NAME is db1 db2 n1 n2 n3 s1 s2 s3 proxy or swarm:
#
#   cluster.sh --dir DIR status                 what runs
#   cluster.sh --dir DIR start|stop|kill NAME   SIGTERM, or SIGKILL
#   cluster.sh --dir DIR pause|resume NAME      SIGSTOP, SIGCONT
#   cluster.sh --dir DIR primary                which PostgreSQL takes changes
#   cluster.sh --dir DIR bus_leader             which NATS server leads the stream of records
#   cluster.sh --dir DIR bus_copies             up to which number each of them has it
#   cluster.sh --dir DIR meta_leader            which one leads JetStream as a whole
#   cluster.sh --dir DIR promote NAME           the standby becomes the primary
#   cluster.sh --dir DIR rejoin NAME            a former primary becomes its standby
#   cluster.sh --dir DIR alone NAME             a primary waits for no standby any more
#   cluster.sh --dir DIR cut|mend NAME NAME     neither hears the other; they do again
#   cluster.sh --dir DIR isolate NAME           its network cable is pulled
#   cluster.sh --dir DIR heal                   nothing is parted any more
#   cluster.sh --dir DIR fill|room NAME         the --small-disk is full; it has room again
#   cluster.sh --dir DIR sql NAME [PSQL…]       as the superuser
#   cluster.sh --dir DIR address NAME           where it is
#   cluster.sh --dir DIR env                    addresses and files, for a shell to read
#   cluster.sh --dir DIR down                   ends everything
set -euo pipefail
HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
for part in common network certificates postgresql nats schedulers; do
  # shellcheck source=/dev/null
  . "$HERE/$part.sh"
done

# What a cluster is; cluster.env in its directory keeps it.
KEPT=(DIRECT BIN DIR OWN_DIR NETWORK NUMBER NET PORT AGENTS BUS_BYTES BUS_DISK SMALL_DISK ENGINES POSTGRES_USER NATS_USER INVESTIGATOR)
LISTS=(DATABASES BUSES SCHEDULERS)

keep() { declare -p "${KEPT[@]}" "${LISTS[@]}" | sed 's/^declare -/declare -g/; s/^declare -g-/declare -g/' >"$DIR/cluster.env"; }
load() {
  [ -f "$DIR/cluster.env" ] || die "$DIR: no cluster is here"
  # shellcheck source=/dev/null
  . "$DIR/cluster.env"
  PATH=$BIN:$(dirname "$BIN")/test:$PATH
}

start_component() {
  case $1 in
    db*) start_postgresql "$1" ;;
    n*) start_nats "$1"; wait_until_ready "$1" nats_is_ready "$1" ;;
    proxy) start_proxy ;;
    swarm) start_swarm ;;
    s*) start_scheduler "$1"; wait_until_ready "$1" scheduler_is_ready "$1" ;;
    *) die "$1: there is no such part" ;;
  esac
}

components() {
  echo "${DATABASES[@]}" "${BUSES[@]}"
  [ "$ENGINES" = yes ] || echo "${SCHEDULERS[@]}" proxy
  [ "$ENGINES" = yes ] || [ "$AGENTS" = 0 ] || echo swarm
}

status() {
  local name
  for name in $(components); do
    printf '%-6s %-15s %s\n' "$name" "$(address_of "$name")" "$(runs "$name" && echo "runs, pid $(pid_of "$name")" || echo 'does not run')"
  done
}

# Agents first, PostgreSQL last: nobody waits for who is gone already.
down() {
  local name
  [ "$NETWORK" != namespaces ] || heal 2>/dev/null || true
  for name in swarm proxy "${SCHEDULERS[@]}" "${BUSES[@]}"; do runs "$name" && signal "$name" TERM && signal "$name" CONT || true; done
  for name in swarm proxy "${SCHEDULERS[@]}" "${BUSES[@]}"; do
    for _ in $(seq 150); do runs "$name" || break; sleep 0.1; done
    ! runs "$name" || kill_component "$name"
  done
  # A primary that waits for its standby would wait for ever.
  for name in "${DATABASES[@]}"; do runs "$name" && signal "$name" CONT && signal "$name" QUIT || true; done
  for name in "${DATABASES[@]}"; do
    for _ in $(seq 100); do runs "$name" || break; sleep 0.1; done
    ! runs "$name" || kill_component "$name"
  done
  remove_network
  if [ -n "$SMALL_DISK" ]; then umount "$DIR/${SMALL_DISK%%=*}/store" 2>/dev/null || true; fi
  if [ "$OWN_DIR" = yes ]; then rm -rf "$DIR"; else rm -rf "$DIR/pid" "$DIR/cluster.env"; fi
}

need_programs() {
  local program
  for program in "$PG_BIN/postgres" nats-server openssl jq setsid setpriv; do
    command -v "$program" >/dev/null || die "$program is not installed: ./dev cluster installs what is needed"
  done
  [ "$ENGINES" = yes ] && return
  for program in dragnet-scheduler dragnet-swarm dragnet haproxy; do
    command -v "$program" >/dev/null || die "$program is not there: ./dev cluster builds it (--bin DIR)"
  done
}

summary() {
  cat <<EOF

A cluster runs in $DIR ($NETWORK).

$(status)

  PostgreSQL   $(database_url s1 "$RUN_ROLE")
  NATS         $(bus_servers), certificates in $DIR/tls
EOF
  if [ "$ENGINES" != yes ]; then
    cat <<EOF
  agents and consoles connect to 127.0.0.1:$PORT (haproxy); metrics of s1: http://$(address_of s1):7480/metrics

Try, in another terminal:

  export PATH=$BIN:\$PATH DRAGNET_CONFIG=$DIR/fleet/investigator/console.toml
  dragnet status
  dragnet file --path /etc --name '^passwd\$' -t "tags->>'swarm'='1'" --yes
EOF
  fi
  cat <<EOF
  $HERE/cluster.sh --dir $DIR status
  $HERE/cluster.sh --dir $DIR kill s2        # and start s2; cut s2 db1; promote db2; …

EOF
}

up() {
  BIN='' DIR='' OWN_DIR=yes NETWORK=auto AGENTS=100 ENGINES=no DETACH=no SMALL_DISK='' BUS_BYTES=$((256 << 20)) BEFORE_MOVE='' DIRECT=no
  local schedulers=3
  INVESTIGATOR=cluster
  while [ $# -gt 0 ]; do
    case $1 in
      --engines) ENGINES=yes; shift; continue ;;
      --detach) DETACH=yes; shift; continue ;;
      --direct) DIRECT=yes; shift; continue ;;
    esac
    [ $# -ge 2 ] || die "$1: needs a value; see the head of $HERE/cluster.sh"
    case $1 in
      --bin) BIN=$(readlink -f "$2") ;;
      --dir) DIR=$2 OWN_DIR=no ;;
      --agents) AGENTS=$2 ;;
      --schedulers) schedulers=$2 ;;
      --network) NETWORK=$2 ;;
      --small-disk) SMALL_DISK=$2 ;;
      --bus-bytes) BUS_BYTES=$2 ;;
      --before-move) BEFORE_MOVE=$(readlink -f "$2") ;;
      *) die "there is no option $1; see the head of $HERE/cluster.sh" ;;
    esac
    shift 2
  done
  [[ $AGENTS =~ ^[0-9]+$ && $schedulers =~ ^[1-9]$ && $BUS_BYTES =~ ^[0-9]+$ ]] || die "--agents, --schedulers (1 to 9) and --bus-bytes are numbers"
  [[ $NETWORK =~ ^(auto|namespaces|loopback)$ ]] || die "--network: namespaces or loopback"
  [[ $SMALL_DISK =~ ^(n[123]=[0-9]+)?$ ]] || die "--small-disk: n1=MEGABYTES, or n2, n3"
  BIN=${BIN:-$(readlink -f "$HERE/../../build/bin")}
  PATH=$BIN:$(dirname "$BIN")/test:$PATH
  need_programs
  DATABASES=(db1 db2) BUSES=(n1 n2 n3) SCHEDULERS=()
  local i
  for ((i = 1; i <= schedulers; ++i)); do SCHEDULERS+=("s$i"); done
  BUS_DISK=$((2 * BUS_BYTES + (1 << 30)))
  POSTGRES_USER=postgres NATS_USER=nobody

  if [ "$OWN_DIR" = yes ]; then DIR=$(mktemp -d /tmp/dragnet-cluster.XXXXXX); else
    mkdir -p "$DIR"
    DIR=$(readlink -f "$DIR")
    [ -z "$(ls -A "$DIR")" ] || die "$DIR: is not empty"
  fi
  # postgres and nobody go through it; keys have modes of their own.
  chmod 755 "$DIR"
  [ "${#DIR}" -le 70 ] || die "$DIR: too long a name for sockets in it"
  mkdir -p "$DIR/log" "$DIR/pid"
  PORT=$(free_port)
  choose_network
  keep
  trap 'trap - EXIT INT TERM; say "taking everything down"; down' EXIT
  trap 'exit 130' INT TERM

  local all=("${DATABASES[@]}" "${BUSES[@]}" "${SCHEDULERS[@]}") name
  make_network "${all[@]}"
  make_engine_ca
  say "PostgreSQL: a primary and its standby"
  initialize_primary
  replicate db1 db2
  make_certificate owner
  if [ "$ENGINES" != yes ]; then
    say "a fleet on SQLite, with $AGENTS agents"
    make_fleet
    [ -z "$BEFORE_MOVE" ] || "$BEFORE_MOVE" "$DIR"
  fi
  say "NATS: three servers"
  initialize_nats
  for name in "${BUSES[@]}"; do start_nats "$name"; done
  for name in "${BUSES[@]}"; do wait_until_ready "$name" nats_is_ready "$name"; done
  if [ "$ENGINES" = yes ]; then
    for name in "${SCHEDULERS[@]}"; do make_certificate "$name"; done
  else
    say "it moves to PostgreSQL"
    (move_fleet) || die "migrate failed"
    say "schedulers: ${SCHEDULERS[*]}"
    make_schedulers
    (prepare_bus) || die "bus init failed"
    for name in "${SCHEDULERS[@]}"; do start_scheduler "$name"; done
    for name in "${SCHEDULERS[@]}"; do wait_until_ready "$name" scheduler_is_ready "$name"; done
    write_haproxy_configuration
    start_proxy
    if [ "$AGENTS" != 0 ]; then
      say "$AGENTS agents"
      start_swarm
      wait_for "$AGENTS agents connected" 600 swarm_is_connected
    fi
  fi
  summary
  if [ "$DETACH" = yes ]; then
    trap - EXIT INT TERM
    return
  fi
  say "Ctrl-C ends it"
  # Signals come through at once only while bash itself waits.
  while true; do
    sleep 3600 &
    wait $! || true
  done
}

main() {
  local command
  if [ "${1:-}" = --dir ]; then
    [ $# -ge 3 ] || die "--dir DIR COMMAND; see the head of $HERE/cluster.sh"
    DIR=$(readlink -f "$2") || die "$2: is not there"
    shift 2
  fi
  command=${1:-help}
  [ $# = 0 ] || shift
  case $command in
    up) up "$@"; return ;;
    help | -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$HERE/cluster.sh"; return ;;
  esac
  [ -n "${DIR:-}" ] || die "$command: which cluster? --dir DIR"
  load
  case $command in
    status | primary | bus_leader | bus_copies | meta_leader | heal | down) [ $# = 0 ] || die "$command: takes nothing" ;;
    address | start | stop | kill | pause | resume | promote | rejoin | alone | isolate | fill | room)
      [ $# = 1 ] || die "$command: give one NAME" ;;
    cut | mend) [ $# = 2 ] || die "$command: give two NAMEs" ;;
  esac
  case $command in
    status | primary | bus_leader | bus_copies | meta_leader | heal | down | promote | rejoin | alone | isolate | fill | room | cut | mend | sql) "$command" "$@" ;;
    address) address_of "$1" ;;
    start) start_component "$1" ;;
    stop) stop_component "$1" ;;
    kill) kill_component "$1" ;;
    pause) signal "$1" STOP ;;
    resume) signal "$1" CONT ;;
    env) cat "$DIR/cluster.env" ;;
    *) die "there is no command $command; see the head of $HERE/cluster.sh" ;;
  esac
}

[ "${BASH_SOURCE[0]}" != "$0" ] || main "$@"
