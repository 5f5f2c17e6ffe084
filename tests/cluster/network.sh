# shellcheck shell=bash
# Sourced by cluster.sh. Where the parts of a cluster stand, and how they are parted.
#
# As root each has a network namespace of its own on one bridge, 10.214.K.0/24: what comes
# from another one can be dropped, or the cable pulled. Otherwise (NETWORK=loopback) each has an
# address of its own on the loopback interface, and nothing can be parted.

address_of() {
  case $1 in
    db*) echo "$NET.$((10 + ${1#db}))" ;;
    n*) echo "$NET.$((20 + ${1#n}))" ;;
    s[0-9]*) echo "$NET.$((30 + ${1#s}))" ;;
    *) [ "$NETWORK" = loopback ] && echo 127.0.0.1 || echo "$NET.1" ;;
  esac
}
namespace_of() { echo "dgc$NUMBER-$1"; }
# The proxy and the swarm stand where consoles do: outside.
has_namespace() { [ "$NETWORK" = namespaces ] && [[ $1 =~ ^(db|n|s)[0-9]+$ ]]; }

# enter NAME COMMAND…: executes it in NAME's network.
enter() {
  local name=$1
  shift
  # Functions end with exec, and can't be executed through another program.
  if has_namespace "$name"; then
    exec setsid ip netns exec "$(namespace_of "$name")" bash -c '. "$0/cluster.sh"; DIR=$1; load; shift; "$@"' "$HERE" "$DIR" "$@"
  fi
  exec setsid bash -c '. "$0/cluster.sh"; DIR=$1; load; shift; "$@"' "$HERE" "$DIR" "$@"
}

can_make_namespaces() {
  is_root && ip link add dgctest type bridge 2>/dev/null && ip link del dgctest &&
    ip netns add dgctest 2>/dev/null && ip netns del dgctest
}

# Sets NETWORK, NUMBER and NET.
choose_network() {
  if [ "$NETWORK" = auto ]; then
    if can_make_namespaces; then NETWORK=namespaces; else NETWORK=loopback; fi
  fi
  local try
  for ((try = 0; try < 250; ++try)); do
    NUMBER=$((($$ + try) % 250 + 1))
    if [ "$NETWORK" = loopback ]; then
      NET=127.214.$NUMBER
      (exec 3<>"/dev/tcp/$NET.11/5432") 2>/dev/null || return 0
    else
      NET=10.214.$NUMBER
      ! ip link add "dgc$NUMBER" type bridge 2>/dev/null || return 0
    fi
  done
  die "no free network: 250 clusters run already"
}

make_network() {
  [ "$NETWORK" = namespaces ] || return 0
  ip addr add "$NET.1/24" dev "dgc$NUMBER"
  ip link set "dgc$NUMBER" up
  local name namespace
  for name in "$@"; do
    namespace=$(namespace_of "$name")
    ip netns add "$namespace"
    ip link add "dgc$NUMBER$name" type veth peer name eth0 netns "$namespace"
    ip link set "dgc$NUMBER$name" master "dgc$NUMBER" up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" addr add "$(address_of "$name")/24" dev eth0
    ip -n "$namespace" link set eth0 up
    ip netns exec "$namespace" nft -f - <<'EOF'
table inet parted {
  set from { type ipv4_addr; }
  chain input { type filter hook input priority 0; ip saddr @from drop; }
}
EOF
  done
}

remove_network() {
  [ "$NETWORK" = namespaces ] || return 0
  local namespace
  for namespace in $(ip netns list | awk -v begin="dgc$NUMBER-" 'index($1, begin) == 1 {print $1}'); do
    ip netns del "$namespace"
  done
  ip link del "dgc$NUMBER" 2>/dev/null || true
}

# ---- parting them

need_namespaces() {
  [ "$NETWORK" = namespaces ] || die "$1: needs network namespaces, so root: this cluster is on loopback"
}

drop_from() {
  has_namespace "$1" || return 0
  ip netns exec "$(namespace_of "$1")" nft "$3" element inet parted from "{ $(address_of "$2") }"
}

# Neither hears the other any more, and isn't told so: packets are dropped, as by a switch.
cut() {
  need_namespaces cut
  drop_from "$1" "$2" add
  drop_from "$2" "$1" add
}
mend() {
  need_namespaces mend
  drop_from "$1" "$2" delete
  drop_from "$2" "$1" delete
}
# Its cable is pulled.
isolate() {
  need_namespaces isolate
  ip -n "$(namespace_of "$1")" link set eth0 down
}
# All is as it was.
heal() {
  need_namespaces heal
  local namespace
  for namespace in $(ip netns list | awk -v begin="dgc$NUMBER-" 'index($1, begin) == 1 {print $1}'); do
    ip -n "$namespace" link set eth0 up
    ip netns exec "$namespace" nft flush set inet parted from
  done
}
