#!/usr/bin/env bash
# A baseline of this host, beside what people run for one now: OpenSCAP with the SCAP
# Security Guide's standard profile, and lynis. They don't ask the same questions, so
# the number of checks stands beside the time.
# Usage: checks.sh DIRECTORY_OF_THE_PROGRAMS [ROUNDS]
set -euo pipefail
BIN=$1
ROUNDS=${2:-5}
GUIDE=$(ls /usr/share/xml/scap/ssg/content/ssg-debian*-ds.xml 2>/dev/null | tail -1 || true)
PROFILE=xccdf_org.ssgproject.content_profile_standard

# time_of NAME COUNT COMMAND…: median of the wall times; the programs' own exit status
# says what the host is like, not whether they ran.
time_of() {
  local name=$1 count=$2 start end
  shift 2
  for ((i = 0; i < ROUNDS; i++)); do
    start=$(date +%s%N)
    "$@" >/dev/null 2>&1 || true
    end=$(date +%s%N)
    echo $(((end - start) / 1000000))
  done | sort -n | awk -v name="$name" -v count="$count" \
    '{a[NR] = $1} END {m = a[int((NR + 1) / 2)]; printf "%-28s %4d checks  %6d ms  %6.1f ms each\n", name, count, m, m / (count ? count : 1)}'
}

checks=$("$BIN/dragnet" check linux-baseline --output tap | sed -n 's/^1\.\.//p')
time_of "dragnet check" "$checks" "$BIN/dragnet" check linux-baseline
if command -v oscap >/dev/null && [ -n "$GUIDE" ]; then
  rules=$(oscap xccdf eval --profile "$PROFILE" "$GUIDE" 2>/dev/null | grep -c '^Result' || true)
  time_of "oscap xccdf eval (standard)" "$rules" oscap xccdf eval --profile "$PROFILE" "$GUIDE"
else
  echo "oscap: not here (openscap-scanner, ssg-debian)"
fi
if command -v lynis >/dev/null; then
  tests=$(lynis audit system --quick --no-colors 2>/dev/null | sed -n 's/.*Tests performed : *\([0-9]*\).*/\1/p' || true)
  time_of "lynis audit system --quick" "${tests:-0}" lynis audit system --quick --no-colors
else
  echo "lynis: not here"
fi
