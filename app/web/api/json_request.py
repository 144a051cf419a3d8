"""The request of the JSON API: a body is a JSON object, and who sends something else is told so."""

import json
from typing import Any

import orjson
from flask import Request

from app.engine.errors import BadText
from app.engine.text import HALF_A_PAIR
from app.web.problems import BrokenJson, NotJson


class JsonRequest(Request):
    """A request whose JSON is parsed by orjson, when a route asks for its body."""

    def get_json(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The body's JSON object. Raises `NotJson`, `BrokenJson`, `BadText`."""
        if not self.is_json:
            raise NotJson("The content type is not JSON.")
        body = self.get_data()
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if _has_half_a_pair(body):
                raise BadText(HALF_A_PAIR) from None
            raise BrokenJson(f"{error}. Check quotes, commas and braces.") from None
        if not isinstance(parsed, dict):
            raise BrokenJson("The body must be a JSON object, such as {}.")
        return parsed


def _has_half_a_pair(body: bytes) -> bool:
    """Whether the JSON is fine but for an escape such as `\\ud800`, which is no character."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False
