"""The second part: how fast a dataset is loaded, and how much memory an edge takes."""

from typing import Any

from app.bootstrap import Services
from bench import servers
from bench.context import Context
from bench.fixture import settings


def measure(preset: str, context: Context) -> dict[str, Any]:
    """Loads the preset into an empty server, as `flask seed` does."""
    with servers.server(*context.options, kind=context.server) as port:
        chosen = settings(f"redis://127.0.0.1:{port}/0")
        services = Services(chosen)
        store = services.engine.store
        before = store.redis.info("memory")["used_memory"]
        loaded = services.loading.load_preset(preset, context.seed)
        after = store.redis.info("memory")["used_memory"]
        store.close()
    return {
        "preset": preset,
        "storage": "file" if context.durable else "memory",
        "users": loaded.users,
        "edges": loaded.edges,
        "stages": {stage: round(spent, 2) for stage, spent in loaded.seconds.items()},
        "seconds": round(sum(loaded.seconds.values()), 2),
        "edges_per_second": loaded.edges / loaded.seconds["loading"],
        "bytes_per_edge": (after - before) / loaded.edges,
    }
