#!/usr/bin/env bash
# What runs, how it is, what it uses, and its last log lines.
set -Eeuo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"

usage() {
  cat <<'TEXT'
usage: ./status.sh [--logs N] [--json]

  --logs N   so many of the last lines of every log (5; 0 for none)
  --json     one JSON object instead of text, without logs
  --help     this text

Exit codes: 0 healthy, 1 not healthy (or the status cannot be told), 2 wrong usage, 3 stopped.
TEXT
}

LOGS=5 JSON=0
while [ $# -gt 0 ]; do
  case "$1" in
    --logs)
      number "$1" "${2:-}" 0 100000
      LOGS=$2
      shift
      ;;
    --json) JSON=1 ;;
    --help|-h) usage; exit 0 ;;
    *) wrong_usage "unknown option: $1" ;;
  esac
  shift
done

load_settings
use_ports "$(state_get PORT)" "$(state_get REDIS_PORT)"
have curl || fail 'curl is needed to ask the web process' 'sudo apt-get install curl'

memory_of() { # PID: "cpu% bytes" of its whole process group
  ps -A -o pgid=,pcpu=,rss= | awk -v g="$1" '$1 == g { c += $2; m += $3 } END { printf "%.1f %d", c, m * 1024 }'
}

rows_local() { # name|state|cpu|bytes
  local name state pid use
  local_processes | while IFS='|' read -r name state pid; do
    use='0 0'
    if [ -n "$pid" ]; then use=$(memory_of "$pid"); fi
    printf '%s|%s|%s|%s\n' "$name" "$state" "${use% *}" "${use#* }"
  done
}

rows_docker() { # name|state|cpu|memory as Docker writes it
  local stats name state status
  # shellcheck disable=SC2046 # one word for each container is meant
  stats=$(docker stats --no-stream --format '{{.Name}}|{{.CPUPerc}}|{{.MemUsage}}' \
    $(docker_containers | grep '|running|' | cut -d'|' -f2) 2>/dev/null || true)
  docker_containers | while IFS='|' read -r _ name state status; do
    printf '%s|%s|%s\n' "$name" "$status" \
      "$(printf '%s\n' "$stats" | sed -n "s/^$name|\([^|]*\)%|\([^ ]*\) .*/\1|\2/p" | head -n 1)"
  done
}

server_name() { # what the application reaches, without a password
  case "$MODE" in
    own) state_get REDIS_URL | sed 's|//[^@/]*@|//***@|' ;;
    *) echo "redis://127.0.0.1:$REDIS_PORT/0" ;;
  esac
}

MODE=$(running_mode)
LEFT=''
if [ -z "$MODE" ] && [ -n "$(marked_pids)" ]; then
  LEFT=$(marked_pids | tr '\n' ' ')
  MODE=$(state_get MODE)
fi
case "$MODE" in
  '') health=stopped code=3 ready='' rows='' ;;
  *)
    ready=$(fetch /readyz || true)
    if [ -z "$LEFT" ] && is_ready; then health=healthy code=0; else health=unhealthy code=1; fi
    if [ "$MODE" = docker ]; then
      docker_probe
      rows=$(rows_docker)
      if [ -n "$(docker_culprit)" ]; then health=unhealthy code=1; fi
    elif [ -n "$LEFT" ]; then
      rows=''
    else
      rows=$(rows_local)
    fi
    ;;
esac
metrics=''
if [ "$code" != 3 ]; then metrics=$(fetch /api/metrics --fail || true); fi

metric() { # SECTION FIELD: a plain value out of the metrics' JSON
  printf '%s' "$metrics" | tr -d '\n' |
    sed -n "s/.*\"$1\": *{[^{}]*\"$2\": *\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

as_json() {
  local name state cpu memory comma=''
  printf '{"status":%s,"mode":' "$(json_string "$health")"
  if [ -n "$MODE" ]; then json_string "$MODE"; else printf null; fi
  printf ',"url":%s,"port":%s,"redis":%s,"processes":[' \
    "$(json_string "$(page_url)")" "$PORT" "$(json_string "$(server_name)")"
  if [ -n "$rows" ]; then
    while IFS='|' read -r name state cpu memory; do
      printf '%s{"name":%s,"state":%s,"cpu_percent":%s,"memory":%s}' "$comma" \
        "$(json_string "$name")" "$(json_string "$state")" "${cpu:-0}" "$(json_string "${memory:-0}")"
      comma=,
    done <<<"$rows"
  fi
  case "$ready" in '{'*'}'*) ;; *) ready=null ;; esac
  case "$metrics" in '{'*'}'*) ;; *) metrics=null ;; esac
  printf '],"ready":%s,"metrics":%s}\n' "$ready" "$metrics"
}

as_text() {
  local name state cpu memory file
  info "Fanout Demo: $health"
  if [ -n "$LEFT" ]; then
    warn "supervisor is gone, but it left processes: $LEFT"
    printf '  try: ./stop.sh && ./start.sh\n' >&2
  fi
  if [ "$code" = 3 ]; then
    dim '  ./start.sh   bring it up'
    return
  fi
  printf '%-10s %s\n' 'page' "$(page_url)" 'redis' "$(server_name)" 'mode' \
    "$(if [ "$MODE" = docker ]; then echo "docker, $(docker_layout) layout"; else echo "$MODE"; fi)"
  if [ -n "$metrics" ]; then
    printf '%-10s %s\n' 'server' "$(metric store server) ($(metric store mode))" \
      'allocator' "$(metric store allocator)" \
      'dataset' "$(metric dataset preset), $(metric dataset status)" \
      'backlog' "$(metric queue backlog) deliveries in $(metric queue jobs) jobs" \
      'workers' "$(metric workers count)"
  fi
  if [ -n "$rows" ]; then
    printf '\n%-24s %-34s %8s %10s\n' process state 'cpu %' memory
    while IFS='|' read -r name state cpu memory; do
      case "$memory" in ''|*[!0-9]*) ;; *) memory="$((memory / 1048576)) MiB" ;; esac
      printf '%-24s %-34s %8s %10s\n' "$name" "$state" "${cpu:--}" "${memory:--}"
    done <<<"$rows"
  fi
  if [ "$health" != healthy ]; then printf '\nreadyz says: %s\n' "${ready:-nothing}"; fi
  if [ "$LOGS" -gt 0 ]; then
    printf '\n'
    if [ "$MODE" = docker ]; then
      info 'Logs (all: docker compose logs -f)'
      compose logs --no-color --tail "$LOGS" 2>&1 || true
    else
      info 'Logs (all: tail -f .run/logs/*.log)'
      for name in ${rows:+$(printf '%s\n' "$rows" | cut -d'|' -f1)}; do
        file=$RUN_DIR/logs/$name.log
        [ -f "$file" ] || continue
        dim "--- ${file#"$ROOT"/}"
        tail -n "$LOGS" "$file"
      done
    fi
  fi
  printf '\n'
  dim '  ./status.sh --logs 50   more log lines     ./restart.sh   stop and start'
  dim '  ./stop.sh               end it             ./test.sh      all checks and tests'
}

if [ "$JSON" = 1 ]; then as_json; else as_text; fi
exit "$code"
