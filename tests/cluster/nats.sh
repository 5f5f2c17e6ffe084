# shellcheck shell=bash
# Sourced by cluster.sh. NATS: three servers, everything of JetStream on all three.

write_nats_configuration() {
  local name=$1 address node routes=
  address=$(address_of "$name")
  for node in "${BUSES[@]}"; do
    [ "$node" = "$name" ] || routes="$routes${routes:+, }\"nats://$(address_of "$node"):6222\""
  done
  cat >"$DIR/$name/nats.conf" <<EOF
server_name: $name
listen: "$address:4222"
http: "$address:8222"
max_payload: 1MB
jetstream {
  store_dir: "$DIR/$name/store"
  max_memory_store: 64MB
  max_file_store: $BUS_DISK
}
tls {
  cert_file: "$DIR/tls/$name.pem"
  key_file: "$DIR/tls/$name.key"
  ca_file: "$DIR/tls/ca.pem"
  # A client is the user that its certificate names.
  verify_and_map: true
}
cluster {
  name: dragnet
  listen: "$address:6222"
  routes: [$routes]
  tls {
    cert_file: "$DIR/tls/$name.pem"
    key_file: "$DIR/tls/$name.key"
    ca_file: "$DIR/tls/ca.pem"
    verify: true
  }
}
include "../nats-users.conf"
EOF
}

# Who may do what. Without a fleet, for tests of the bus alone, everything.
write_nats_users() {
  local name arguments=()
  for name in "${SCHEDULERS[@]}"; do arguments+=(--scheduler "$name"); done
  if [ "$ENGINES" != yes ]; then
    dragnet-scheduler bus users --config "$DIR/fleet/scheduler.toml" "${arguments[@]}"
    return
  fi
  echo 'authorization { users: ['
  for name in "${SCHEDULERS[@]}" owner; do echo "  { user: \"$name\" }"; done
  echo '] }'
}

initialize_nats() {
  local name
  write_nats_users >"$DIR/nats-users.conf"
  for name in "${BUSES[@]}"; do
    make_certificate "$name" "$NATS_USER"
    install -d -m 0755 "$DIR/$name"
    install -d -m 0700 "$DIR/$name/store"
    if [ "$name" = "${SMALL_DISK%%=*}" ]; then
      is_root || die "--small-disk: only root can mount one"
      mount -t tmpfs -o "size=${SMALL_DISK##*=}m,mode=700,nosuid,nodev" tmpfs "$DIR/$name/store"
    fi
    write_nats_configuration "$name"
    give "$NATS_USER" "$DIR/$name/store"
  done
}

start_nats() { launch "$1" as "$NATS_USER" nats-server -c "$DIR/$1/nats.conf"; }
nats_is_ready() {
  http "$(address_of "$1"):8222" /healthz &&
    [ -n "$(http "$(address_of "$1"):8222" /jsz | jq -r '.meta_cluster.leader // ""')" ]
}

# Which server leads the stream of records.
bus_leader() {
  local node leader
  for node in "${BUSES[@]}"; do
    runs "$node" || continue
    leader=$(http "$(address_of "$node"):8222" '/jsz?streams=1' |
      jq -r '[.account_details[]?.stream_detail[]? | select(.name | endswith("_RECORDS")) | .cluster.leader][0] // ""') || continue
    [ -n "$leader" ] && runs "$leader" || continue
    echo "$leader"
    return
  done
  return 1
}

# Up to which number each server has the records.
bus_copies() {
  local node
  for node in "${BUSES[@]}"; do
    http "$(address_of "$node"):8222" '/jsz?streams=1' |
      jq -r --arg node "$node" '.account_details[]?.stream_detail[]? | select(.name | endswith("_RECORDS")) | .state | "\($node) \(.last_seq)"'
  done
}

# Which server leads JetStream as a whole: makes streams and consumers.
meta_leader() {
  local node leader
  for node in "${BUSES[@]}"; do
    runs "$node" || continue
    leader=$(http "$(address_of "$node"):8222" /jsz | jq -r '.meta_cluster.leader // ""') || continue
    [ -n "$leader" ] && runs "$leader" || continue
    echo "$leader"
    return
  done
  return 1
}

# fill NAME: its disk has no room left. room NAME: it has again.
fill() { cat /dev/zero >"$DIR/$1/store/ballast" 2>/dev/null || true; }
room() { rm -f "$DIR/$1/store/ballast"; }

bus_servers() {
  local node list=
  for node in "${BUSES[@]}"; do list="$list${list:+, }\"nats://$(address_of "$node"):4222\""; done
  echo "[$list]"
}
