"""Fanout Demo: write fan-out, read fan-out and a hybrid of both, on real Redis."""

__version__ = "0.1.0"
