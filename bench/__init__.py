"""Benchmarks: our engine and its baselines side by side. `python -m bench --help` says more."""
