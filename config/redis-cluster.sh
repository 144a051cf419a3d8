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

serves() { # HOST: it knows all six by name, all slots are served, and a replica has its primary's data
  [ "$(field "$1" cluster_state)" = ok ] && [ "$(field "$1" cluster_size)" = 3 ] &&
    [ "$(field "$1" cluster_known_nodes)" = 6 ] &&
    [ "$(field "$1" cluster_slots_ok)" = 16384 ] &&
    [ "$(redis-cli -h "$1" cluster nodes | grep -c ',redis')" = 6 ] &&
    { [ "$(field "$1" role)" = master ] || [ "$(field "$1" master_link_status)" = up ]; }
}

refresh_addresses() {
  # Containers get other addresses, often in another network, when they are made anew. What the
  # server noted about its peers would then lead to strangers: before it starts, every address in
  # its notes is replaced by the one that the peer's name has now. A peer that is not there within
  # 20 seconds gets our own loopback, and tells its address when it comes.
  [ -s /data/nodes.conf ] || return 0
  deadline=$(($(date +%s) + 20))
  for host in $HOSTS; do
    until ip=$(address "$host") && [ -n "$ip" ]; do
      if [ "$(date +%s)" -ge "$deadline" ]; then ip=127.0.0.1; break; fi
      sleep 0.5
    done
    sed -i -E "s/^([0-9a-f]{40}) [^ ,]*:([0-9]+@[0-9]+),$host([ ,])/\\1 $ip:\\2,$host\\3/" \
      /data/nodes.conf
  done
}

case "${1:-}" in
  node)
    refresh_addresses
    # After 2 s without an answer a primary is lost; its replica takes over about a second later.
    # Full coverage is not required: while one primary is being replaced, the users on the other two
    # are served. A replica that asks for the data gets it at once.
    exec redis-server \
      --cluster-enabled yes \
      --cluster-node-timeout 2000 \
      --cluster-announce-hostname "$(cat /etc/hostname)" \
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
    fi
    patience=240
    for host in $HOSTS; do
      until serves "$host"; do
        patience=$((patience - 1))
        if [ "$patience" -le 0 ]; then
          echo "the cluster did not form within two minutes: $host does not serve" >&2
          redis-cli -h "$host" cluster nodes >&2
          exit 1
        fi
        sleep 0.5
      done
    done
    echo 'cluster formed: three primaries, three replicas'
    ;;
  *)
    echo 'usage: redis-cluster.sh node|form' >&2
    exit 2
    ;;
esac
