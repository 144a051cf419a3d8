# shellcheck shell=bash
# The rung with Docker and Compose. Sourced by lib.sh.
# shellcheck disable=SC2034 # the scripts that source this read STARTED

COMPOSE=()
DOCKER_STATE='' # ok, missing, daemon or compose: what docker_probe found

docker_probe() { # looks once; 0 when an engine answers and Compose is there
  if [ -z "$DOCKER_STATE" ]; then
    if ! have docker; then
      DOCKER_STATE=missing
    elif ! within 10 docker info >/dev/null 2>&1; then
      DOCKER_STATE=daemon
    elif docker compose version >/dev/null 2>&1; then
      COMPOSE=(docker compose) DOCKER_STATE=ok
    elif have docker-compose && docker-compose version >/dev/null 2>&1; then
      COMPOSE=(docker-compose) DOCKER_STATE=ok
    else
      DOCKER_STATE=compose
    fi
  fi
  [ "$DOCKER_STATE" = ok ]
}

docker_why_not() {
  case "$DOCKER_STATE" in
    missing) echo 'Docker is not installed' ;;
    daemon) echo 'Docker is installed, but its engine does not answer' ;;
    compose) echo 'Docker answers, but neither "docker compose" nor "docker-compose" does' ;;
  esac
}

docker_required() { # for --docker and --cluster
  docker_probe && return 0
  local hint='install Docker with the Compose plugin: https://docs.docker.com/get-docker/'
  case "$DOCKER_STATE" in
    daemon) hint='start Docker Desktop, or: sudo systemctl start docker' ;;
    compose) hint='sudo apt-get install docker-compose-plugin   (or: docker-compose-v2)' ;;
  esac
  fail "$(docker_why_not)" "$hint" './start.sh --no-docker'
}

docker_project() { # the name that plain "docker compose" gives this checkout
  local name=${COMPOSE_PROJECT_NAME:-$(basename "$ROOT")}
  name=$(printf '%s' "$name" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-' | sed 's/^[_-]*//')
  echo "${name:-fanout-demo}"
}

docker_files() { # plain | cluster: the value of COMPOSE_FILE
  case "$1" in
    cluster) echo "$ROOT/docker-compose.yml:$ROOT/docker-compose.cluster.yml" ;;
    *) echo "$ROOT/docker-compose.yml" ;;
  esac
}

compose() { # COMPOSE ARGUMENTS...
  (
    cd "$ROOT" || exit 1
    export COMPOSE_PROJECT_NAME COMPOSE_FILE COMPOSE_PATH_SEPARATOR=:
    COMPOSE_PROJECT_NAME=$(docker_project)
    COMPOSE_FILE=$(docker_files "${LAYOUT:-$(docker_layout)}")
    "${COMPOSE[@]}" "$@"
  )
}

docker_layout() { # plain or cluster: what runs, or what ran last
  case "$(docker_containers)" in
    *'redis-2|'*) echo cluster ;;
    '') [ "$(state_get LAYOUT)" = cluster ] && echo cluster || echo plain ;;
    *) echo plain ;;
  esac
}

docker_containers() { # rows "service|name|state|status" of this checkout's project
  docker ps --all --filter "label=com.docker.compose.project=$(docker_project)" \
    --format '{{.Label "com.docker.compose.service"}}|{{.Names}}|{{.State}}|{{.Status}}' 2>/dev/null |
    sort
}

docker_refuse_foreign() { # another checkout in a folder of the same name has the same project name
  local folder
  folder=$(docker ps --filter "label=com.docker.compose.project=$(docker_project)" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null | head -n 1)
  [ -z "$folder" ] || [ "$folder" = "$ROOT" ] || [ "$folder" = "$(cd "$ROOT" && pwd -P)" ] ||
    fail "the Compose project \"$(docker_project)\" runs already, from $folder" \
      "COMPOSE_PROJECT_NAME=$(docker_project)-2 PORT=8081 REDIS_PORT=6380 ./start.sh" \
      "cd '$folder' && ./stop.sh"
}

docker_start() {
  local log=$RUN_DIR/build.log
  docker_refuse_foreign
  case "$(docker_containers)" in
    *'|running|'*) ;; # the ports are ours
    *) require_free PORT; require_free REDIS_PORT ;;
  esac
  state_put "MODE=docker" "PORT=$PORT" "REDIS_PORT=$REDIS_PORT" "LAYOUT=$LAYOUT" "WORKERS=$WORKERS" \
    "COMPOSE_PROJECT_NAME=$(docker_project)"
  info 'Building the image'
  if ! compose build >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    fail 'the image could not be built (the last lines are above, all of it in .run/build.log)' \
      './start.sh again, when the network was at fault' './start.sh --no-docker'
  fi
  info 'Starting the containers'
  STARTED=1
  if ! compose up -d --no-build --remove-orphans --scale "worker=$WORKERS" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    docker_last_words
    fail 'the containers could not be started (the last lines are above)' \
      './status.sh' './stop.sh && ./start.sh' './start.sh --no-docker'
  fi
}

docker_stop() { # [DOWN OPTIONS...]: containers and network; data and images stay
  compose down --remove-orphans "$@" >"$RUN_DIR/stop.log" 2>&1 || {
    tail -n 20 "$RUN_DIR/stop.log" >&2
    fail 'Compose could not stop the containers' "${COMPOSE[*]} ps" "${COMPOSE[*]} down"
  }
}

docker_culprit() { # the first service that is not up and well, or nothing
  docker_containers | while IFS='|' read -r service _ state status; do
    case "$service:$state:$status" in
      cluster:exited:*'(0)'*) ;;
      *:running:*unhealthy*) echo "$service"; break ;;
      *:running:*) ;;
      *) echo "$service"; break ;;
    esac
  done
}

docker_keeps_ending() { # Docker started a container again five times
  local name
  for name in $(docker_containers | cut -d'|' -f2); do
    [ "$(docker inspect --format '{{.RestartCount}}' "$name" 2>/dev/null || echo 0)" -lt 5 ] || return 0
  done
  return 1
}

docker_last_words() { # [SERVICE]: the last lines of the culprit's log, or of this service's
  local service
  service=$(docker_culprit)
  service=${service:-${1:-web}}
  printf -- '--- the last lines of %s\n' "$service" >&2
  compose logs --no-color --tail 30 "$service" >&2 || true
}
