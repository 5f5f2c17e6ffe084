# shellcheck shell=bash
# Sourced by cluster.sh. PostgreSQL: a primary, and a standby that has every commit before
# it is acknowledged.

PG_BIN=/usr/lib/postgresql/15/bin
DATABASE=dragnet
# Owns the tables; `dragnet-scheduler migrate` comes as this one, and nothing else.
OWNER_ROLE=dragnet_owner
# What schedulers are: may read and write rows, and change no table.
RUN_ROLE=dragnet

# For SQL as the superuser, on the server's own machine.
sql() {
  local name=$1
  shift
  "$PG_BIN/psql" -XqAt -v ON_ERROR_STOP=1 -h "$DIR/$name/run" -U postgres "$@"
}
answers_sql() { sql "$1" -d postgres -c 'SELECT 1'; }
no_postgres_on() { ! pgrep -f "postgres.*$DIR/$1/" >/dev/null; }

# The URL of DATABASE for ROLE, with the certificate of NAME.
database_url() {
  local name=$1 role=$2 hosts=() node
  for node in "${DATABASES[@]}"; do hosts+=("$(address_of "$node"):5432"); done
  local IFS=,
  echo "postgresql://$role@${hosts[*]}/$DATABASE?sslmode=verify-full&sslrootcert=$DIR/tls/ca.pem&sslcert=$DIR/tls/$name.pem&sslkey=$DIR/tls/$name.key&target_session_attrs=read-write&connect_timeout=3"
}

write_postgresql_configuration() {
  local name=$1 synchronous=$2 home=$DIR/$1
  cat >"$home/postgresql.conf" <<EOF
data_directory = '$home/data'
hba_file = '$home/pg_hba.conf'
ident_file = '$home/pg_ident.conf'
cluster_name = '$name'
listen_addresses = '$(address_of "$name")'
unix_socket_directories = '$home/run'
max_connections = 100
shared_buffers = 256MB

ssl = on
ssl_cert_file = '$DIR/tls/$name.pem'
ssl_key_file = '$DIR/tls/$name.key'
ssl_ca_file = '$DIR/tls/ca.pem'
ssl_min_protocol_version = 'TLSv1.3'

# A commit is acknowledged when the standby has it on its disk.
synchronous_commit = on
synchronous_standby_names = '$synchronous'
wal_level = replica
max_wal_senders = 5
max_replication_slots = 5
# What a standby that is away may cost in disk.
max_slot_wal_keep_size = 4GB
wal_sender_timeout = 10s
wal_receiver_timeout = 10s

# A scheduler that was cut off must not hold the lock that all writers wait for.
idle_in_transaction_session_timeout = 10s
tcp_keepalives_idle = 5
tcp_keepalives_interval = 2
tcp_keepalives_count = 3
tcp_user_timeout = 10000
EOF
  # Only certificates of our own CA, each for one role; the socket's directory is the
  # server's alone.
  cat >"$home/pg_hba.conf" <<EOF
local   all          postgres                                 trust
hostssl $DATABASE    $RUN_ROLE,$OWNER_ROLE    0.0.0.0/0       cert map=dragnet
hostssl replication  replicator               0.0.0.0/0       cert map=dragnet
EOF
  cat >"$home/pg_ident.conf" <<EOF
dragnet  /^s[0-9]+\$   $RUN_ROLE
dragnet  owner         $OWNER_ROLE
dragnet  /^db[0-9]+\$  replicator
EOF
}

make_home() {
  install -d -m 0755 "$DIR/$1"
  install -d -m 0700 "$DIR/$1/data" "$DIR/$1/run"
}

