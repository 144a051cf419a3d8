"""The nodes of a Cluster, each asked for what it holds. One that is away holds up nobody else.

redis-py finds out who holds which slot. Only what certainly did not happen is sent again
(docs/decisions/025): what a node refused because the slot had moved, and what could not be sent,
when the slot has another node by then.
"""

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot
from redis.exceptions import AskError, RedisClusterException, SlotNotCoveredError, TryAgainError

from .pipelining import BROKEN, Command, Commands, Unanswered, steps

NODE_SECONDS = 0.3
"""Time-out of reaching a node. A request that meets a dead one tries several, one after the other;
a second for each would add up to many."""
REST_SECONDS = 1.0
"""A node that is away is left alone for so long, and callers are told so at once. Then one of them
finds out in NODE_SECONDS whether it is back."""
NOWHERE = ClusterNode("127.0.0.1", 0)
"""Where a slot is that no node holds: nobody answers there."""

log = logging.getLogger("fanout.store")


class Nodes:
    """The primaries of a Cluster. Safe to share between threads."""

    def __init__(self, client: RedisCluster) -> None:
        self.client = client
        self._rests_until: dict[ClusterNode, float] = {}

    def exchange(self, commands: Commands, weights: Sequence[int], limit: int) -> list[Any]:
        """Sends the commands, to all nodes at the same time; what became of each, in order, as
        `steps` tells it. `limit` holds for each node."""
        slots = _slots(commands)
        homes = list(map(self._home, slots))
        replies = self._send(homes, commands, weights, limit)
        failed = [i for i, reply in enumerate(replies) if isinstance(reply, Exception)]
        unsent = [i for i in failed if _was_not_sent(replies[i])]
        if moved := [i for i in unsent if self._home(slots[i]) != homes[i]]:
            homes = [self._home(slots[i]) for i in moved]
            parts = [commands[i] for i in moved], [weights[i] for i in moved]
            for i, reply in zip(moved, self._send(homes, *parts, limit), strict=True):
                replies[i] = reply
        for i in failed:
            if isinstance(replies[i], (AskError, TryAgainError)):  # MOVED is a kind of ASK
                replies[i] = self._follow(commands[i])
        return replies

    def each(self, command: Command) -> list[Any]:
        """What every primary answers to the command, as `exchange` has it."""
        nodes: list[ClusterNode] = self.client.get_primaries()
        return self._send(nodes, [command] * len(nodes), [0] * len(nodes), 0)

    def _home(self, slot: int) -> ClusterNode:
        try:
            return self.client.nodes_manager.get_node_from_slot(slot)
        except SlotNotCoveredError:
            return NOWHERE

    def _send(
        self, homes: list[ClusterNode], commands: Commands, weights: Sequence[int], limit: int
    ) -> list[Any]:
        """Sends each command to its home. When one is found away, the layout is asked for anew."""
        parts: dict[ClusterNode, list[int]] = {}
        for i, node in enumerate(homes):
            parts.setdefault(node, []).append(i)
        answers: dict[ClusterNode, list[Any]] = {node: [] for node in parts}
        talks: list[Generator[None, None, None]] = []
        lost: list[ClusterNode] = []
        for node, part in parts.items():
            if node not in self._rests_until or self._is_back(node, lost):
                client = self.client.get_redis_connection(node)
                sent, heavy = [commands[i] for i in part], [weights[i] for i in part]
                talks.append(steps(client, sent, heavy, limit, answers[node]))
            else:
                away = redis.ConnectionError(f"Node {node.name} does not answer.")
                answers[node] += [away] * len(part)
        try:
            while talks:  # a talk that has ended gives itself
                talks = [talk for talk in talks if next(talk, talk) is not talk]
        finally:
            for talk in talks:
                talk.close()
        replies: list[Any] = [None] * len(commands)
        for node, part in parts.items():
            for i, reply in zip(part, answers[node], strict=True):
                replies[i] = reply
            if isinstance(answers[node][-1], BROKEN) and node not in self._rests_until:
                log.warning("the Cluster's node %s does not answer", node.name)
                self._rests_until[node] = 0.0  # whoever needs it next finds out
                lost.append(node)
        if lost:
            with suppress(redis.RedisError, RedisClusterException, OSError):
                self.client.nodes_manager.initialize(last_failed_node_name=lost[0].name)
        return replies

    def _is_back(self, node: ClusterNode, lost: list[ClusterNode]) -> bool:
        """Whether a node answers again. Only one caller asks it, and none while it rests."""
        if time.monotonic() < self._rests_until.get(node, 0.0):
            return False
        self._rests_until[node] = time.monotonic() + NODE_SECONDS + REST_SECONDS
        pool: Any = self.client.get_redis_connection(node).connection_pool
        probe = pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": NODE_SECONDS})
        try:
            probe.connect()
            probe.send_command("PING")
            probe.read_response()
        except BROKEN:
            lost.append(node)
            return False
        finally:
            probe.disconnect()
        self._rests_until.pop(node, None)
        log.info("the Cluster's node %s answers again", node.name)
        return True

    def _follow(self, command: Command) -> Any:
        """Sends a command that was refused to where its slot is, or is going to."""
        try:
            return self.client.execute_command(*command)
        except BROKEN as error:
            return Unanswered(str(error))  # perhaps it was not even sent; redis-py does not tell
        except (redis.RedisError, RedisClusterException) as refusal:
            return refusal


def _was_not_sent(reply: Any) -> bool:
    return isinstance(reply, BROKEN) and not isinstance(reply, Unanswered)


def _slots(commands: Commands) -> list[int]:
    """The slot of each command's first key. A command without a key goes with the one before it."""
    slot, slots = 0, []
    for command in commands:
        at = 3 if command[0] == "FCALL" else 1
        if len(command) > at:
            slot = key_slot(str(command[at]).encode())
        slots.append(slot)
    return slots
