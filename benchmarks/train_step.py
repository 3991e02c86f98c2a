"""The CelebA training step beside PyTorch's, side by side on this machine, as a table.

    python -m benchmarks.train_step --batch_sizes 64 144 --rounds 7

Network, loss and optimiser are the same (tests/benchmarks holds them against each other); images lie on the device.
Each contender is a process of its own, and they run in turns. The ratio is ours to theirs, round by round.
"""

import argparse
import platform
import statistics
import sys
from importlib import metadata

from benchmarks import turns

VARIANTS = ("eager", "channels_last", "compiled")


def contenders(batch_size: int, precision: str, variants: list[str], steps_per_call: int) -> dict[str, dict]:
    """Return ours, then PyTorch's variants, for `turns.measure`."""
    shared = {"batch_size": batch_size, "precision": precision}
    ours = {"vae_jax": shared | {"framework": "jax", "steps_per_call": steps_per_call}}
    return ours | {f"PyTorch {v}": shared | {"framework": "pytorch", "variant": v} for v in variants}


def table(rows: list[tuple[int, str, turns.Timing]]) -> str:
    """Return the measurements as a Markdown table; the last column is vae_jax's rate over the row's."""
    lines = [
        "| batch | precision | | images/s (slowest to fastest) | vae_jax is | first step, s |",
        "|--|--|--|--|--|--|",
    ]
    for batch_size, precision, timing in rows:
        ratios = [1 / ratio for ratio in timing.ratios]
        spread = f"{statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(
            f"| {batch_size} | {precision} | {timing.name} | {timing.images_per_second:.0f} "
            f"({timing.slowest:.0f} to {timing.fastest:.0f}) | {spread} | {timing.first_step_s:.0f} |"
        )
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[64, 144])
    parser.add_argument("--precisions", nargs="+", default=["float32"], help="float32, tf32, bfloat16")
    parser.add_argument("--variants", nargs="*", default=VARIANTS, help="of PyTorch's step; none leaves it out")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="a contender's share of a round")
    parser.add_argument("--steps_per_call", type=int, default=1, help="of ours; more is for accelerators")
    given = parser.parse_args(argv)
    rows = []
    for precision in given.precisions:
        for batch_size in given.batch_sizes:
            entries = contenders(batch_size, precision, given.variants, given.steps_per_call)
            timings = turns.measure(entries, rounds=given.rounds, target_s=given.seconds)
            rows += [(batch_size, precision, timing) for timing in timings]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "flax", "torch"))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}\n")
    print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
