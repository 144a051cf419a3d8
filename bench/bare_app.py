"""The least that a Flask application can do to answer with a page: row 9's other side."""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
_FILE = Path(tempfile.gettempdir()) / f"fanout-bench-page-{os.environ.get('PORT', '')}.json"


@app.get("/page")
def page() -> Response:
    """The page, made into JSON for every request."""
    return jsonify(_page())


@app.put("/page")
def put() -> Response:
    """The page to answer with from now on."""
    _FILE.write_bytes(request.get_data())
    return Response(status=204)


@cache
def _page() -> Any:
    return orjson.loads(_FILE.read_bytes())
