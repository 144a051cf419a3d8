"""Errors as problem+json for the API and as a page for people. No stack trace gets out."""

import logging

import orjson
from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from app.engine.errors import FanoutError
from app.web.problems import Answer, answer_to

log = logging.getLogger("fanout.web")

JSON_PATHS = ("/api/", "/metrics", "/healthz", "/readyz", "/parts/", "/numbers.")


def install(app: Flask) -> None:
    """Makes every error of `app` leave in one form."""
    app.register_error_handler(FanoutError, _fanout_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)


def problem(error: Answer) -> Response:
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


def _fanout_error(error: FanoutError) -> AnyResponse | tuple[str, int]:
    answer = answer_to(error)
    if answer.status >= 500:
        log.warning("%s %s: %s", request.method, request.path, answer.detail)
    return _answer(answer)


def _http_error(error: HTTPException) -> AnyResponse | tuple[str, int]:
    code = error.code or 500
    detail = _ADVICE.get(code, error.description or "")
    response = make_response(_answer(Answer(code, error.name, detail=detail)))
    more = (header for header in error.get_headers() if header[0] != "Content-Type")
    response.headers.extend(more)  # Allow, Retry-After, Content-Range
    return response


def _unforeseen(error: Exception) -> AnyResponse | tuple[str, int]:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    bug = FanoutError("This is a bug of ours; the log of the web process has the details.")
    return _answer(answer_to(bug))


def _answer(error: Answer) -> AnyResponse | tuple[str, int]:
    if request.path.startswith(JSON_PATHS):
        return problem(error)
    return render_template("error.html", error=error), error.status


_ADVICE = {
    404: "Nothing lives at this address. / is the demo, /api/docs describes the API.",
    405: "This address does not take that method; /api/docs lists what it takes.",
    413: "The body is too large. Send less; FANOUT_BODY_LIMIT sets the bound.",
}
