# shellcheck shell=bash
# What start.sh, stop.sh, restart.sh, status.sh and test.sh share. To be sourced, not run.
# Needs bash 3.2 (macOS) or newer; every caller sets -Eeuo pipefail.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# ---------------------------------------------------------------- messages
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  C_BOLD=$'\e[1m' C_DIM=$'\e[2m' C_GREEN=$'\e[32m' C_OFF=$'\e[0m'
else
  C_BOLD='' C_DIM='' C_GREEN='' C_OFF=''
fi
if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
  E_RED=$'\e[31m' E_YELLOW=$'\e[33m' E_OFF=$'\e[0m'
else
  E_RED='' E_YELLOW='' E_OFF=''
fi

info() { printf '%s==>%s %s\n' "$C_BOLD" "$C_OFF" "$*"; }
good() { printf '%s%s%s\n' "$C_GREEN" "$*" "$C_OFF"; }
dim() { printf '%s%s%s\n' "$C_DIM" "$*" "$C_OFF"; }
warn() { printf '%swarning:%s %s\n' "$E_YELLOW" "$E_OFF" "$*" >&2; }

fail() { # MESSAGE [NEXT COMMAND TO TRY ...]; ends the script with 1
  printf '%serror:%s %s\n' "$E_RED" "$E_OFF" "$1" >&2
  shift
  local hint
  for hint in "$@"; do printf '  try: %s\n' "$hint" >&2; done
  exit 1
}

wrong_usage() { # MESSAGE; ends the script with 2
  printf '%serror:%s %s\n  try: %s --help\n' "$E_RED" "$E_OFF" "$1" "$0" >&2
  exit 2
}

# ---------------------------------------------------------------- Python
find_python() { # sets PYTHON_BIN to a Python of 3.11 or newer
  local candidate seen=''
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      PYTHON_BIN=$candidate
      return 0
    fi
    seen="$seen $("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null || true)"
  done
  if [ -n "${seen// /}" ]; then
    fail "Python 3.11 or newer is needed; found:$seen" \
      'install Python 3.11 or newer, or name it: PYTHON=/path/to/python3.12 ./start.sh --no-docker' \
      'install Docker with Compose, which brings its own Python, and run ./start.sh'
  fi
  fail 'Python 3.11 or newer is needed; none was found' \
    'sudo apt-get install python3 python3-venv   (Debian, Ubuntu)' \
    'brew install python@3.13                    (macOS)'
}

ensure_venv() { # REQUIREMENTS FILE: makes .venv when it is missing or broken, installs what is pinned
  local wanted=$1 venv=$ROOT/.venv stamp sum
  stamp=$venv/.installed-$(basename "$wanted" .txt)
  sum=$(cksum <"$ROOT/$wanted")
  if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    find_python
    info "Making a virtual environment in .venv ($("$PYTHON_BIN" --version))"
    rm -rf "$venv"
    "$PYTHON_BIN" -m venv "$venv" >/dev/null 2>&1 || {
      rm -rf "$venv"
      fail "$PYTHON_BIN cannot make a virtual environment" \
        'sudo apt-get install python3-venv   (Debian, Ubuntu), then the same command again'
    }
  fi
  [ "$(cat "$stamp" 2>/dev/null || true)" = "$sum" ] && return 0
  info "Installing the packages of $wanted into .venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r "$ROOT/$wanted" ||
    fail "pip could not install $wanted" \
      'check the network or the proxy, then the same command again' \
      "rm -rf .venv, then the same command again"
  printf '%s\n' "$sum" >"$stamp"
}
