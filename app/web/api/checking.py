"""Checking requests against the models of their routes."""

from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

import orjson
from flask import request
from flask_openapi import APIBlueprint
from pydantic import ValidationError

from app.engine.errors import BadRequest, BadText
from app.engine.text import HALF_A_PAIR
from app.web.problems import BrokenJson, NotJson


class CheckedBlueprint(APIBlueprint):
    """The API library's blueprint, which describes requests; the checking is ours.

    The library's own asks for the models' JSON schemas and looks for lists in them, every time.
    """

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **more: Any
    ) -> None:
        """As Flask has it. What comes here is a function of ours in the library's wrapper."""
        super().add_url_rule(rule, endpoint, _checked(view_func.__wrapped__), *args, **more)


def _checked(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view, called with the models that its `path`, `query` and `body` are annotated with.
    Raises `BadRequest` for what they refuse."""
    models = get_type_hints(view)
    del models["return"]

    @wraps(view)
    def call(**path: Any) -> Any:
        sent = {"path": path, "query": _query(), "body": _body() if "body" in models else None}
        try:
            found = {part: model.model_validate(sent[part]) for part, model in models.items()}
        except ValidationError as error:
            wrong = [
                f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False)[:3]
            ]
            raise BadRequest("; ".join(wrong) + ". See /api/docs.") from None
        return view(**found)

    return call


def _query() -> dict[str, str]:
    """The query's parameters. One that comes twice would be taken for one of the two: nobody could
    tell which."""
    query = {}
    if request.query_string:
        for name, values in request.args.lists():
            if len(values) > 1:
                raise BadRequest(f"{name} comes {len(values)} times. Send it once.")
            query[name] = values[0]
    return query


def _body() -> dict[str, Any]:
    """The body's JSON object. Raises `NotJson`, `BrokenJson`, `BadText`."""
    if not request.is_json:
        raise NotJson("The content type is not JSON.")
    try:
        parsed = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        if error.msg.endswith("surrogate in string"):  # an escape such as \ud800 alone
            raise BadText(HALF_A_PAIR) from None
        raise BrokenJson(f"{error}. Check quotes, commas and braces.") from None
    if not isinstance(parsed, dict):
        raise BrokenJson("The body must be a JSON object, such as {}.")
    return parsed
