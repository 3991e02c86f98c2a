"""Train for a long time, resident and streamed, and watch what a leak or a slow-down would move.

    python -m benchmarks.soak --minutes 30                 15 minutes resident, then 15 streamed
    python -m benchmarks.soak --minutes 2 --every 5

Each placement is a process of its own that trains the digits in a directory that is removed afterwards; it logs,
evaluates, draws and checkpoints often. Every few seconds /proc is read: resident memory, open files, threads; and the
steps done since. At the end the first and the last third are compared, the warm-up (the first sixth) left out. Linux.
"""

import argparse
import json
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
    return {
        "seconds": time.monotonic(),
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


def summarise(samples: list[dict[str, float]]) -> dict[str, list[float]]:
    """{quantity: [median of the first third after the warm-up, median of the last third, largest]}."""
    samples = samples[len(samples) // 6 :]
    third = max(len(samples) // 3, 2)
    first, last = samples[:third], samples[-third:]
    result = {
        name: [round(statistics.median(s[name] for s in part), 1) for part in (first, last)]
        + [round(max(s[name] for s in samples), 1)]
        for name in ("resident_mb", "threads", "files")
    }
    pace = [
        1000 * (part[-1]["seconds"] - part[0]["seconds"]) / max(part[-1]["step"] - part[0]["step"], 1)
        for part in (first, last)
    ]
    return result | {"ms_per_step": [round(value, 2) for value in pace]}


if __name__ == "__main__":
    main()