initialize_primary() {
  make_certificate db1 "$POSTGRES_USER"
  make_home db1
  write_postgresql_configuration db1 ''
  give "$POSTGRES_USER" "$DIR/db1"
  (as "$POSTGRES_USER" "$PG_BIN/initdb" -D "$DIR/db1/data" -U postgres -E UTF8 --locale=C --data-checksums \
    --auth=reject) >"$DIR/log/db1.init.log" 2>&1 || die "initdb: $(cat "$DIR/log/db1.init.log")"
  start_postgresql db1
  sql db1 -d postgres <<EOF
CREATE ROLE replicator LOGIN REPLICATION;
CREATE ROLE $OWNER_ROLE LOGIN;
CREATE ROLE $RUN_ROLE LOGIN;
CREATE DATABASE $DATABASE OWNER $OWNER_ROLE;
REVOKE ALL ON DATABASE $DATABASE FROM PUBLIC;
GRANT CONNECT ON DATABASE $DATABASE TO $RUN_ROLE;
EOF
  sql db1 -d "$DATABASE" -c "REVOKE ALL ON SCHEMA public FROM PUBLIC"
}

# replicate FROM TO: TO becomes a standby of FROM, from nothing; FROM waits for it from now on.
replicate() {
  local from=$1 to=$2 conninfo
  [ -f "$DIR/tls/$to.pem" ] || make_certificate "$to" "$POSTGRES_USER"
  rm -rf "${DIR:?}/$to"
  make_home "$to"
  write_postgresql_configuration "$to" ''
  give "$POSTGRES_USER" "$DIR/$to"
  conninfo="host=$(address_of "$from") user=replicator sslmode=verify-full sslrootcert=$DIR/tls/ca.pem sslcert=$DIR/tls/$to.pem sslkey=$DIR/tls/$to.key"
  sql "$from" -d postgres -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$to' AND NOT active" >/dev/null
  (enter "$to" as "$POSTGRES_USER" "$PG_BIN/pg_basebackup" -D "$DIR/$to/data" -d "$conninfo" -C -S "$to" -X stream -R --checkpoint=fast) \
    >"$DIR/log/$to.basebackup.log" 2>&1 || die "pg_basebackup: $(cat "$DIR/log/$to.basebackup.log")"
  start_postgresql "$to"
  wait_for "$to to follow $from" 60 follows "$from" "$to"
  write_postgresql_configuration "$from" "ANY 1 ($to)"
  give "$POSTGRES_USER" "$DIR/$from/postgresql.conf"
  signal "$from" HUP
  wait_for "$from to wait for $to" 30 waits_for "$from" "$to"
}
follows() { [ "$(sql "$1" -d postgres -c "SELECT state FROM pg_stat_replication WHERE application_name = '$2'")" = streaming ]; }
waits_for() { [ "$(sql "$1" -d postgres -c "SELECT sync_state FROM pg_stat_replication WHERE application_name = '$2'")" = quorum ]; }

start_postgresql() {
  launch "$1" as "$POSTGRES_USER" "$PG_BIN/postgres" -c "config_file=$DIR/$1/postgresql.conf"
  wait_until_ready "$1" answers_sql "$1"
}

# The one that takes changes; fails if there is none.
primary() {
  local node
  for node in "${DATABASES[@]}"; do
    if runs "$node" && [ "$(sql "$node" -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; then
      echo "$node"
      return
    fi
  done
  return 1
}

# promote NAME: the standby becomes the primary, and waits for no standby until one
# follows it (rejoin). The former one acknowledges nothing without its standby, so two of
# them are no danger; but it must not be started as it is: rejoin.
promote() {
  sql "$1" -d postgres -c 'SELECT pg_promote(true, 60)' >/dev/null
}

# rejoin NAME: a former primary becomes the standby of the one there is now.
rejoin() {
  local from
  from=$(primary) && [ "$from" != "$1" ] || die "rejoin $1: no other primary runs"
  stop_component "$1"
  replicate "$from" "$1"
}

# alone NAME: a primary whose standby is lost goes on without; what it acknowledges from
# now on is on one disk only.
alone() {
  write_postgresql_configuration "$1" ''
  give "$POSTGRES_USER" "$DIR/$1/postgresql.conf"
  signal "$1" HUP
}
