"""Train for a long time, resident and streamed, and watch what a leak or a slow-down would move.

    python -m benchmarks.soak --minutes 30                 15 minutes resident, then 15 streamed
    python -m benchmarks.soak --minutes 2 --every 5

Each placement is a process of its own that trains the digits in a directory that is removed afterwards; it logs,
evaluates, draws and checkpoints often. Every few seconds /proc is read: resident memory, open files, threads, time
of the processor, and the steps done. The first sixth is left out as a warm-up; of the rest the medians of the first and
the last third are given, the largest, and the trend (the median slope between all pairs of looks), so that a pause of
the process, or a machine that others use as well, does not decide. Linux.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HOME = pathlib.Path(__file__).resolve().parents[1]
FIELDS = {
    "num_steps": 10**9,
    "log_every": 50,
    "eval_every": 500,
    "checkpoint_every": 250,
    "image_every": 500,
    "data.batch_size": 16,
    "model.hidden_dims": "8,16",
    "optimizer.schedule": "constant",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="of both placements together")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between looks")
    arguments = parser.parse_args()
    for placement in ("device", "host"):
        with tempfile.TemporaryDirectory() as directory:
            samples = soak(placement, pathlib.Path(directory), 30 * arguments.minutes, arguments.every)
        print(json.dumps({"placement": placement, "looks": len(samples)} | summarise(samples)), flush=True)


def soak(placement: str, workdir: pathlib.Path, seconds: float, every: float) -> list[dict[str, float]]:
    """Train for `seconds` after the first log, looking `every` so many; returns what was seen."""
    fields = FIELDS | {"data.placement": placement}
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    command = [sys.executable, "main.py", "--workdir", str(workdir / "run"), *words]
    with open(workdir / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=HOME, stdout=log, stderr=log)
    try:
        while steps_done(workdir) == 0:
            if process.poll() is not None:
                sys.exit(f"the training ended by itself: {(workdir / 'log').read_text()[-500:]}")
            time.sleep(0.2)
        samples, end = [], time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            samples.append(look(process.pid, workdir))
            time.sleep(every)
        if process.poll() is not None:
            sys.exit(f"the training ended by itself: {(workdir / 'log').read_text()[-500:]}")
        return samples
    finally:
        process.terminate()
        process.wait()


def look(pid: int, workdir: pathlib.Path) -> dict[str, float]:
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    ticks = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]  # user, system
    return {
        "seconds": time.monotonic(),
        "processor_seconds": sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
        "step": steps_done(workdir),
        "resident_mb": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "files": len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())),
    }


def steps_done(workdir: pathlib.Path) -> int:
    """Return the step of the last whole line of metrics.jsonl."""
    try:
        lines = (workdir / "run" / "metrics.jsonl").read_bytes()[-4096:].split(b"\n")
    except FileNotFoundError:
        return 0
    return json.loads(lines[-2])["step"] if len(lines) > 2 else 0


def summarise(samples: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return, of each quantity, the medians of the first and the last third, the largest, and the trend per hour."""
    samples = samples[len(samples) // 6 :]
    hours = [sample["seconds"] / 3600 for sample in samples]
    series = {name: (hours, [sample[name] for sample in samples]) for name in ("resident_mb", "threads", "files")}
    moves = [(a, b) for a, b in itertools.pairwise(samples) if b["step"] > a["step"]]
    for name, clock in (("ms_per_step", "seconds"), ("processor_ms_per_step", "processor_seconds")):
        paces = [1000 * (b[clock] - a[clock]) / (b["step"] - a["step"]) for a, b in moves]
        series[name] = ([b["seconds"] / 3600 for _, b in moves], paces)
    return {name: summary(*points) for name, points in series.items()}


def summary(hours: list[float], values: list[float]) -> dict[str, float]:
    """Return {"first", "last": medians of thirds, "largest", "per_hour": the median slope between pairs}."""
    third = max(len(values) // 3, 1)
    pairs = itertools.combinations(zip(hours, values, strict=True), 2)
    found = {
        "first": statistics.median(values[:third]),
        "last": statistics.median(values[-third:]),
        "largest": max(values),
        "per_hour": statistics.median((v - u) / (t - s) for (s, u), (t, v) in pairs),
    }
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
