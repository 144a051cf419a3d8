"""What schemathesis does before each request of ours."""

import re
from typing import Any
from uuid import uuid4

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Makes a valid Idempotency-Key unique. A key that comes again is answered as the first time,
    also when that post was deleted since; the check of created things takes this for a new post
    that is lost. tests/test_api.py sends keys again."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,200}", key):
        case.headers["Idempotency-Key"] = f"{key}-{uuid4().hex}"
