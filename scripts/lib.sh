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

number() { # OPTION VALUE LOWEST HIGHEST: wrong usage when it is none of these
  case "${2:-}" in ''|*[!0-9]*) wrong_usage "$1 needs a number." ;; esac
  if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then wrong_usage "$1 must be from $3 to $4."; fi
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

# ---------------------------------------------------------------- small tools
have() { command -v "$1" >/dev/null 2>&1; }

within() { # SECONDS COMMAND...: the command's own exit code, or 124 when it took too long
  local limit=$1 pid waited=0
  shift
  "$@" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$waited" -ge $((limit * 10)) ]; then
      kill -9 "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
      return 124
    fi
    sleep 0.1
    waited=$((waited + 1))
  done
  wait "$pid"
}

confirm() { # QUESTION: yes with --yes or on a terminal; without either it is wrong usage
  [ "${ASSUME_YES:-0}" = 1 ] && return 0
  [ -t 0 ] || wrong_usage "$1 There is no terminal to ask on: add --yes to say so."
  local answer
  printf '%s [y/N] ' "$1"
  read -r answer || answer=''
  case "$answer" in y|Y|yes|Yes|YES) return 0 ;; *) info 'left as it is'; return 1 ;; esac
}

json_string() { # TEXT as a JSON string
  printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

# ---------------------------------------------------------------- settings and state
RUN_DIR=$ROOT/.run
STATE_FILE=$RUN_DIR/state

load_settings() { # the environment first, then .env, then what the last start used, then defaults
  local line key
  FROM_FILE='' # names that .env gave
  if [ -f "$ROOT/.env" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      case "$line" in \#*|'') continue ;; esac
      key=${line%%=*}
      case "$key" in *[!A-Z0-9_]*|'') continue ;; esac
      [ -z "${!key+set}" ] || continue
      export "$key=$(printf '%s' "${line#*=}" | sed "s/^[\"']//; s/[\"']\$//")"
      FROM_FILE="$FROM_FILE $key"
    done <"$ROOT/.env"
  fi
  # shellcheck disable=SC2034 # WANTED_REDIS_URL is for the scripts
  WANTED_PORT=${PORT:-} WANTED_REDIS_PORT=${REDIS_PORT:-} WANTED_REDIS_URL=${REDIS_URL:-}
}

state_get() { if [ -f "$STATE_FILE" ]; then sed -n "s/^$1=//p" "$STATE_FILE" | tail -n 1; fi; }

use_ports() { # [DEFAULT PORT] [DEFAULT REDIS_PORT]: what was asked for, or these; checked
  PORT=${WANTED_PORT:-${1:-8080}} REDIS_PORT=${WANTED_REDIS_PORT:-${2:-6379}}
  local name
  for name in PORT REDIS_PORT; do
    case "${!name}" in
      *[!0-9]*|'') wrong_usage "$name must be a port number, 1 to 65535, but is '${!name}'." ;;
    esac
    if [ "${!name}" -lt 1 ] || [ "${!name}" -gt 65535 ]; then
      wrong_usage "$name must be a port number, 1 to 65535, but is '${!name}'."
    fi
  done
  export PORT REDIS_PORT
}

state_put() { # KEY=VALUE...: replaces the state file
  mkdir -p "$RUN_DIR"
  chmod 700 "$RUN_DIR"
  (umask 077 && printf '%s\n' "$@" >"$STATE_FILE.new")
  mv -f "$STATE_FILE.new" "$STATE_FILE"
}

lock() { # one start or stop at a time in a checkout
  local holder
  mkdir -p "$RUN_DIR"
  chmod 700 "$RUN_DIR"
  if ! mkdir "$RUN_DIR/lock" 2>/dev/null; then
    holder=$(cat "$RUN_DIR/lock/pid" 2>/dev/null || true)
    if [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; then
      fail "another start or stop of this checkout is under way (process $holder)" \
        './status.sh when it is done'
    fi
    rm -rf "$RUN_DIR/lock"
    mkdir "$RUN_DIR/lock"
  fi
  echo $$ >"$RUN_DIR/lock/pid"
  trap unlock EXIT
}
unlock() { rm -rf "$RUN_DIR/lock"; }

# ---------------------------------------------------------------- the web from outside
web_host() {
  case "${FANOUT_BIND:-}" in ''|0.0.0.0|'::') echo 127.0.0.1 ;; *) echo "$FANOUT_BIND" ;; esac
}
page_url() { echo "http://$(web_host | sed 's/^127\.0\.0\.1$/localhost/'):$PORT"; }
fetch() { # PATH [CURL OPTIONS]: never through a proxy, never longer than three seconds
  local path=$1
  shift
  curl --silent --show-error --noproxy '*' --max-time 3 "$@" "http://$(web_host):$PORT$path" 2>/dev/null
}
is_ready() { [ "$(fetch /readyz --output /dev/null --write-out '%{http_code}')" = 200 ]; }

# ---------------------------------------------------------------- ports
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

port_owner() { # PORT: who listens there, as well as we may know
  local port=$1 row=''
  if have docker; then
    row=$(within 5 docker ps --filter "publish=$port" --format 'the container {{.Names}}' 2>/dev/null |
      head -n 1 || true)
  fi
  if [ -z "$row" ] && have ss; then
    row=$(ss -Hltnp "sport = :$port" 2>/dev/null |
      sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (process \2)/p' | head -n 1 || true)
  fi
  if [ -z "$row" ] && have lsof; then
    row=$(lsof -nP -iTCP:"$port" -sTCP:LISTEN 2>/dev/null |
      sed -n '2s/^\([^ ]*\) *\([0-9]*\).*/\1 (process \2)/p' || true)
  fi
  printf '%s' "${row:-a process that this user may not see}"
}

free_port() { # FIRST: the next port that nobody listens on
  local port=$1
  while port_taken "$port"; do port=$((port + 1)); done
  echo "$port"
}

require_free() { # PORT | REDIS_PORT: ends with a suggestion when somebody listens there
  local name=$1 port=${!1}
  port_taken "$port" || return 0
  local other
  other=$(free_port $((port + 1)))
  if [ "$name" = REDIS_PORT ]; then
    fail "port $port, wanted for Redis, is taken by $(port_owner "$port")" \
      "REDIS_PORT=$other ./start.sh" \
      "REDIS_URL=redis://127.0.0.1:$port/0 ./start.sh   (when that is a Redis or Valkey to use)"
  fi
  fail "port $port, wanted for the page, is taken by $(port_owner "$port")" "PORT=$other ./start.sh"
}

# ---------------------------------------------------------------- what runs now
running_mode() { # docker, embedded, own, or nothing; ends the script when another checkout is in the way
  local mode
  mode=$(state_get MODE)
  case "$mode" in
    embedded|own) if local_running; then echo "$mode"; return; fi ;;
  esac
  if docker_probe && [ -n "$(docker_containers)" ]; then
    docker_refuse_foreign
    echo docker
  fi
}

# shellcheck source=scripts/docker.sh
. "$ROOT/scripts/docker.sh"
# shellcheck source=scripts/local.sh
. "$ROOT/scripts/local.sh"
