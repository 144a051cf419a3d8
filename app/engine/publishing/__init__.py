"""Accepting posts and choosing push or pull."""
