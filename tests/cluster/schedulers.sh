# shellcheck shell=bash
# Sourced by cluster.sh. The schedulers, the proxy before them, and simulated agents.

# set_key FILE KEY VALUE: of a TOML file; before the first table.
set_key() {
  local rest
  rest=$(grep -v "^$2 *=" "$1") || true
  printf '%s = %s\n%s\n' "$2" "$3" "$rest" >"$1"
}

config_of() { [ "$1" = s1 ] && echo "$DIR/fleet/scheduler.toml" || echo "$DIR/$1/scheduler.toml"; }

configure_scheduler() {
  local name=$1 file
  file=$(config_of "$1")
  make_certificate "$name"
  set_key "$file" listen "\"$(address_of "$name"):7443\""
  set_key "$file" metrics_listen "\"$(address_of "$name"):7480\""
  set_key "$file" metrics_allow_remote true
  set_key "$file" scheduler_name "\"$name\""
  set_key "$file" store "\"$(database_url "$name" "$RUN_ROLE")\""
  set_key "$file" bus "$(bus_servers)"
  set_key "$file" bus_ca "\"$DIR/tls/ca.pem\""
  set_key "$file" bus_certificate "\"$DIR/tls/$name.pem\""
  set_key "$file" bus_key "\"$DIR/tls/$name.key\""
  set_key "$file" bus_max_bytes "$BUS_BYTES"
}

# The fleet begins on SQLite, as every fleet does, and moves.
make_fleet() {
  dragnet-scheduler init --dir "$DIR/fleet" --name cluster --listen "127.0.0.1:$PORT" --investigator "$INVESTIGATOR" \
    --token-uses 1000 >"$DIR/log/init.log" 2>&1 || die "$(cat "$DIR/log/init.log")"
  # Through the proxy it is at 127.0.0.1, and has an address of its own beside that.
  dragnet-scheduler certificate renew --config "$DIR/fleet/scheduler.toml" --host localhost --host 127.0.0.1 \
    --host "$(address_of s1)" >>"$DIR/log/init.log" 2>&1 || die "$(cat "$DIR/log/init.log")"
  [ "$AGENTS" = 0 ] || dragnet-swarm prepare --fleet "$DIR/fleet" --agents "$AGENTS"
}

move_fleet() {
  # s1 is this fleet's scheduler: its configuration names the SQLite file until here.
  enter s1 dragnet-scheduler migrate --from "sqlite:$DIR/fleet/scheduler/dragnet.db" \
    --to "$(database_url owner "$OWNER_ROLE")" --role "$RUN_ROLE" --name s1
}

make_schedulers() {
  local name
  for name in "${SCHEDULERS[@]}"; do
    [ "$name" = s1 ] || dragnet-scheduler certificate issue --config "$DIR/fleet/scheduler.toml" --name "$name" \
      --host localhost --host 127.0.0.1 --host "$(address_of "$name")" --out "$DIR/$name" >"$DIR/log/$name.issue.log" 2>&1 || die "$(cat "$DIR/log/$name.issue.log")"
    configure_scheduler "$name"
  done
}

prepare_bus() {
  enter s1 dragnet-scheduler bus init --config "$(config_of s1)" --certificate "$DIR/tls/owner.pem" --key "$DIR/tls/owner.key"
}

run_scheduler() { exec dragnet-scheduler run --config "$(config_of "$1")"; }
start_scheduler() { launch "$1" run_scheduler "$1"; }
scheduler_is_ready() { http "$(address_of "$1"):7480" /readyz; }

# Room for an agent that comes back before its former connection is gone, as far as haproxy,
# which has two descriptors for each, may have them.
proxy_connections() {
  local wanted=$((2 * AGENTS + 1000)) most=$((($(ulimit -Hn) - 100) / 2))
  echo $((wanted < most ? wanted : most))
}
write_haproxy_configuration() {
  local name
  [ "$DIRECT" = yes ] || [ "$AGENTS" -le "$(proxy_connections)" ] ||
    die "haproxy may have $(proxy_connections) connections here (ulimit -Hn): fewer agents, or --direct"
  mkdir -p "$DIR/proxy"
  {
    cat <<EOF
# Passes TLS on: certificates are checked at both ends.
global
  maxconn $(proxy_connections)
defaults
  mode tcp
  timeout connect 3s
  # An agent that is connected is heard of every heartbeat, 30 s.
  timeout client 3m
  timeout server 3m
  timeout check 2s
  option clitcpka
  option srvtcpka
listen dragnet
  bind 127.0.0.1:$PORT tcp-ut 30s
  balance leastconn
  # One that can't reach PostgreSQL or the bus gets no new connections.
  option httpchk GET /readyz
  default-server check port 7480 inter 1s fall 2 rise 1 tcp-ut 30s
EOF
    for name in "${SCHEDULERS[@]}"; do echo "  server $name $(address_of "$name"):7443"; done
  } >"$DIR/proxy/haproxy.cfg"
}
start_proxy() {
  launch proxy as "$NATS_USER" haproxy -db -f "$DIR/proxy/haproxy.cfg"
  wait_until_ready proxy listens 127.0.0.1 "$PORT"
}
listens() { (exec 3<>"/dev/tcp/$1/$2"); }

start_swarm() {
  launch swarm run_swarm
}
# Where agents connect to.
swarm_schedulers() {
  [ "$DIRECT" = yes ] || { echo "127.0.0.1:$PORT"; return; }
  local name list=
  for name in "${SCHEDULERS[@]}"; do list="$list${list:+,}$(address_of "$name"):7443"; done
  echo "$list"
}
run_swarm() {
  # shellcheck disable=SC2086
  exec dragnet-swarm run --fleet "$DIR/fleet" --scheduler "$(swarm_schedulers)" --agents "$AGENTS" --for 24h \
    --ledger "$DIR/ledger.json" ${CLUSTER_SWARM:-}
}
swarm_is_connected() { tail -n 1 "$DIR/log/swarm.log" | jq -se '.[0].all_connected_after >= 0'; }

free_port() {
  local port
  for port in $(seq 7443 7543); do
    listens 127.0.0.1 "$port" 2>/dev/null || { echo "$port"; return; }
  done
  die "no free port from 7443 to 7543"
}
