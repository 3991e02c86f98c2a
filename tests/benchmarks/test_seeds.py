"""Both ways of stepping several seeds run, and are timed round by round. No time is asserted."""

import numpy as np

from benchmarks import seeds


def test_both_ways_are_timed_in_every_round():
    times = seeds.measure(2, 1, rounds=1)
    assert {way: len(seconds) for way, seconds in times.items()} == {"one after another": 1, "one program": 1}
    assert all(np.isfinite(seconds).all() for seconds in times.values())
