# Sourced by quickstart.sh and test.sh: a pinned environment in .venv, made once, checked by the hash of requirements.lock.

fail() { echo "sgm: $*" >&2; exit 1; }

setup_environment() {
  local root="$1" python stamp want free
  python="${PYTHON:-}"
  if [ -z "$python" ]; then
    for candidate in python3.11 python3.12 python3; do
      if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; then
        python="$candidate"; break
      fi
    done
  fi
  [ -n "$python" ] || fail "needs Python 3.11 or 3.12, found $(python3 --version 2>/dev/null || echo none); install it or set PYTHON"
  command -v "$python" >/dev/null || fail "PYTHON=$python: no such program"
  "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || fail "needs Python 3.11 or 3.12, $python is $("$python" --version)"
  want="$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$root/requirements.lock")"
  stamp="$root/.venv/.sgm-lock"
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then return; fi
  free="$(df -Pk "$root" | awk 'NR==2 {print int($4 / 1048576)}')"
  [ "$free" -ge 6 ] || fail "needs 6 GiB of free disk for the environment and a run, $root has $free"
  echo "sgm: installing the pinned packages into .venv (2.7 GB; half a minute with uv, 3 to 5 minutes with pip)"
  [ -x "$root/.venv/bin/python" ] || {
    if command -v uv >/dev/null; then uv venv --quiet --python "$python" "$root/.venv"; else "$python" -m venv "$root/.venv"; fi
  } || fail "could not make $root/.venv (on Debian: apt-get install python3-venv)"
  if command -v uv >/dev/null; then
    uv pip install --python "$root/.venv/bin/python" --compile-bytecode --require-hashes -r "$root/requirements.lock" \
      || fail 'the installation failed: see the lines above (no network, or no package registry?)'
  else
    # Bytecode is written even where PYTHONDONTWRITEBYTECODE is set, or every process would compile TensorFlow anew.
    env -u PYTHONDONTWRITEBYTECODE "$root/.venv/bin/python" -m pip install --disable-pip-version-check --progress-bar on \
      --require-hashes -r "$root/requirements.lock" \
      || fail 'the installation failed: see the lines above (no network, or no package registry?)'
  fi
  echo "$want" > "$stamp"
}
