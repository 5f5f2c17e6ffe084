#!/usr/bin/env bash
# Makes the packages of what was built: ./dev package. Run by itself:
#
#   packaging/package.sh [--build DIR] [--out DIR] [--staging DIR]
#
#   --build    the build directory, with its programs and the target `manuals` built (build)
#   --out      where the packages go (DIR of --build, packages/)
#   --staging  where they are put together; must not exist yet (a temporary directory)
#
# The same inputs give the same bytes, wherever and whenever: every time is that of the last
# commit (or SOURCE_DATE_EPOCH), every owner root, every list sorted, every locale C.
set -euo pipefail
source_directory=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
packaging=$source_directory/packaging
maintainer='Dragnet maintainers <maintainers@users.noreply.r-seed-a8955e11.example>'
build=$source_directory/build
out=
staging=

die() { printf 'package.sh: %s\n' "$*" >&2; exit 2; }

while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || die "$1: give a directory"
  case "$1" in
    --build) build=$(readlink -f "$2") ;;
    --out) out=$2 ;;
    --staging) staging=$2 ;;
    *) die "there is no option $1" ;;
  esac
  shift 2
done
[ -f "$build/CMakeCache.txt" ] || die "$build: nothing was built there: ./dev build"
out=${out:-$build/packages}
if [ -n "$staging" ]; then
  mkdir -p "$(dirname "$staging")"
  mkdir "$staging" || die "$staging: exists already"
else
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
fi
staging=$(readlink -f "$staging")
mkdir -p "$out"
out=$(readlink -f "$out")

export LC_ALL=C TZ=UTC
umask 022
# A tree without history (a tar archive of it) has the date of its newest version.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git -C "$source_directory" log -1 --format=%ct 2>/dev/null ||
    date -d "$(sed -n 's/^## .*(\(.*\))$/\1/p' "$source_directory/CHANGELOG.md" | head -1)" +%s)
fi
export SOURCE_DATE_EPOCH

# Empty: the project's default, which is optimised.
grep -qE '^CMAKE_BUILD_TYPE:[A-Z]+=(RelWithDebInfo|Release)?$' "$build/CMakeCache.txt" &&
  grep -qE '^DRAGNET_SANITIZE:[A-Z]+=$' "$build/CMakeCache.txt" ||
  die "$build: not an optimised build: configure one without CMAKE_BUILD_TYPE and DRAGNET_SANITIZE"
# What it says of itself is what packages are named after.
version=$("$build/bin/dragnet-agent" --version | sed 's/^dragnet-agent //')
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || die "dragnet-agent --version: $version is no version"
# 1.0.0-rc.1 comes before 1.0.0 for both package managers.
package_version=${version/-/\~}

# shellcheck source=packaging/lib/stage.sh
. "$packaging/lib/stage.sh"
# shellcheck source=packaging/lib/libraries.sh
. "$packaging/lib/libraries.sh"
# shellcheck source=packaging/lib/deb.sh
. "$packaging/lib/deb.sh"
# shellcheck source=packaging/lib/rpm.sh
. "$packaging/lib/rpm.sh"
# shellcheck source=packaging/lib/tar.sh
. "$packaging/lib/tar.sh"

rm -f "$out"/dragnet*.deb "$out"/dragnet*.rpm "$out"/dragnet*.tar.gz
for component in agent scheduler console; do
  stage "$component"
  make_deb "$component"
  make_rpm "$component"
done
make_tar
ls -l "$out"
