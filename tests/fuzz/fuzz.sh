#!/usr/bin/env bash
# Builds every fuzzer of the tree with clang and libFuzzer, and runs each for a
# while: fuzz.sh SECONDS [NAME…]. Exit status 1 when one found something; the
# input that did it is then in build-fuzz/found/. What was learnt stays in
# build-fuzz/corpus/ for the next time.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

SECONDS_EACH=${1:?usage: fuzz.sh SECONDS [NAME…]}
[[ $SECONDS_EACH =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: $SECONDS_EACH is not a number of seconds" >&2; exit 2; }
shift
BUILD=build-fuzz

[ -f $BUILD/build.ninja ] || cmake -S . -B $BUILD -G Ninja \
  -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS=-fsanitize=fuzzer-no-link \
  -DDRAGNET_FUZZ=ON -DDRAGNET_WERROR=OFF -DDRAGNET_SANITIZE=address,undefined
mapfile -t FUZZERS < <(ninja -C $BUILD -t targets all | sed -n 's|^bin/\(.*_fuzz\): .*|\1|p' | sort)
if [ $# -gt 0 ]; then FUZZERS=("$@"); fi
[ ${#FUZZERS[@]} -gt 0 ] || { echo "fuzz: there is no fuzzer" >&2; exit 2; }
ninja -C $BUILD "${FUZZERS[@]/#/bin/}"

mkdir -p $BUILD/found
failed=()
for fuzzer in "${FUZZERS[@]}"; do
  corpus=$BUILD/corpus/$fuzzer
  mkdir -p "$corpus"
  printf '==> %s for %s s\n' "$fuzzer" "$SECONDS_EACH"
  DRAGNET_FUZZ_SEEDS=$corpus "$BUILD/bin/$fuzzer" "$corpus" -max_total_time="$SECONDS_EACH" \
    -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 \
    -artifact_prefix="$BUILD/found/$fuzzer-" >"$BUILD/found/$fuzzer.log" 2>&1 || failed+=("$fuzzer")
  grep -E 'number_of_executed_units|new_units_added|ERROR|SUMMARY|must hold' "$BUILD/found/$fuzzer.log" || true
done
[ ${#failed[@]} = 0 ] || {
  for fuzzer in "${failed[@]}"; do tail -n 30 "$BUILD/found/$fuzzer.log"; done
  printf 'fuzz: found something: %s (see %s/found/)\n' "${failed[*]}" "$BUILD" >&2
  exit 1
}
printf 'fuzz: %s fuzzers, nothing found\n' "${#FUZZERS[@]}"
