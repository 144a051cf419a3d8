#!/usr/bin/env bash
# Brings up web, worker and Redis, waits until they are healthy and prints the URL.
set -Eeuo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"

usage() {
  cat <<'TEXT'
usage: ./start.sh [options]

Takes the first of these that this machine has, and says which and why:
  1. Docker with Compose
  2. no Docker: a virtual environment in .venv and an embedded Valkey server (Python 3.11 or newer)
  3. your own Redis 7.0, Valkey 8 or newer: REDIS_URL=redis://HOST:6379/0 ./start.sh

  --docker       Docker or nothing
  --no-docker    no Docker, even when it is there
  --cluster      with Docker: on a Redis Cluster of three primaries and three replicas
  --workers N    so many workers (1)
  --timeout N    seconds to wait until everything is healthy (180)
  --open         open the page in a browser; --no-open: do not
                 (without either: only from a terminal on a desktop)
  --help         this text

Environment (or a file .env): PORT (8080), REDIS_PORT (6379), REDIS_URL, FANOUT_BIND (127.0.0.1) and
the FANOUT_ settings that the README lists.
Exit codes: 0 running and healthy, 1 failed, 2 wrong usage, 130 interrupted.
TEXT
}

RUNG=auto LAYOUT=plain WORKERS='' TIMEOUT=180 OPEN=auto STARTED=0 MODE=''

while [ $# -gt 0 ]; do
  case "$1" in
    --docker) RUNG=docker ;;
    --no-docker) RUNG=local ;;
    --cluster) LAYOUT=cluster ;;
    --workers) number "$1" "${2:-}" 1 32; WORKERS=$2; shift ;;
    --timeout) number "$1" "${2:-}" 1 3600; TIMEOUT=$2; shift ;;
    --open) OPEN=yes ;;
    --no-open) OPEN=no ;;
    --help|-h) usage; exit 0 ;;
    *) wrong_usage "unknown option: $1" ;;
  esac
  shift
done
if [ "$LAYOUT" = cluster ] && [ "$RUNG" = local ]; then
  wrong_usage '--cluster needs Docker: it does not go with --no-docker.'
fi

load_settings
use_ports
if [ -n "$WANTED_REDIS_URL" ] && { [ "$RUNG" = docker ] || [ "$LAYOUT" = cluster ]; }; then
  wrong_usage 'REDIS_URL names your own server, --docker and --cluster bring their own: take one.'
fi
have curl || fail 'curl is needed to see whether the page answers' \
  'sudo apt-get install curl   (Debian, Ubuntu)'
lock

interrupted() {
  trap - INT TERM
  printf '\n' >&2
  warn 'interrupted'
  if [ "$STARTED" = 1 ]; then
    info 'Stopping what was started (the data stays)'
    if [ "$MODE" = docker ]; then docker_stop --timeout 20 || true; else local_stop; fi
  fi
  printf '  try: ./start.sh\n' >&2
  exit 130
}
trap interrupted INT TERM

open_page() {
  local opener
  if [ "$OPEN" = auto ]; then
    OPEN=no
    if [ -t 1 ] && [ -z "${SSH_CONNECTION:-}${CI:-}" ]; then
      if [ "$(uname -s)" = Darwin ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then OPEN=yes; fi
    fi
  fi
  [ "$OPEN" = yes ] || return 0
  for opener in open xdg-open wslview; do
    if have "$opener"; then
      "$opener" "$(page_url)" >/dev/null 2>&1 || warn "the browser did not open: go to $(page_url)"
      return 0
    fi
  done
  warn "no program here opens a browser: go to $(page_url)"
}

waits_for_seed() { # all is well, but a server of one's own is empty, and is seeded by command only
  # shellcheck disable=SC2031 # local_start sets it for its processes only
  [ "$MODE:${FANOUT_OWNS_STORE:-0}" = own:0 ] || return 1
  fetch /readyz | "$ROOT/.venv/bin/python" -c 'import json, sys
checks = json.load(sys.stdin)["checks"]
fine = checks["store"]["ok"] and checks["worker"]["ok"] and checks["dataset"].get("status") == "empty"
sys.exit(not fine)' 2>/dev/null
}

say_how_to_seed() { # the line that seeds it, without the server's password
  local name url
  waits_for_seed || return 0
  url=$(state_get REDIS_URL)
  # shellcheck disable=SC2016 # for the user's shell to expand
  case "$url" in *@*) url='"$(sed -n s/^REDIS_URL=//p .run/state)"' ;; esac
  info 'Nothing of ours is on your server yet. This fills it, from this folder:'
  printf '  REDIS_URL=%s ' "$url"
  for name in $FROM_FILE; do # what Flask does not read from .env
    case "$name" in FANOUT_*) printf '%s=%q ' "$name" "${!name}" ;; esac
  done
  printf '.venv/bin/flask --app app.main seed %s\n' "${FANOUT_DATASET:-medium}"
}

