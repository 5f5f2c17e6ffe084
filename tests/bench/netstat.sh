#!/usr/bin/env bash
# 50,000 sockets with their processes, against ss. As root, to see all processes.
# Usage: netstat.sh DIRECTORY_OF_THE_PROGRAMS
set -euo pipefail
exec "$(dirname "$1")/test/netstat_sockets"
