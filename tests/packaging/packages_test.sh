#!/usr/bin/env bash
# What must hold of the packages: packages_test.sh BUILD_DIRECTORY
#
# Every check is made, and each that fails is told; the exit status is 1 when one did. With
# --update it writes tests/packaging/expected anew: read the difference before it is committed.
set -uo pipefail
build=$(readlink -f "$1")
update=${2:-}
here=$(dirname "$(readlink -f "$0")")
source_directory=$(readlink -f "$here/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  printf 'FAILED: %s\n' "$1"
  failures=$((failures + 1))
}
# check WORDS COMMAND…: the command succeeds.
check() {
  local words=$1
  shift
  if "$@" >"$work/said" 2>&1; then printf 'ok: %s\n' "$words"; else
    sed 's/^/    /' "$work/said"
    fail "$words"
  fi
}
# silent WORDS COMMAND…: the command says nothing at all.
silent() {
  local words=$1
  shift
  "$@" >"$work/said" 2>&1
  if [ -s "$work/said" ]; then
    sed 's/^/    /' "$work/said"
    fail "$words"
  else printf 'ok: %s\n' "$words"; fi
}
# same WORDS EXPECTED_FILE FILE
same() {
  if [ "$update" = --update ]; then cp "$3" "$2"; fi
  check "$1" diff -u "$2" "$3"
}

for tool in lintian rpmlint rpm dpkg-deb systemd-analyze systemd-sysusers man; do
  command -v "$tool" >/dev/null || { fail "$tool is not installed: ./dev test installs it"; exit 1; }
done

# Twice: another directory, umask, locale, zone and time of day.
first=$work/1
second=$work/somewhere-else/2
check "packages are made" "$source_directory/packaging/package.sh" \
  --build "$build" --staging "$first/staging" --out "$first/out"
check "packages are made again" env -C / TZ=Asia/Tokyo LANG=C.UTF-8 sh -c 'umask 077; exec "$@"' - \
  "$source_directory/packaging/package.sh" --build "$build" --staging "$second/staging" --out "$second/out"
