#!/usr/bin/env bash
# The tests, in two processes (3 to 6 GB each; -n 0: in one):  bash tools/test.sh [--slow] [pytest arguments]
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
. "$root/tools/setup.sh"
setup_environment "$root"
cd "$root"
marks=(-m 'not slow')
if [ "${1:-}" = --slow ]; then marks=(); shift; fi
exec .venv/bin/python -m pytest -p tests.session --numprocesses=2 --dist=loadfile --no-loadscope-reorder "${marks[@]}" "$@"
