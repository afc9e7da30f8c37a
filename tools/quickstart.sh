#!/usr/bin/env bash
# From nothing to judged, labelled soundscapes:  bash tools/quickstart.sh [OUT] [flags of tools/quickstart.py]
# Continues where an interrupted run stopped. OUT defaults to runs/quickstart.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
. "$root/tools/setup.sh"
out="$root/runs/quickstart"
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
  mkdir -p "$1" 2>/dev/null || fail "cannot create $1"
  out="$(cd "$1" && pwd)"; shift
fi
mkdir -p "$out" 2>/dev/null && [ -w "$out" ] || fail "$out is not writable"
began=$(date +%s)
setup_environment "$root"
cd "$root"
exec .venv/bin/python -m tools.quickstart --out "$out" --install_seconds $(( $(date +%s) - began )) "$@"
