"""Makes the OpenAPI description say what the API does, where the library cannot know it."""

from __future__ import annotations

from typing import Any

from app.web.schemas import Problem

PROBLEM = {
    "application/problem+json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
}
COMMON = {
    "403": "The request came from another site.",
    "421": "The host name is not ours.",
    "429": "Too many changes by one client; see Retry-After.",
    "503": "The store does not answer, or the backlog is full; see Retry-After.",
}
CHANGES_ONLY = {"403", "429"}
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same post with the same key is accepted once in a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def complete(spec: dict[str, Any]) -> dict[str, Any]:
    """The library's description with our errors and headers. Changes it in place."""
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            _complete(operation, changes=method != "get")
            if (path, method) == ("/api/posts", "post"):
                operation.setdefault("parameters", []).append(KEY_HEADER)
    return spec


def _complete(operation: dict[str, Any], *, changes: bool) -> None:
    text = operation.get("description", "")
    operation["description"] = text.replace("<br/>", "\n").strip()
    responses = operation["responses"]
    if not (operation.get("parameters") or operation.get("requestBody")):
        responses.pop("422", None)
    for status, meaning in COMMON.items():
        if changes or status not in CHANGES_ONLY:
            responses.setdefault(status, {"description": meaning})
    for status, response in responses.items():
        if int(status) >= 400:
            response["content"] = PROBLEM
