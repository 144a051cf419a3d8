"""A bound on how fast one client may change things, shared by all web processes.

The library `limits` counts in the store (docs/decisions/006). Answers carry the headers of the IETF
draft "RateLimit header fields for HTTP". Weakness: a client is an address, so all users behind one
proxy share a bound. Alternative: a key for each client, once clients have to sign in.
"""

import math
import time
from dataclasses import dataclass
from functools import cached_property

from flask import Flask, Response, g, request
from limits import RateLimitItem, WindowStats, parse
from limits.storage import RedisClusterStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.engine.store.client import Store
from app.settings import BadSetting
from app.web.problems import TooFast

COUNTED = frozenset({"POST", "PUT", "DELETE"})


def install(app: Flask, store: Store, bound: str) -> None:
    """Puts the bound in front of all unsafe methods. `bound` is FANOUT_RATE_LIMIT, such as
    `6000/minute`, or `none`. Raises `BadSetting`."""
    if bound == "none":
        return
    try:
        limiter = _Limiter(store, parse(bound))
    except ValueError:
        raise BadSetting(
            f"FANOUT_RATE_LIMIT={bound!r} is no rate. Write for example 6000/minute, or none."
        ) from None
    app.before_request(limiter.check)
    app.after_request(limiter.tell)


@dataclass
class _Limiter:
    store: Store
    bound: RateLimitItem

    @cached_property
    def _window(self) -> SlidingWindowCounterRateLimiter:
        return SlidingWindowCounterRateLimiter(_storage(self.store))

    def check(self) -> None:
        """Counts the request. Raises `TooFast`, or `StoreDown`."""
        if request.method not in COUNTED:
            return
        client = request.remote_addr or "unknown"
        with self.store.attempt():
            within, g.rate_limit = self._hit(client)
            if g.rate_limit.reset_time - time.time() > 2 * self.bound.get_expiry():
                # The store's clock was set back, and the window would last that much longer.
                self._window.clear(self.bound, client)
                within, g.rate_limit = self._hit(client)
        if not within:
            raise TooFast(f"At most {self.bound} for each client.")

    def _hit(self, client: str) -> tuple[bool, WindowStats]:
        within = self._window.hit(self.bound, client)
        return within, self._window.get_window_stats(self.bound, client)

    def tell(self, response: Response) -> Response:
        """Adds the headers to answers of requests that were counted."""
        if "rate_limit" in g:
            reset = max(0, math.ceil(g.rate_limit.reset_time - time.time()))
            remaining, seconds = max(0, g.rate_limit.remaining), self.bound.get_expiry()
            response.headers["RateLimit-Policy"] = f'"client";q={self.bound.amount};w={seconds}'
            response.headers["RateLimit"] = f'"client";r={remaining};t={reset}'
            if response.status_code == 429:
                response.headers["Retry-After"] = str(max(1, reset))
        return response


def _storage(store: Store) -> RedisStorage | RedisClusterStorage:
    """Counters in our own store, over our own connections where the library lets us."""
    client = store.redis
    if not store.is_cluster:
        pool = client.connection_pool
        return RedisStorage("redis://", connection_pool=pool, key_prefix=store.keys.limits)
    node = client.get_primaries()[0]
    known = node.redis_connection.get_connection_kwargs()
    return RedisClusterStorage(
        f"redis+cluster://{node.host}:{node.port}",
        key_prefix=store.keys.limits,
        retry=client.retry,  # none: a hit whose answer got lost may have been counted
        **{name: known.get(name) for name in ("socket_timeout", "username", "password")},
    )
