# A Debian of its own for what installs packages: made once by debootstrap, then
# given to each scenario as a layer that is thrown away, and entered with namespaces
# whose only network is a loopback. Source this as root; it must run in a mount
# namespace of its own (install_test.sh does that).
#
#   make_base PACKAGE.deb…   $BASE: Debian with systemd and what the packages depend on
#   new_root NAME            $ROOT: a fresh layer over it
#   boot                     systemd as pid 1 of $ROOT; `in_root` enters it from then on
#   enter_without_init       the same without any init
#   in_root COMMAND…         runs in $ROOT
#   leave                    ends whatever runs in $ROOT

CACHE=${CACHE:-$PWD/build/install}
INIT=

fail() { printf '\033[1;31mFAILED\033[0m %s\n' "$*" >&2; exit 1; }

mirror() { # the one that this machine's apt uses
  apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's/ bookworm$//p' | head -n 1
}

# The names in Depends fields, first alternatives, without versions.
depends() {
  local package
  for package in "$@"; do
    dpkg-deb --field "$package" Pre-Depends Depends | sed 's/^[A-Za-z-]*: //'
  done | tr ',' '\n' | sed 's/|.*//; s/([^)]*)//; s/:any//; s/ //g' | sort -u |
    sed '/^dragnet/d; /^$/d' | paste -sd' ' -
}

make_base() {
  local packages
  packages="systemd systemd-sysv dbus procps iproute2 sqlite3 openssl nftables rpm $(depends "$@")"
  BASE=$CACHE/base
  [ "$(cat "$CACHE/base.stamp" 2>/dev/null)" = "$packages" ] && return
  rm -rf "$BASE" "$CACHE/base.stamp"
  mkdir -p "$CACHE"
  # shellcheck disable=SC2086
  { debootstrap --variant=minbase bookworm "$BASE" "$(mirror)" &&
    chroot "$BASE" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
      -o DPkg::Options::=--force-unsafe-io $packages; } >"$CACHE/base.log" 2>&1 </dev/null ||
    { tail -n 20 "$CACHE/base.log" >&2; fail "the base of the roots could not be made"; }
  rm -rf "$BASE"/var/cache/apt/archives/*.deb "$BASE"/var/lib/apt/lists/*
  echo "$packages" >"$CACHE/base.stamp"
}

new_root() {
  ROOT=$CACHE/$1
  rm -rf "$CACHE/layer-$1"
  mkdir -p "$ROOT" "$CACHE/layer-$1/upper" "$CACHE/layer-$1/work"
  mount -t overlay overlay \
    -o "lowerdir=$BASE,upperdir=$CACHE/layer-$1/upper,workdir=$CACHE/layer-$1/work" "$ROOT"
  mkdir -p "$ROOT/packages"
  echo "127.0.0.1 localhost" >"$ROOT/etc/hosts"
  cp "$PACKAGES"/* "$ROOT/packages/"
}

boot() {
  # What a host's own kernel gives to root; a container's default gives less.
  systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --link-journal=no \
    --capability=all \
    --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self process_vm_readv" \
    --resolv-conf=off --timezone=off --directory="$ROOT" </dev/null >"$CACHE/boot.log" 2>&1 &
  NSPAWN=$!
  local deadline=$((SECONDS + 120)) state
  until INIT=$(pgrep -P $NSPAWN) && [ -n "$INIT" ] &&
    state=$(in_root systemctl is-system-running 2>/dev/null || true) &&
    [[ $state =~ running|degraded ]]; do
    [ $SECONDS -lt $deadline ] || { tail -n 30 "$CACHE/boot.log" >&2; fail "the root didn't boot"; }
    kill -0 $NSPAWN 2>/dev/null || { tail -n 30 "$CACHE/boot.log" >&2; fail "systemd-nspawn ended"; }
    sleep 0.3
  done
}

enter_without_init() {
  # Pid 1 of the namespaces reaps, and does nothing else.
  unshare --mount --uts --ipc --net --pid --fork sh -c '
    mount -t proc proc "$1/proc"; mount --rbind /sys "$1/sys"; mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/run"; ip link set lo up
    exec chroot "$1" /usr/bin/perl -e '\''$SIG{CHLD} = "IGNORE"; sleep 1 while 1'\' - "$ROOT" \
    </dev/null >"$CACHE/enter.log" 2>&1 &
  NSPAWN=$!
  local deadline=$((SECONDS + 30))
  until INIT=$(pgrep -P $NSPAWN) && grep -qs perl "/proc/$INIT/comm"; do
    [ $SECONDS -lt $deadline ] || { cat "$CACHE/enter.log" >&2; fail "the namespaces could not be made"; }
    sleep 0.1
  done
}

in_root() {
  nsenter --target "$INIT" --mount --uts --ipc --net --pid --root --wd=/proc/"$INIT"/root -- \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root TERM=dumb \
    DEBIAN_FRONTEND=noninteractive "$@"
}

leave() {
  [ -n "$INIT" ] || return 0
  kill -KILL "$INIT" 2>/dev/null || true
  wait "$NSPAWN" 2>/dev/null || true
  INIT=
  umount --recursive --lazy "$ROOT" 2>/dev/null || true
}
