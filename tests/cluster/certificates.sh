# shellcheck shell=bash
# Sourced by cluster.sh. The certificates of PostgreSQL, NATS and their clients: a CA of
# their own, which no agent and no investigator knows.

make_engine_ca() {
  mkdir -p "$DIR/tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=engines of a dragnet cluster" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$DIR/tls/ca.key" -out "$DIR/tls/ca.pem" 2>/dev/null
}

# make_certificate NAME [OWNER]: $DIR/tls/NAME.pem and NAME.key, for a server at NAME's
# address and a client of this name.
make_certificate() {
  local name=$1 owner=${2:-} files=$DIR/tls/$1
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
    -keyout "$files.key" -out "$files.csr" 2>/dev/null
  openssl x509 -req -in "$files.csr" -CA "$DIR/tls/ca.pem" -CAkey "$DIR/tls/ca.key" -days 3650 -out "$files.pem" \
    -extfile <(
      echo basicConstraints=critical,CA:FALSE
      echo keyUsage=critical,digitalSignature
      echo extendedKeyUsage=serverAuth,clientAuth
      # NATS takes the DNS name for the user's.
      echo "subjectAltName=DNS:$name,IP:$(address_of "$name")"
    ) 2>/dev/null
  rm "$files.csr"
  chmod 600 "$files.key"
  [ -z "$owner" ] || give "$owner" "$files.key"
}
