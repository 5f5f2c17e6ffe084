#!/usr/bin/env bash
# ./dev lint: clang-format over the tree, clang-tidy over the programs' code.
# Usage: lint.sh BUILD_DIRECTORY [FILES…]   (default: all .cc that git tracks, without tests)
set -euo pipefail
build=$1
shift
files=("$@")
if [ ${#files[@]} = 0 ]; then
  mapfile -t files < <(git ls-files '*.cc' | grep -vE '(_test|_fuzz)\.cc$|^tests/|/testing/')
fi
echo "clang-format"
git ls-files '*.cc' '*.h' | xargs clang-format-19 --dry-run -Werror
echo "clang-tidy (${#files[@]} files)"
printf '%s\n' "${files[@]}" |
  xargs -P "$(nproc)" -n 4 clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*'
