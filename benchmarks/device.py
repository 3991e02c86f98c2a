"""Everything about one accelerator in one call: rates, roofline, PyTorch beside it. Writes device.json and a table.

    python -m benchmarks.device --out results/ --budget_s 450

The most telling rows come first; when the budget is spent the rest is left out, and said to be. The roofline is XLA's
own count of the step's operations and bytes over the rates of a matrix product and of a copy, measured here. PyTorch is
fed from a tensor on the device, so that what is compared is the arithmetic alone.
"""

import argparse
import itertools
import json
import os
import pathlib
import sys
import time
from importlib import metadata, util
from typing import Any

from benchmarks import turns

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the contenders share the card


def plan(batch_sizes: list[int], precisions: list[str], scanned: int, with_pytorch: bool) -> list[dict[str, dict]]:
    """Return what to measure, a group of contenders each, the most telling first."""
    groups = []
    for batch_size, precision in itertools.product(sorted(batch_sizes, reverse=True), precisions):
        shared = {"batch_size": batch_size, "precision": precision}
        ours = shared | {"framework": "jax"}
        group = {"vae_jax": ours | {"steps_per_call": 1}}
        group |= {f"vae_jax, {scanned} steps a call": ours | {"steps_per_call": scanned}}
        if batch_size == max(batch_sizes):
            for feed, name in (("device", "resident"), ("host", "streamed")):
                group[f"vae_jax, {name}"] = ours | {"steps_per_call": scanned, "feed": feed}
        if with_pytorch:
            variants = ("eager", "channels_last", "compiled")
            group |= {f"PyTorch {v}": shared | {"framework": "pytorch", "variant": v} for v in variants}
        groups.append(group)
    return groups


def roofline(batch_size: int, precision: str) -> dict[str, float]:
    """Return the step's operations and bytes, the rates of a product and of a copy, and the least seconds a step."""
    import jax
    import jax.numpy as jnp

    from benchmarks import contender
    from vae_jax.models import layers

    lowered = contender.lower_step(batch_size, precision)
    cost = lowered.compile().cost_analysis()
    cost = cost[0] if isinstance(cost, list) else cost
    dtype, product_precision = layers.PRECISIONS[precision]
    side = 8192 if jax.default_backend() != "cpu" else 1024
    square = jnp.ones((side, side), dtype)
    product = jax.jit(lambda a: jnp.dot(a, a, precision=product_precision))
    copy = jax.jit(lambda a: a + 1)
    flops = 2 * side**3 / _seconds(product, square)
    moved = 2 * square.nbytes / _seconds(copy, square)
    operations, accessed = float(cost.get("flops", 0)), float(cost.get("bytes accessed", 0))
    return {
        "step_flops": operations,
        "step_bytes": accessed,
        "product_flops_per_s": flops,
        "copy_bytes_per_s": moved,
        "least_seconds": max(operations / flops, accessed / moved),
    }


def _seconds(function: Any, argument: Any, repeats: int = 20) -> float:
    import jax

    jax.block_until_ready(function(argument))
    began = time.perf_counter()
    results = [function(argument) for _ in range(repeats)]
    jax.block_until_ready(results)
    return (time.perf_counter() - began) / repeats


def rows_of(group: dict[str, dict], rounds: int, target_s: float) -> list[dict[str, Any]]:
    """Measure a group and return a row for each contender, with its share of the roofline."""
    first = next(iter(group.values()))
    limit = roofline(first["batch_size"], first["precision"])
    timings = turns.measure(group, rounds=rounds, target_s=target_s)
    return [
        group[timing.name]
        | timing._asdict()
        | {"share_of_roofline": limit["least_seconds"] * timing.images_per_second / first["batch_size"]}
        | (limit if timing.name == "vae_jax" else {})
        for timing in timings
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| batch | precision | | images/s | share of roofline | first step, s |", "|--|--|--|--|--|--|"]
    lines += [
        f"| {row['batch_size']} | {row['precision']} | {row['name']} | {row['images_per_second']:.0f} "
        f"({row['slowest']:.0f} to {row['fastest']:.0f}) | {row['share_of_roofline']:.2f} | {row['first_step_s']:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--budget_s", type=float, default=450)
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[4096, 1024, 256, 64])
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "tf32", "float32"])
    parser.add_argument("--steps_per_call", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args(argv)
    began, rows, left_out = time.monotonic(), [], []
    with_pytorch = util.find_spec("torch") is not None
    for group in plan(given.batch_sizes, given.precisions, given.steps_per_call, with_pytorch):
        first = next(iter(group.values()))
        if time.monotonic() - began > given.budget_s:
            left_out.append([first["batch_size"], first["precision"]])
            continue
        rows += rows_of(group, given.rounds, given.seconds)
        _write(given.out, rows, left_out)
    _write(given.out, rows, left_out)
    print(table(rows))
    for batch_size, precision in left_out:
        print(f"left out, the budget was spent: batch {batch_size}, {precision}")


def _write(directory: pathlib.Path, rows: list[dict[str, Any]], left_out: list[list]) -> None:
    import jax

    versions = {name: metadata.version(name) for name in ("jax", "flax", "optax")}
    result = {"device": jax.devices()[0].device_kind, "versions": versions, "rows": rows, "left_out": left_out}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "device.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
