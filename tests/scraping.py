"""A parser of the text format of Prometheus.

That of prometheus_client is not usable: it must not be imported before infra/metrics.py.
"""

import re

Series = tuple[str, frozenset[tuple[str, str]]]

_SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def series_in(text: str) -> dict[Series, float]:
    """The value of each series, by its name and labels."""
    return {(name, frozenset(_LABEL.findall(labels))): float(value) for name, labels, value in _SERIES.findall(text)}
