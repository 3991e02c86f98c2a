"""The arithmetic of the benchmarks: rates, ratios, tables. Nothing here is timed."""

from benchmarks import train_step, turns


class FakeContender:
    """Takes `cost` seconds a step, twice that in every second turn but the first."""

    first_step_s = 1.5

    def __init__(self, batch_size, cost, steps_per_call=1):
        self.cost, self.calls = cost, []

    def seconds(self, steps):
        self.calls.append(steps)
        return steps * self.cost * (2 if len(self.calls) % 2 == 1 and len(self.calls) > 1 else 1)

    def close(self):
        pass


def test_rates_are_medians_and_ratios_are_of_the_same_round(monkeypatch):
    monkeypatch.setattr(turns, "Contender", FakeContender)
    monkeypatch.setattr(turns.time, "sleep", lambda seconds: None)
    entries = {"a": {"batch_size": 10, "cost": 0.5}, "b": {"batch_size": 10, "cost": 0.25, "steps_per_call": 4}}
    a, b = turns.measure(entries, rounds=3, target_s=2.0)
    assert (a.name, a.images_per_second, a.slowest, a.fastest) == ("a", 20.0, 10.0, 20.0)
    assert b.images_per_second == 40.0 and b.ratios == [2.0, 2.0, 2.0] and a.ratios == [1.0, 1.0, 1.0]
    table = train_step.table([(10, "float32", a), (10, "float32", b)])
    assert "| 10 | float32 | b | 40 (20 to 40) | 0.50 x (0.50 to 0.50) | 2 |" in table
