#!/usr/bin/env bash
# Stop, then start, the same way as before: same rung, ports, layout and number of workers, unless
# the options or the environment say otherwise.
set -Eeuo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"

usage() {
  cat <<'TEXT'
usage: ./restart.sh [options of ./stop.sh and ./start.sh]

Stops what runs and starts it the same way again; PORT, REDIS_PORT and REDIS_URL of the last start
are kept unless set anew. The data stays unless --volumes is given.
TEXT
}

stop=() start=() rung='' layout='' workers=''
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) usage; exit 0 ;;
    --volumes|-v|--images|--all|--yes|-y) stop+=("$1") ;;
    --docker|--no-docker) rung=given; start+=("$1") ;;
    --cluster) layout=given; start+=("$1") ;;
    --workers) number "$1" "${2:-}" 1 32; workers=given; start+=("$1" "$2"); shift ;;
    --timeout) number "$1" "${2:-}" 1 3600; start+=("$1" "$2"); shift ;;
    --open|--no-open) start+=("$1") ;;
    *) wrong_usage "unknown option: $1" ;;
  esac
  shift
done
# What start.sh would refuse is refused before anything is stopped.
case "$layout ${start[*]-}" in
  *given*--no-docker*) wrong_usage '--cluster needs Docker: it does not go with --no-docker.' ;;
esac

load_settings
mode=$(state_get MODE)
use_ports "$(state_get PORT)" "$(state_get REDIS_PORT)"
if [ "$mode" = own ] && [ -z "$WANTED_REDIS_URL" ] && [ -z "$rung$layout" ]; then
  REDIS_URL=$(state_get REDIS_URL)
  export REDIS_URL
fi
if [ -z "$rung$WANTED_REDIS_URL" ]; then
  case "$mode" in
    embedded) [ -n "$layout" ] || start+=(--no-docker) ;;
    docker) start+=(--docker) ;;
  esac
fi
if [ -z "$layout" ] && [ "$rung" != given ] && [ "$(state_get LAYOUT)" = cluster ]; then start+=(--cluster); fi
if [ -z "$workers" ] && [ -n "$(state_get WORKERS)" ]; then start+=(--workers "$(state_get WORKERS)"); fi

"$ROOT/stop.sh" ${stop[@]+"${stop[@]}"}
exec "$ROOT/start.sh" ${start[@]+"${start[@]}"}
