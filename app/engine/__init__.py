"""The fan-out engine: publishing, delivering and reading; it knows neither Flask nor datasets."""

from . import errors
from .engine import Engine
from .models import Fanout, Feed, Post, Strategy
from .settings import EngineSettings

__all__ = ["Engine", "EngineSettings", "Fanout", "Feed", "Post", "Strategy", "errors"]
