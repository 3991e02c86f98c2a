"""Everything about one accelerator in one call: rates, roofline, PyTorch beside it. Writes device.json and a table.

    python -m benchmarks.device --out results/ --budget_s 450

Needs jax, flax and optax; PyTorch's rows are left out where it is not installed. Ours and PyTorch's are measured one
after the other, each in a process of its own with the card to itself, which reports a row as soon as it has it. The
most telling rows come first; what the budget does not reach is left out, and said to be. The roofline is XLA's own
count of a step's operations and bytes over the rates of a matrix product and of a copy, measured here, once for each
precision. PyTorch is fed from a tensor on the device, so that what is compared is the arithmetic alone.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib import metadata, util
from statistics import median
from typing import Any

from benchmarks import contender

SHARE_OF_OURS = 0.55  # of the budget, where PyTorch is measured as well
ROUNDS = 3
VARIANTS = ("channels_last", "compiled", "eager")

Row = dict[str, Any]


def plan(batch_sizes: list[int], precisions: list[str], scanned: int) -> list[Row]:
    """Return our rows: every batch size, the largest first, at the first precision, then at the others.

    At the first precision also scanned, and at one batch size, neither the largest nor the smallest, resident and
    streamed: the precision at which the card is fastest is where its feeding would show.
    """
    sizes, rows = sorted(batch_sizes, reverse=True), []
    for precision in precisions:
        for batch_size in sizes:
            one = {"framework": "jax", "batch_size": batch_size, "precision": precision, "steps_per_call": 1}
            rows.append(one)
            if precision != precisions[0]:
                continue
            rows.append(one | {"steps_per_call": scanned})
            if batch_size == sizes[len(sizes) // 3]:
                rows += [one | {"steps_per_call": scanned, "feed": feed} for feed in ("device", "host")]
    return rows


def plan_pytorch(batch_sizes: list[int], precisions: list[str]) -> list[Row]:
    """Return PyTorch's rows in the same order, what takes longest to compile at the first precision alone."""
    return [
        {"framework": "pytorch", "batch_size": batch_size, "precision": precision, "variant": variant}
        for precision in precisions
        for variant in VARIANTS
        for batch_size in sorted(batch_sizes, reverse=True)
        if variant == "channels_last" or precision == precisions[0]
    ]


def name_of(row: Row) -> str:
    """Return what a row is called in the table."""
    if row["framework"] == "pytorch":
        return f"PyTorch {row['variant']}"
    feed = {"batches": "", "device": ", resident", "host": ", streamed"}[row.get("feed", "batches")]
    scan = f", {row['steps_per_call']} steps a call" if row["steps_per_call"] > 1 else ""
    return f"vae_jax{scan}{feed}"


def measure(row: Row, seconds: float) -> Row:
    """Return images/s of a row, in this process, and the seconds until its first step was done."""
    given = {name: value for name, value in row.items() if name != "framework"}
    make = {"jax": contender.make_jax, "pytorch": contender.make_pytorch}[row["framework"]]
    multiple = row.get("steps_per_call", 1)
    began = time.perf_counter()
    take = make(**given)
    take(multiple)
    first_step_s = time.perf_counter() - began
    take(2 * multiple)
    steps = multiple * max(1, round(seconds / ROUNDS / max(_timed(take, multiple), 1e-9)))
    rates = [steps * row["batch_size"] / _timed(take, steps) for _ in range(ROUNDS)]
    return {
        "images_per_second": median(rates),
        "slowest": min(rates),
        "fastest": max(rates),
        "first_step_s": first_step_s,
    }


def _timed(take: Any, steps: int) -> float:
    began = time.perf_counter()
    take(steps)
    return time.perf_counter() - began


