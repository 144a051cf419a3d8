#!/bin/sh
# Runs inside the redis containers of docker-compose.cluster.yml; needs only sh and redis-cli.
#   redis-cluster.sh node   one server of the cluster
#   redis-cluster.sh form   join the six servers into a cluster, or wait until they have found each
#                           other again; ends with 0 when every one of them serves
set -eu
HOSTS='redis redis-2 redis-3 redis-4 redis-5 redis-6'

address() { getent hosts "$1" | while read -r ip _; do echo "$ip"; break; done; }

field() { # HOST NAME: a line of CLUSTER INFO or INFO REPLICATION
  { redis-cli -h "$1" cluster info; redis-cli -h "$1" info replication; } 2>/dev/null |
    tr -d '\r' | sed -n "s/^$2://p"
}

serves() { # HOST: it knows all six, all slots are served, and a replica has its primary's data
  [ "$(field "$1" cluster_state)" = ok ] && [ "$(field "$1" cluster_size)" = 3 ] &&
    [ "$(field "$1" cluster_known_nodes)" = 6 ] &&
    [ "$(field "$1" cluster_slots_ok)" = 16384 ] &&
    { [ "$(field "$1" role)" = master ] || [ "$(field "$1" master_link_status)" = up ]; }
}

meet() { # HOST: introduce it to everyone; harmless among those who know each other
  for other in $HOSTS; do
    ip=$(address "$other") || continue
    [ -z "$ip" ] || redis-cli -h "$1" cluster meet "$ip" 6379 >/dev/null 2>&1 || true
  done
}

introduce() { # containers may come back with other addresses: tell the others where we are
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    redis-cli cluster nodes 2>/dev/null | grep -qE 'disconnected|fail' && meet 127.0.0.1
  done
  return 0
}

case "${1:-}" in
  node)
    introduce &
    # 3 s of silence make a primary lost; its replica takes over about a second later.
    # Full coverage is not required: while one primary is being replaced, the users on the other two
    # are served. A replica that asks for the data gets it at once.
    exec redis-server \
      --cluster-enabled yes \
      --cluster-node-timeout 3000 \
      --cluster-require-full-coverage no \
      --repl-diskless-sync-delay 0 \
      --protected-mode no \
      --appendonly yes --appendfsync everysec --save '' \
      --maxmemory-policy noeviction --maxmemory "${REDIS_MAXMEMORY:-1536mb}"
    ;;
  form)
    nodes=''
    for host in $HOSTS; do
      until [ "$(redis-cli -h "$host" ping 2>/dev/null)" = PONG ]; do sleep 0.5; done
      nodes="$nodes $(address "$host"):6379"
    done
    if [ "$(field redis cluster_known_nodes)" = 1 ]; then
      # shellcheck disable=SC2086 # one word for each node is meant
      redis-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes
    else
      meet redis
    fi
    for host in $HOSTS; do
      until serves "$host"; do sleep 0.5; done
    done
    echo 'cluster formed: three primaries, three replicas'
    ;;
  *)
    echo 'usage: redis-cluster.sh node|form' >&2
    exit 2
    ;;
esac
