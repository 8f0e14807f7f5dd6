"""Measurements on real servers; run one with `python -m dev.benchmarks.NAME`."""
