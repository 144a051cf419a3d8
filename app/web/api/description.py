"""Makes the OpenAPI description say what the API does, where the library cannot know it."""

from typing import Any

from app.web.api.schemas import PAGE_LIMIT, Problem

PROBLEM = {
    "application/problem+json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
}
ALWAYS = {
    "400": "The request, its JSON or its cursor is broken.",
    "414": "The address is too long.",
    "421": "The host name is not ours.",
    "431": "The headers are too large.",
    "500": "A bug of ours.",
    "503": "The store does not answer, or the backlog is full; see Retry-After.",
}
CHANGES = {
    "403": "The request came from another site.",
    "413": "The body is too large.",
    "429": "Too many changes by one client; see Retry-After.",
}
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same post with the same key is accepted once in a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
WRAPPED = "RootModel_"
"""How the library names what wraps an answer that is no model of pydantic."""


def complete(spec: dict[str, Any], page_limit: int) -> dict[str, Any]:
    """The library's description with our errors, headers and limits. Changes it in place."""
    spec["paths"]["/api/posts"]["post"].setdefault("parameters", []).append(KEY_HEADER)
    for methods in spec["paths"].values():
        for method, operation in methods.items():
            _complete(operation, page_limit, changes=method != "get")
    schemas = spec["components"]["schemas"].items()
    spec["components"]["schemas"] = {k: v for k, v in schemas if not k.startswith(WRAPPED)}
    return spec


def _complete(operation: dict[str, Any], page_limit: int, *, changes: bool) -> None:
    text, answers = operation.get("description", ""), operation["responses"]
    operation["description"] = text.replace("<br/>", "\n").strip()
    parameters, body = operation.get("parameters", []), "requestBody" in operation
    for parameter in parameters:
        if parameter.get("description") == PAGE_LIMIT:
            parameter["schema"]["maximum"] = page_limit
    errors = ALWAYS | (CHANGES if changes else {})
    if body:
        errors["415"] = "The body is not JSON."
    if any(parameter["in"] == "path" for parameter in parameters):
        errors["404"] = "There is no such thing."
    if body or parameters:
        errors["422"] = "A field is missing, unknown, of the wrong kind or out of range."
    else:
        del answers["422"]  # the library thinks that every request may have invalid fields
    answers |= {status: {"description": meaning} for status, meaning in errors.items()}
    for status, answer in answers.items():
        if int(status) >= 400:
            answer["content"] = PROBLEM
        elif "content" in answer:
            schema = answer["content"]["application/json"]["schema"]
            schema["$ref"] = schema["$ref"].replace(WRAPPED, "").removesuffix("_")
    operation["responses"] = dict(sorted(answers.items()))