[ "$failures" = 0 ] || exit 1
# Where the tests that install them look (tests/install).
mkdir -p "$build/packages"
cp "$first"/out/* "$build/packages/"
version=$("$build/bin/dragnet-agent" --version | cut -d' ' -f2 | sed 's/-/~/')
architecture=$(dpkg --print-architecture)
machine=$(uname -m)
out=$first/out
for package in dragnet-agent dragnet-scheduler dragnet; do
  echo "${package}_${version}_$architecture.deb"
  echo "$package-$version-1.$machine.rpm"
done >"$work/names"
echo "dragnet-agent-${version/\~/-}-linux-$machine.tar.gz" >>"$work/names"
check "exactly the packages that should be" diff -u <(sort "$work/names") <(cd "$out" && printf '%s\n' * | sort)
while read -r name; do
  check "two builds have the same bytes: $name" cmp "$out/$name" "$second/out/$name"
done <"$work/names"

# The tools of the distributions have nothing to say.
for deb in "$out"/*.deb; do
  silent "lintian: $(basename "$deb")" lintian --allow-root --display-info --pedantic \
    --tag-display-limit 0 "$deb"
done
for rpm in "$out"/*.rpm; do
  check "rpmlint: $(basename "$rpm")" sh -c '
    rpmlint --config "$1" "$2" >"$3" 2>&1
    cat "$3"
    grep -q "1 packages and 0 specfiles checked; 0 errors, 0 warnings" "$3"' - \
    "$source_directory/packaging/rpm/rpmlint.toml" "$rpm" "$work/rpmlint"
done

# What is in them, with modes and owners. How many manual pages, completions and documents there
# are is the programs' matter.
fold() {
  sed -E 's,(/man/man[158]/).*\.([158]\.gz)$,\1*.\2,; s,(/(completions|vendor-completions|site-functions|vendor_completions\.d)/)[^/]+$,\1*,; s,(/doc/dragnet/).*\.md$,\1*.md,' | awk '!seen[$0]++'
}
for package in dragnet-agent dragnet-scheduler dragnet; do
  deb=$out/${package}_${version}_$architecture.deb
  rpm=$out/$package-$version-1.$machine.rpm
  dpkg-deb -c "$deb" | awk '{ print $1, $2, $6 }' | fold >"$work/contents"
  same "contents: $(basename "$deb")" "$here/expected/$package.deb.txt" "$work/contents"
  rpm -qp --qf '[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]' "$rpm" | fold >"$work/contents"
  same "contents: $(basename "$rpm")" "$here/expected/$package.rpm.txt" "$work/contents"
  silent "every time in $(basename "$deb") is that of the source" sh -c '
    dpkg-deb --fsys-tarfile "$1" | tar -tv --full-time -f - | awk "{ print \$4, \$5 }" | sort -u | tail -n +2' - "$deb"
  check "$(basename "$rpm") doesn't tell where it was built" \
    test "$(rpm -qp --qf '%{BUILDHOST} %{VENDOR} %{OPTFLAGS}' "$rpm")" = 'localhost  '
  dpkg-deb -x "$deb" "$work/$package"
done
tar -tvf "$out"/dragnet-agent-*.tar.gz | awk '{ print $1, $2, $6 }' |
  sed "s,dragnet-agent-${version/\~/-}-linux-$machine,TOP," | fold >"$work/contents"
same "contents: the agent's tar" "$here/expected/dragnet-agent.tar.txt" "$work/contents"

# The agent asks for nothing but the C library.
agent=$work/dragnet-agent
dpkg-deb -f "$out/dragnet-agent_${version}_$architecture.deb" Depends Pre-Depends Recommends >"$work/depends"
check "the agent's .deb needs libc6 alone" grep -qxE 'Depends: libc6 \(>= [0-9.]+\)' "$work/depends"
check "and says so in one line" test "$(wc -l <"$work/depends")" = 1
silent "the agent's .rpm needs the C library and a shell alone" sh -c '
  rpm -qp --requires "$1" | grep -vE "^(libc\.so\.6|libm\.so\.6|ld-linux-[a-z0-9-]+\.so\.[0-9])\(|^/bin/sh$|^rpmlib\(|^rtld\(GNU_HASH\)"' - \
  "$out/dragnet-agent-$version-1.$machine.rpm"
check "what is linked statically is named" \
  sh -c 'dpkg-deb -f "$1" Static-Built-Using | grep -q "openssl (= .*protobuf (= .*yara (= "' - \
  "$out/dragnet-agent_${version}_$architecture.deb"
check "with its licences" sh -c '
  zcat "$1" >"$2" && for library in openssl protobuf grpc yara vectorscan sqlite3 gcc-12; do
    test "$(grep -c "^======== $library " "$2")" = 1 || { echo "no $library"; exit 1; }; done' - \
  "$agent/usr/share/doc/dragnet-agent/linked-libraries.gz" "$work/licences"

# Programs without symbols, build ids and paths of whoever built them; all hardening there.
for program in "$agent"/usr/bin/* "$work"/dragnet-scheduler/usr/bin/* "$work"/dragnet/usr/bin/*; do
  name=$(basename "$program")
  readelf -SWl "$program" >"$work/sections"
  silent "no symbols or build id in $name" grep -E '\.symtab|\.debug_|build-id' "$work/sections"
  check "$name is position independent, with read-only relocations" \
    sh -c 'readelf -hWdl "$1" >"$2"; grep -q "Type: *DYN" "$2" && grep -q GNU_RELRO "$2" && grep -q BIND_NOW "$2"' - \
    "$program" "$work/headers"
  silent "no path of this tree in $name" grep -aoF "$source_directory/" "$program"
  check "$name has a manual page" sh -c 'ls "$1"/usr/share/man/man[18]/"$2".[18].gz' - "$(dirname "$program")/../.." "$name"
done
silent "manual pages are well-formed" sh -c '
  find "$1" -path "*/man/man*/*.gz" | while read -r page; do
    (cd "${page%/man[0-9]/*}" && MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null); done' - "$work"

# Units, as far as that shows without starting them.
for unit in "$agent"/usr/lib/systemd/system/*.service "$work"/dragnet-scheduler/usr/lib/systemd/system/*.service; do
  name=$(basename "$unit")
  sed "s,^ExecStart=,&${unit%/usr/lib/*}," "$unit" >"$work/$name"
  silent "systemd-analyze verify: $name" systemd-analyze verify --man=no "$work/$name"
done
check "the scheduler's exposure is 1.5 at most" \
  systemd-analyze security --offline=true --threshold=15 "$work/dragnet-scheduler.service"
check "the agent's exposure is 4.5 at most: what else its work allows is in the unit" \
  systemd-analyze security --offline=true --threshold=45 "$work/dragnet-agent.service"
mkdir -p "$work/users/etc"
check "systemd makes the users" sh -c '
  systemd-sysusers --root "$1" "$2" "$3"
  grep -q "^dragnet-link:" "$1/etc/passwd" && grep -q "^dragnet-worker:" "$1/etc/passwd" && grep -q "^dragnet:" "$1/etc/passwd"' - \
  "$work/users" "$agent/usr/lib/sysusers.d/dragnet-agent.conf" \
  "$work/dragnet-scheduler/usr/lib/sysusers.d/dragnet-scheduler.conf"

# The archive installs, and takes away what it installed.
mkdir "$work/tar" "$work/host" && tar -xf "$out"/dragnet-agent-*.tar.gz -C "$work/tar" --strip-components=1
check "install.sh installs" env DESTDIR="$work/host" "$work/tar/install.sh"
check "and does so again" env DESTDIR="$work/host" "$work/tar/install.sh"
check "the program is there" cmp "$work/host/usr/bin/dragnet-agent" "$agent/usr/bin/dragnet-agent"
check "install.sh --remove removes" env DESTDIR="$work/host" "$work/tar/install.sh" --remove
silent "and leaves no file" find "$work/host" -type f

echo
if [ "$failures" -gt 0 ]; then
  echo "$failures checks failed"
  exit 1
fi
echo "all checks passed"
