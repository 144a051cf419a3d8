"""Errors as problem+json for the API and as a page for people. No stack trace gets out."""

from __future__ import annotations

import json
import logging
from typing import cast

import orjson
from flask import Flask, Response, make_response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from app.engine.errors import BadRequest, BadText, FanoutError

log = logging.getLogger("fanout.web")

JSON_PATHS = ("/api/", "/metrics", "/healthz", "/readyz", "/parts/", "/numbers.")


class NotJson(FanoutError):
    """The content type is not JSON."""

    status, title, slug = 415, "The body is not JSON", "not-json"


class BrokenJson(FanoutError):
    """The body does not parse, or is no object."""

    status, title, slug = 400, "The JSON is broken", "broken-json"


class HttpProblem(FanoutError):
    """Any other HTTP error, in the form of ours. It means no more than its status says, for which
    RFC 9457 has the type `about:blank`."""

    slug = ""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title


def install(app: Flask) -> None:
    """Makes every error of `app` leave in one form."""
    app.register_error_handler(FanoutError, _fanout_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)
    app.before_request(_check_query)
    app.before_request(_check_body)


def refuse_invalid(error: ValidationError) -> Response:
    """Called by the API library with what pydantic found."""
    found = []
    for item in error.errors(include_url=False, include_input=False)[:3]:
        position = ".".join(str(part) for part in item["loc"]) or "body"
        found.append(f"{position}: {item['msg']}")
    return problem(BadRequest("; ".join(found) + ". See /api/docs."))


def problem(error: FanoutError) -> Response:
    """The error as problem+json."""
    body = {
        "type": f"/how-it-works#error-{error.slug}" if error.slug else "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    response = Response(orjson.dumps(body), error.status, mimetype="application/problem+json")
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _check_query() -> None:
    """A parameter that comes twice would be taken for one of the two: nobody could tell which."""
    if request.query_string and request.path.startswith("/api/"):
        for name, values in request.args.lists():
            if len(values) > 1:
                raise BadRequest(f"{name} comes {len(values)} times. Send it once.")


def _check_body() -> None:
    """JSON routes take JSON objects only, and say so before any field is looked at."""
    if not request.path.startswith("/api/") or request.method not in ("POST", "PUT", "PATCH"):
        return
    rule = request.url_rule
    if rule is None or rule.arguments & {"followee_id", "dead_letter_id"}:
        return  # no such route, which has an error of its own; or the address says it all
    if not request.is_json:
        raise NotJson("Send the body as JSON, with the header Content-Type: application/json.")
    try:
        parsed = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        if _has_half_a_pair(request.get_data()):
            raise BadText(
                "The text holds half of a surrogate pair. Send it as valid Unicode."
            ) from None
        raise BrokenJson(f"{error}. Check quotes, commas and braces.") from None
    if not isinstance(parsed, dict):
        raise BrokenJson("The body must be a JSON object, such as {}.")


def _has_half_a_pair(body: bytes) -> bool:
    """Whether the JSON is fine but for an escape such as `\\ud800`, which is no character."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _fanout_error(error: FanoutError) -> AnyResponse | tuple[str, int]:
    if error.status >= 500:
        log.warning("%s %s: %s", request.method, request.path, error.detail)
    return _answer(error)


def _http_error(error: HTTPException) -> AnyResponse | tuple[str, int]:
    if error.response is not None:
        return cast(AnyResponse, error.response)
    code = error.code or 500
    known = HttpProblem(code, error.name, _ADVICE.get(code, error.description or ""))
    response = make_response(_answer(known))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value  # Allow, Retry-After, Content-Range
    return response


def _unforeseen(error: Exception) -> AnyResponse | tuple[str, int]:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _answer(
        FanoutError("This is a bug of ours; the log of the web process has the details.")
    )


def _answer(error: FanoutError) -> AnyResponse | tuple[str, int]:
    if request.path.startswith(JSON_PATHS):
        return problem(error)
    return render_template("error.html", error=error), error.status


_ADVICE = {
    404: "Nothing lives at this address. / is the demo, /api/docs describes the API.",
    405: "This address does not take that method; /api/docs lists what it takes.",
    413: "The body is too large. Send less; FANOUT_BODY_LIMIT sets the bound.",
}