def report(rows: list[Row], seconds: float) -> Iterator[Row]:
    """Measure rows one by one; a row that fails (memory, say) says why, and the next one is tried."""
    from benchmarks import roofline  # imports jax: in a process that has the card to itself

    known: dict[Any, dict[str, float]] = {}
    for row in rows:
        try:
            result = measure(row, seconds)
            if row["framework"] == "jax":
                precision, step = row["precision"], (row["precision"], row["batch_size"])
                known[precision] = known.get(precision) or roofline.limits(precision)
                known[step] = known.get(step) or roofline.step_cost(row["batch_size"], precision)
                result |= known[precision] | known[step]
                least = roofline.least_seconds(known[precision] | known[step])
                result["share_of_roofline"] = least * result["images_per_second"] / row["batch_size"]
        except Exception as error:  # whatever a card refuses
            result = {"error": f"{type(error).__name__}: {error}".split("\n")[0][:200]}
        yield row | {"name": name_of(row)} | result


def collect(rows: list[Row], seconds: float, budget_s: float) -> list[Row]:
    """Return what a process of its own measured within the budget."""
    with tempfile.TemporaryDirectory() as compiled:
        settings = {
            "JAX_COMPILATION_CACHE_DIR": compiled,  # the same step is compiled once, however it is fed
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        command = [sys.executable, "-m", "benchmarks.device", "--rows", json.dumps([rows, seconds])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings)
        timer = threading.Timer(budget_s, process.kill)
        timer.start()
        done = []
        for line in process.stdout or ():
            if line.startswith("{"):
                done.append(json.loads(line))
                print(f"{done[-1]['batch_size']} {done[-1]['precision']} {done[-1]['name']}", file=sys.stderr)
        process.wait()
        timer.cancel()
    return done


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table; a ratio is to PyTorch's best at the same batch size and precision."""
    lines = [
        "| batch | precision | | images/s (slowest to fastest) | of the roofline | of PyTorch's best | first step, s |",
        "|--" * 7 + "|",
    ]
    for row in rows:
        start = f"| {row['batch_size']} | {row['precision']} | {row['name']} | "
        if "error" in row:
            lines.append(f"{start}{row['error']} | | | |")
            continue
        theirs = [
            other["images_per_second"]
            for other in rows
            if other["framework"] == "pytorch"
            and "error" not in other
            and all(other[name] == row[name] for name in ("batch_size", "precision"))
        ]
        ratio = f"{row['images_per_second'] / max(theirs):.2f} x" if theirs else ""
        share = f"{row['share_of_roofline']:.2f}" if "share_of_roofline" in row else ""
        lines.append(
            f"{start}{row['images_per_second']:,.0f} ({row['slowest']:,.0f} to {row['fastest']:,.0f}) | {share} | "
            f"{ratio} | {row['first_step_s']:.0f} |"
        )
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--budget_s", type=float, default=450)
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[4096, 1024, 256, 64])
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "tf32", "float32"])
    parser.add_argument("--steps_per_call", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a row's timing")
    parser.add_argument("--rows", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.rows:
        for row in report(*json.loads(given.rows)):
            print(json.dumps(row), flush=True)
        return
    began, with_pytorch = time.monotonic(), util.find_spec("torch") is not None
    wanted = plan(given.batch_sizes, given.precisions, given.steps_per_call)
    rows = collect(wanted, given.seconds, given.budget_s * (SHARE_OF_OURS if with_pytorch else 1.0))
    if with_pytorch:
        theirs = plan_pytorch(given.batch_sizes, given.precisions)
        rows += collect(theirs, given.seconds, given.budget_s - (time.monotonic() - began))
        wanted += theirs
    write(given.out, rows, [row for row in wanted if not any(row.items() <= done.items() for done in rows)])


def write(directory: pathlib.Path, rows: list[Row], left_out: list[Row]) -> None:
    """Write device.json, and print the table and what is not in it."""
    import jax

    names = ("jax", "jaxlib", "flax", "optax", "torch")
    versions = {name: metadata.version(name) for name in names if util.find_spec(name) is not None}
    device = jax.devices()[0].device_kind
    result = {"device": device, "versions": versions, "rows": rows, "left_out": left_out}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "device.json").write_text(json.dumps(result, indent=1))
    print(f"{device}, {', '.join(f'{name} {version}' for name, version in versions.items())}\n\n{table(rows)}")
    for row in left_out:
        print(f"left out, the budget was spent: {row['batch_size']}, {row['precision']}, {name_of(row)}")


if __name__ == "__main__":
    main(sys.argv[1:])
