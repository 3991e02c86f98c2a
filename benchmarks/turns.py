"""Time several contenders in turns, so that what the machine does meanwhile happens to all of them alike."""

import json
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple


class Timing(NamedTuple):
    name: str
    images_per_second: float  # the median over rounds
    slowest: float  # images/s
    fastest: float
    first_step_s: float  # imports, compilation and the first step
    ratios: list[float]  # to the first contender's rate, round by round


class Contender:
    """A process of `benchmarks.contender`, idle but when it is asked to run."""

    def __init__(self, **given: Any):
        command = [sys.executable, "-m", "benchmarks.contender", json.dumps(given)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self.first_step_s = self._answer()["first_step_s"]

    def seconds(self, steps: int) -> float:
        self._requests.write(f"{steps}\n")
        self._requests.flush()
        return self._answer()["seconds"]

    def close(self) -> None:
        self._requests.close()
        self._process.wait()

    def _answer(self) -> dict[str, float]:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"a contender ended with exit code {self._process.wait()}; its message is above")
        return json.loads(line)


def measure(contenders: dict[str, dict[str, Any]], *, rounds: int, target_s: float) -> list[Timing]:
    """Return a Timing for each of {name: what `contender` takes}; each round gives every one about `target_s`."""
    running = {name: Contender(**given) for name, given in contenders.items()}
    multiple = {name: given.get("steps_per_call", 1) for name, given in contenders.items()}
    steps = {}
    for name, contender in running.items():
        one = contender.seconds(multiple[name])
        steps[name] = multiple[name] * max(1, round(target_s / one))
    rates: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, contender in running.items():
            time.sleep(0.2)  # the threads of the one before stop spinning
            rates[name].append(steps[name] * contenders[name]["batch_size"] / contender.seconds(steps[name]))
    for contender in running.values():
        contender.close()
    first = rates[next(iter(rates))]
    return [
        Timing(
            name,
            statistics.median(values),
            min(values),
            max(values),
            running[name].first_step_s,
            [value / reference for value, reference in zip(values, first, strict=True)],
        )
        for name, values in rates.items()
    ]
