"""The nodes of a Cluster, each asked for what it holds. One that is away holds up nobody else.

redis-py finds out who holds which slot. Its own pipeline fails as a whole when one node does not
answer, and sends again what that node may have done (docs/decisions/025). Here only what certainly
did not happen is sent again: what a node refused because the slot had moved, and what could not be
sent, when the slot has another node by then.
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

from .pipelining import BROKEN, Command, Unanswered, steps

NODE_SECONDS = 0.3
"""Time-out of reaching a node. A request that meets a dead one tries it, its replica and those who
know the new layout, one after the other; a second for each would add up to many."""
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

    def exchange(
        self, commands: Sequence[Command], weights: Sequence[int], limit: int
    ) -> list[Any]:
        """Sends the commands, to all nodes at the same time; what became of each, in order, as
        `steps` tells it. `limit` holds for each node."""
        slots = _slots(commands)
        replies: list[Any] = [None] * len(commands)
        homes = list(map(self._home, slots))
        if self._send(homes, commands, weights, limit, replies):
            moved = list(map(self._home, slots))
            for i, reply in enumerate(replies):
                was_sent = not isinstance(reply, BROKEN) or isinstance(reply, Unanswered)
                if was_sent or moved[i] == homes[i]:
                    moved[i] = None
            self._send(moved, commands, weights, limit, replies)
        for i, reply in enumerate(replies):
            if isinstance(reply, (AskError, TryAgainError)):  # MOVED is a kind of ASK
                replies[i] = self._follow(commands[i])
        return replies

    def each(self, command: Command) -> list[Any]:
        """What every primary answers to the command, as `exchange` has it."""
        nodes: list[ClusterNode] = self.client.get_primaries()
        replies: list[Any] = [None] * len(nodes)
        self._send(nodes, [command] * len(nodes), [0] * len(nodes), 0, replies)
        return replies

    def _home(self, slot: int) -> ClusterNode | None:
        try:
            return self.client.nodes_manager.get_node_from_slot(slot)
        except SlotNotCoveredError:
            return NOWHERE

    def _send(
        self,
        homes: Sequence[ClusterNode | None],
        commands: Sequence[Command],
        weights: Sequence[int],
        limit: int,
        replies: list[Any],
    ) -> bool:
        """Sends each command that has a home to it and notes its reply. Returns whether a node
        turned out to be away; then the layout was asked for anew."""
        parts: dict[ClusterNode, list[int]] = {}
        for i, node in enumerate(homes):
            if node is not None:
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
        return bool(lost)

    def _is_back(self, node: ClusterNode, lost: list[ClusterNode]) -> bool:
        """Whether a node that did not answer does so again. Only one caller asks it, and none
        while it rests."""
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


def _slots(commands: Sequence[Command]) -> list[int]:
    """The slot of each command's first key. A command without a key goes with the one before it."""
    slot, slots = 0, []
    for command in commands:
        at = 3 if command[0] == "FCALL" else 1
        if len(command) > at:
            slot = key_slot(str(command[at]).encode())
        slots.append(slot)
    return slots
