"""Which dataset the store holds, how far its loading is, and whom to offer on the page.

One hash with a loader's token in it makes the claim of a worker, its heartbeat and the request
of a page atomic on a Cluster too; the fields are in `lua/91_dataset.lua`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from typing_extensions import TypedDict

from app.datasets.kinds import ALL_REGULAR, Kind, Thresholds
from app.engine.store.client import Store
from app.engine.store.replies import pairs

LEASE_TIMEOUT_MS = 10_000
"""A loader that was not heard of for so long is dead. It beats every quarter of a second."""

Status = Literal["empty", "loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class State:
    """What is loaded or being loaded.

    `waiting`: asked for, and no worker has begun yet. `generation` counts the loads; whatever was
    cached under another generation is out of date. Times are Unix milliseconds, 0 for never.
    """

    status: Status = "empty"
    preset: str = ""
    seed: int = 0
    percent: int = 0
    users: int = 0
    edges: int = 0
    thresholds: Thresholds = ALL_REGULAR
    waiting: bool = False
    generation: int = 0
    shards: int = 0
    started: int = 0
    heartbeat: int = 0
    seconds: float | None = None
    error: str = ""


class Summary(TypedDict):
    """The part of the state that pages poll."""

    preset: str
    seed: int
    status: Status
    percent: int
    users: int
    edges: int


class DatasetState:
    """The `dataset` hash and the directories of users."""

    def __init__(self, store: Store, lease_timeout_ms: int = LEASE_TIMEOUT_MS) -> None:
        self._store = store
        self._keys = store.keys
        self._lease_timeout_ms = lease_timeout_ms

    def read(self) -> State:
        """The present state. A loader that went silent makes it `failed`."""
        batch = self._store.batch()
        batch.add("HGETALL", self._keys.dataset)
        batch.add("TIME")
        raw, now = batch.run()
        return self._state(_fields(raw), int(now[0]) * 1000 + int(now[1]) // 1000)

    def thresholds(self) -> Thresholds:
        """From how many followers on a user is a celebrity, or popular."""
        return self.read().thresholds

    def seed(self) -> int:
        """The seed of the dataset, which the names depend on too."""
        return self.read().seed

    def summary(self) -> Summary:
        """The part of the state that pages poll."""
        state = self.read()
        return {
            "preset": state.preset,
            "seed": state.seed,
            "status": state.status,
            "percent": state.percent,
            "users": state.users,
            "edges": state.edges,
        }

    def request(self, preset: str, seed: int, *, only_new: bool = False) -> bool:
        """Leaves a request for the workers. False: one is being loaded or waited for; with
        `only_new` also when any dataset is known."""
        return bool(
            self._call("dataset_request", self._lease_timeout_ms, preset, seed, int(only_new))
        )

    def lease(self, token: str, preset: str, seed: int, *, repeatable: bool = True) -> bool:
        """Makes `token` the loader of this dataset. False: another loader is alive. Not
        `repeatable`: when this loader dies nobody else could finish its work."""
        return bool(
            self._call(
                "dataset_lease", self._lease_timeout_ms, token, preset, seed, int(repeatable)
            )
        )

    def lease_work(self, token: str) -> tuple[str, int] | None:
        """Makes `token` the loader of what was asked for, or of what a dead loader left:
        (preset, seed). None: nothing to do."""
        reply = self._call("dataset_lease_work", self._lease_timeout_ms, token)
        return (_text(reply[0]), int(reply[1])) if reply else None

    def heartbeat(self, token: str, percent: int) -> bool:
        """The loader is alive. False: it was replaced."""
        return bool(self._call("dataset_heartbeat", token, percent))

    def finish(self, token: str, fields: Mapping[str, str | int]) -> bool:
        """Ends the load and sets these fields. False: the loader was replaced."""
        flat = [part for field in fields.items() for part in field]
        return bool(self._call("dataset_finish", token, *flat))

    def is_empty(self) -> bool:
        """Whether there is neither a dataset nor a user."""
        batch = self._store.batch()
        batch.add("EXISTS", self._keys.dataset)
        for shard in range(self._store.shards):
            batch.add("EXISTS", self._keys.users(shard))
        return not any(batch.run())

    def set_directory(self, kind: Kind, user_ids: Sequence[int]) -> None:
        """The users to offer under a kind, in this order."""
        batch = self._store.batch()
        batch.add("DEL", self._keys.directory(kind))
        if user_ids:
            batch.add("RPUSH", self._keys.directory(kind), *user_ids)
        batch.run()

    def directory(self, kind: Kind, limit: int) -> list[int]:
        """Up to `limit` users of the kind."""
        reply = self._store.command("LRANGE", self._keys.directory(kind), 0, limit - 1)
        return [int(user_id) for user_id in reply]

    def _call(self, function: str, *args: Any) -> Any:
        return self._store.call(function, self._keys.dataset, *args)

    def _state(self, fields: dict[str, str], now_ms: int) -> State:
        def number(name: str) -> int:
            return int(fields.get(name, 0))

        thresholds = ALL_REGULAR
        if "celebrity_from" in fields:
            thresholds = Thresholds(number("celebrity_from"), number("popular_from"))
        status: Any = fields.get("status", "empty")
        error, preset, seed, percent = (
            fields.get("error", ""),
            fields.get("preset", ""),
            number("seed"),
            number("percent"),
        )
        waiting = "wanted" in fields
        if waiting:
            status, preset, seed, percent = "loading", fields["wanted"], number("wanted_seed"), 0
            error = ""
        elif status == "loading" and abs(now_ms - number("heartbeat")) >= self._lease_timeout_ms:
            status = "failed"
            error = f"The process that loaded it ended at {percent} percent."
        return State(
            status=status,
            preset=preset,
            seed=seed,
            percent=percent,
            users=number("users"),
            edges=number("edges"),
            thresholds=thresholds,
            waiting=waiting,
            generation=number("generation"),
            shards=number("shards"),
            started=number("started"),
            heartbeat=number("heartbeat"),
            seconds=float(fields["seconds"]) if "seconds" in fields else None,
            error=error,
        )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _fields(reply: object) -> dict[str, str]:
    """HGETALL's answer as texts."""
    return {_text(name): _text(value) for name, value in pairs(reply)}
