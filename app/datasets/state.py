"""Which dataset the store holds, how far its loading is, and whom to offer on the page.

One hash holds the loader's token, its heartbeat and a page's request, so each step is atomic on a
Cluster too; its fields are in `lua/91_dataset.lua`.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal, cast

from typing_extensions import TypedDict

from app.datasets.kinds import KINDS, Kind
from app.datasets.loads import Busy
from app.datasets.presets import PRESETS, checked_seed, preset_of
from app.engine.store.client import Store
from app.engine.store.replies import pairs

LEASE_TIMEOUT_MS = 10_000
"""A loader without a heartbeat for so long is dead. It gives one every quarter of a second."""

Status = Literal["empty", "loading", "ready", "failed"]


class Dataset(TypedDict):
    """Which dataset is loaded, or how far the loading is.

    `waiting`: no worker has begun yet. The thresholds (followers) are None while there is no
    dataset, `seconds` (what the loading took) until one was loaded.
    """

    preset: str | None
    seed: int
    status: Status
    percent: int
    waiting: bool
    users: int
    edges: int
    celebrity_from: int | None
    popular_from: int | None
    seconds: float | None
    error: str | None


class Summary(TypedDict):
    """The part of it that pages poll."""

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

    def current(self) -> Dataset:
        """What is loaded or being loaded. A loader whose lease timed out has `failed`."""
        raw, (seconds, microseconds) = self._store.run([("HGETALL", self._keys.dataset), ("TIME",)])
        fields = {name.decode(): value.decode() for name, value in pairs(raw)}
        age_ms = int(seconds) * 1000 + int(microseconds) // 1000 - int(fields.get("heartbeat", 0))
        waiting = "wanted" in fields
        if waiting:
            fields |= {"status": "loading", "percent": "0"}
            fields |= {"preset": fields["wanted"], "seed": fields["wanted_seed"]}
            fields.pop("error", None)
        elif fields.get("status") == "loading" and abs(age_ms) >= self._lease_timeout_ms:
            fields["status"] = "failed"
            fields["error"] = f"The process that loaded it ended at {fields['percent']} percent."
        return {
            "preset": fields.get("preset"),
            "seed": int(fields.get("seed", 0)),
            "status": cast(Status, fields.get("status", "empty")),
            "percent": int(fields.get("percent", 0)),
            "waiting": waiting,
            "users": int(fields.get("users", 0)),
            "edges": int(fields.get("edges", 0)),
            "celebrity_from": int(fields.get("celebrity_from", 0)) or None,
            "popular_from": int(fields.get("popular_from", 0)) or None,
            "seconds": float(fields["seconds"]) if "seconds" in fields else None,
            "error": fields.get("error"),
        }

    def summary(self) -> Summary:
        """The part of it that pages poll."""
        dataset = self.current()
        return {
            "preset": dataset["preset"] or "",
            "seed": dataset["seed"],
            "status": dataset["status"],
            "percent": dataset["percent"],
            "users": dataset["users"],
            "edges": dataset["edges"],
        }

    def request(self, preset: str, seed: int, *, only_new: bool = False) -> None:
        """Asks the workers for a generated dataset. Everything now in the store will go.

        Raises `BadRequest` for an unknown preset, `Busy` while another load is under way and, with
        `only_new`, when any dataset was loaded before.
        """
        preset_of(preset)
        args = (preset, checked_seed(seed), int(only_new))
        if not self._call("dataset_request", self._lease_timeout_ms, *args):
            raise Busy("A dataset is being loaded.")

    def lease(self, token: str, preset: str, seed: int) -> bool:
        """Makes `token` the loader of this dataset. False: another loader is alive.

        When it dies another one loads a preset again; a graph from a file nobody else has."""
        args = (token, preset, seed, int(preset in PRESETS))
        return bool(self._call("dataset_lease", self._lease_timeout_ms, *args))

    def lease_work(self, token: str) -> tuple[str, int] | None:
        """Makes `token` the loader of what was asked for, or of what a dead loader left:
        (preset, seed). None: nothing to do."""
        reply = self._call("dataset_lease_work", self._lease_timeout_ms, token)
        return (reply[0].decode(), int(reply[1])) if reply else None

    def heartbeat(self, token: str, percent: int) -> bool:
        """The loader is alive. False: it was replaced."""
        return bool(self._call("dataset_heartbeat", token, percent))

    def finish(self, token: str, fields: Mapping[str, str | int]) -> bool:
        """Ends the load and sets these fields. False: the loader was replaced."""
        return bool(self._call("dataset_finish", token, *chain(*fields.items())))

    def _call(self, function: str, *args: Any) -> Any:
        return self._store.call(function, self._keys.dataset, *args)

    def set_directories(self, directories: Mapping[Kind, Sequence[int]]) -> None:
        """The users to offer of each kind, in this order."""
        batch = self._store.batch()
        for kind, user_ids in directories.items():
            batch.add("DEL", self._keys.directory(kind))
            if user_ids:
                batch.add("RPUSH", self._keys.directory(kind), *user_ids)
        batch.run()

    def directories(self, limit: int) -> dict[Kind, list[int]]:
        """Up to `limit` users of each kind, in one round trip."""
        names = map(self._keys.directory, KINDS)
        found = self._store.run([("LRANGE", name, 0, limit - 1) for name in names])
        return {kind: list(map(int, ids)) for kind, ids in zip(KINDS, found, strict=True)}
