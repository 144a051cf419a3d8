"""The fan-out engine: publishing, delivering and reading; it knows neither Flask nor datasets."""

from .engine import Engine
from .settings import EngineSettings

__all__ = ["Engine", "EngineSettings"]
