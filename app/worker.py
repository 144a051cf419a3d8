"""The worker process: it makes the deliveries, and loads datasets when one is asked for."""

from contextlib import suppress

from app.bootstrap import Services
from app.datasets.loads import LoadStopped
from app.engine.delivery.worker import Worker
from app.engine.errors import StoreDown


def worker_of(services: Services, name: str | None = None) -> Worker:
    """A worker that looks for a dataset to load before it delivers."""

    def load(worker: Worker) -> bool:
        def goes_on(stage: str, share: float) -> None:
            """Keeps the heartbeat up, and ends the load when the worker has to stop."""
            del stage, share
            if worker.is_stopping:
                raise LoadStopped
            with suppress(StoreDown):  # a late heartbeat is no reason to begin again
                worker.look_at_controls()

        return services.loading.run_pending(goes_on)

    return services.engine.worker(name, first=load)
