"""Every setting of the application in one table: the engine's, and what surrounds it.

The table feeds the code, the README and the status page; a test fails when one of them lacks a row.
"""

import os
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.engine.settings import EngineSettings, Positive


class BadSetting(ValueError):
    """An environment variable has a value that the setting cannot take."""


class Settings(EngineSettings, BaseSettings):
    """The values one process runs with, from FANOUT_* variables and a few others.

    Raises `pydantic.ValidationError`; `from_environment` says the same in a sentence.
    """

    model_config = SettingsConfigDict(
        env_prefix="FANOUT_", env_ignore_empty=True, str_strip_whitespace=True
    )

    port: int = Field(8080, ge=1, le=65_535, validation_alias="PORT")
    """Port of the pages and the API."""
    allowed_hosts: str = ""
    """Host names, comma-separated, that may serve the page besides localhost and IP addresses; *
    allows all. Stops other sites from reaching it by DNS rebinding."""
    redis_url: str = Field("", validation_alias="REDIS_URL")
    """Your own Redis/Valkey server or any node of a Cluster; empty: localhost:REDIS_PORT."""
    redis_port: int = Field(6379, ge=1, le=65_535, validation_alias="REDIS_PORT")
    """Port of the store on this machine."""
    owns_store: int = Field(0, ge=0, le=1)
    """1 where start.sh or Compose brought the server: an empty store is then seeded by itself;
    otherwise it waits for `flask seed`."""
    body_limit: int = Field(65_536, ge=1_024)
    """Bytes of a request body; larger ones get 413."""
    rate_limit: str = "6000/minute"
    """Changes (posts, follows, controls) that one client may make; `none` switches it off."""
    web_threads: Positive = 8
    """Requests that one web process answers at once."""
    dataset: Literal["small", "medium", "large", "huge", "none"] = "medium"
    """Preset that an empty store is seeded with: small, medium, large, huge or none."""
    seed: int = Field(1, ge=0)
    """Seed of the generated dataset."""

    @model_validator(mode="after")
    def _text_fits(self) -> Self:
        if self.text_limit >= self.body_limit:
            raise ValueError("FANOUT_TEXT_LIMIT must be below FANOUT_BODY_LIMIT to fit a request.")
        return self

    @classmethod
    def from_environment(cls) -> Self:
        """Raises `BadSetting` with the variable's name, its value and what it needs."""
        try:
            return cls()
        except ValidationError as error:
            raise BadSetting(_sentence(error)) from None

    @property
    def store_url(self) -> str:
        """The URL of the store, whichever of the two settings names it."""
        return self.redis_url or f"redis://127.0.0.1:{self.redis_port}/0"


def variables(name: str, field: FieldInfo) -> list[str]:
    """The environment variables of a setting: the present one, then older names."""
    alias = field.validation_alias or f"FANOUT_{name.upper()}"
    return list(map(str, alias.choices)) if isinstance(alias, AliasChoices) else [str(alias)]


def table() -> list[dict[str, Any]]:
    """Rows of the settings table: `name`, `env`, `default`, `help`, and `source`: `environment`
    when it sets the value, by whichever name, else `default`."""
    rows = []
    for name, field in Settings.model_fields.items():
        envs = variables(name, field)
        given = any(os.environ.get(env, "").strip() for env in envs)
        row = {
            "name": name,
            "env": envs[0],
            "default": field.default,
            "help": " ".join((field.description or "").split()),
            "source": "environment" if given else "default",
        }
        rows.append(row)
    return sorted(rows, key=lambda row: row["name"] in EngineSettings.model_fields)


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:  # values that do not go together
        return str(first["ctx"]["error"])
    name = str(first["loc"][0])
    env = name if name.isupper() else f"FANOUT_{name.upper()}"
    return f"{env}={first['input']!r}: {first['msg']}. README.md lists every setting."
