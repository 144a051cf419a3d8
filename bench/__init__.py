"""Benchmarks: our engine and its rivals side by side. `python -m bench --help` says more."""