already_running() {
  use_ports "$(state_get PORT)" "$(state_get REDIS_PORT)"
  local port
  port=$(state_get PORT)
  if [ -n "$port" ] && [ "$PORT" != "$port" ]; then
    warn "it runs on port $port; to move it: PORT=$PORT ./restart.sh"
    PORT=$port
  fi
  if [ "$WORKERS" != "$(state_get WORKERS)" ] && [ -n "$WORKERS" ]; then
    [ "$MODE" != docker ] || return 1 # Compose scales what runs
    warn "it runs with $(state_get WORKERS) workers; to change that: ./restart.sh --workers $WORKERS"
  fi
  is_ready || waits_for_seed || return 1
  good "Already running and healthy: $(page_url)"
  say_how_to_seed
  open_page
}

keeps_ending() { if [ "$MODE" = docker ]; then docker_keeps_ending; else local_keeps_ending; fi; }

wait_until_ready() {
  local started=$SECONDS said=$SECONDS looked=$SECONDS what=''
  info "Waiting until everything is healthy (at most $TIMEOUT s)"
  until is_ready || waits_for_seed; do
    if [ $((SECONDS - looked)) -ge 3 ]; then
      looked=$SECONDS
      if keeps_ending; then what='a process ends again and again'; fi
    fi
    if [ $((SECONDS - started)) -ge "$TIMEOUT" ]; then what="not healthy after $TIMEOUT seconds"; fi
    if [ -n "$what" ]; then
      local last
      last=$(fetch /readyz || true)
      [ -z "$last" ] || printf 'readyz says: %s\n' "$last" >&2
      # Everything runs, but something is not ready: when the web answers, that is not the web.
      if [ "$MODE" = docker ]; then docker_last_words ${last:+worker}; else local_last_words ${last:+worker-1}; fi
      fail "$what" './status.sh --logs 100' \
        "./start.sh --timeout $((TIMEOUT * 3))   (when the machine is only slow)" './restart.sh'
    fi
    if [ $((SECONDS - said)) -ge 10 ]; then
      dim "    still waiting ($((SECONDS - started)) s)"
      said=$SECONDS
    fi
    sleep 0.3
  done
  case "$(fetch / --location --write-out '%{http_code}' --output /dev/null)" in
    200) ;;
    *) fail 'everything is healthy, but the page does not answer' './status.sh --logs 50' ;;
  esac
}

MODE=$(running_mode)
if [ -n "$MODE" ]; then
  if [ "$MODE" = docker ]; then docker_probe; LAYOUT_NOW=$(docker_layout); else LAYOUT_NOW=plain; fi
  if [ "$LAYOUT_NOW" = "$LAYOUT" ] && already_running; then exit 0; fi
  WORKERS=${WORKERS:-$(state_get WORKERS)}
  if [ "$MODE" != docker ]; then
    warn 'it runs, but is not healthy yet'
    use_ports "$(state_get PORT)" "$(state_get REDIS_PORT)"
    supervisorctl start all >/dev/null || true
  elif [ "$LAYOUT_NOW" != "$LAYOUT" ]; then
    fail "it runs already, on the $LAYOUT_NOW layout" "./restart.sh$([ "$LAYOUT" = plain ] || echo ' --cluster')"
  fi
fi

WORKERS=${WORKERS:-1}
if [ -z "$MODE" ] || [ "$MODE" = docker ]; then
  if [ -n "$WANTED_REDIS_URL" ] && [ -z "$MODE" ]; then
    MODE=own
    info 'Using your own server, because REDIS_URL is set (no Docker)'
  elif [ "$RUNG" = docker ] || [ "$LAYOUT" = cluster ]; then
    docker_required
    MODE=docker
    info 'Using Docker with Compose, as asked for'
  elif [ "$RUNG" = local ] && [ -z "$MODE" ]; then
    MODE=embedded
    info 'Using the embedded Valkey server, because of --no-docker'
  elif docker_probe; then
    MODE=docker
    info "Using Docker with Compose (${COMPOSE[*]})"
  else
    MODE=embedded
    info "Using the embedded Valkey server: $(docker_why_not)"
  fi
  if [ "$MODE" = docker ]; then docker_start; else local_start "$MODE"; fi
fi

wait_until_ready
good "Fanout Demo runs at $(page_url)"
say_how_to_seed
dim '  ./status.sh   how it is      ./stop.sh   end it (the data stays)'
open_page
