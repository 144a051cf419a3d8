"""Users, edges and first posts: generated or read from a file, loaded, verified."""

from pathlib import Path

LUA = Path(__file__).parent / "lua"
"""The datasets' server functions; the store that is handed to them must have these."""
