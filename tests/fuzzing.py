"""How many examples a fuzzing test draws; every run draws the same."""

import pytest
from hypothesis import HealthCheck, settings

LONG = pytest.param(True, marks=pytest.mark.long)
FEW = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def times(long, count):
    """Return a decorator: FEW examples of a tenth of `count`, or, `long`, `count` of them."""
    return settings(FEW, max_examples=count if long else max(count // 10, 10))
