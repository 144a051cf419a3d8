#!/usr/bin/env bash
# Ends what start.sh started, gracefully. The data stays unless you say otherwise.
set -Eeuo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"

usage() {
  cat <<'TEXT'
usage: ./stop.sh [options]

  --volumes   delete the data too (Docker volumes, .run/data)
  --images    delete the Docker images too
  --all       delete all that start.sh made: data, images, logs, .run and .venv
  --yes       do not ask before deleting
  --help      this text

Exit codes: 0 stopped (also when nothing ran), 1 failed, 2 wrong usage.
TEXT
}

VOLUMES=0 IMAGES=0 ALL=0
while [ $# -gt 0 ]; do
  case "$1" in
    --volumes|-v) VOLUMES=1 ;;
    --images) IMAGES=1 ;;
    --all) ALL=1 VOLUMES=1 IMAGES=1 ;;
    --yes|-y) ASSUME_YES=1 ;;
    --help|-h) usage; exit 0 ;;
    *) wrong_usage "unknown option: $1" ;;
  esac
  shift
done

load_settings
use_ports "$(state_get PORT)" "$(state_get REDIS_PORT)"
# Questions come before anything is stopped.
if [ "$VOLUMES" = 1 ] && ! confirm 'Delete all posts, timelines and other data?'; then VOLUMES=0 ALL=0; fi
if [ "$IMAGES" = 1 ] && ! confirm 'Delete the Docker images?'; then IMAGES=0 ALL=0; fi
if [ "$ALL" = 1 ] && ! confirm 'Delete .run (logs, state) and .venv?'; then ALL=0; fi
lock
trap '' INT TERM # half a stop helps nobody

if [ -n "$(marked_pids)" ] || local_running; then
  info 'Stopping web, worker and server'
  local_stop
  stopped=1
fi
if docker_probe; then
  if [ -n "$(docker_containers)" ]; then
    docker_refuse_foreign
    info 'Stopping the containers'
    docker_stop
    stopped=1
  fi
  remove=()
  if [ "$VOLUMES" = 1 ]; then remove+=(--volumes); fi
  if [ "$IMAGES" = 1 ]; then remove+=(--rmi all); fi
  if [ ${#remove[@]} -gt 0 ]; then
    info 'Removing from Docker what was asked for'
    for layout in cluster plain; do # each names only the volumes that it uses
      LAYOUT=$layout docker_stop "${remove[@]}"
    done
  fi
elif [ "$(state_get MODE)" = docker ]; then
  warn "$(docker_why_not): the containers cannot be looked at"
fi

if [ "$VOLUMES" = 1 ]; then rm -rf "$RUN_DIR/data"; fi
if [ "$ALL" = 1 ]; then
  trap - EXIT
  rm -rf "$RUN_DIR" "$ROOT/.venv"
fi
if [ "${stopped:-0}" = 1 ]; then good 'Stopped.'; else good 'Nothing was running.'; fi
if [ "$VOLUMES" = 1 ]; then dim '  The data is deleted.'; else dim '  The data stays; ./start.sh goes on with it.'; fi
