"""What a training step costs as the work grows: batch, image, latents, samples, data; writes scaling.json and .html.

    python -m benchmarks.scaling --out results/ [--axes batch image latent samples data]

Each row is a process of its own, on made images in a memory-mapped file. Work is XLA's count of the step's operations
before it optimises; `time / work`, both over the first row's, says whether cost grows faster than work. Memory is the
process's largest (`peak`), and its own without the pages of files (`own`). The axis `data` trains resident and
streamed; its last row is a data set of ten times `--budget_mb`, streamed by a process that may allocate no more than
that budget beyond what its first step took.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from vae_jax.report import charts, page

BASE = {"batch_size": 16, "image_size": 64, "latent_dim": 128, "num_samples": 1, "num_data": 512, "placement": "host"}
AXES = {
    "batch": ("batch_size", [16, 32, 64, 128, 256]),
    "image": ("image_size", [32, 64, 128, 256]),
    "latent": ("latent_dim", [16, 64, 256, 1024]),
    "samples": ("num_samples", [1, 2, 4, 8]),
}
NUM_DATA = [512, 8192, 32768]
MEGABYTE = 2**20
REPEATS = 8  # of a timing, of which the best counts: what else the machine does only ever adds


def plan(axis: str, budget_mb: int) -> list[dict[str, Any]]:
    """Return what to measure along an axis, the least work first."""
    if axis != "data":
        field, values = AXES[axis]
        return [BASE | {field: value} for value in values]
    rows = [BASE | {"num_data": n, "placement": p} for p in ("device", "host") for n in NUM_DATA]
    beyond = 10 * budget_mb * MEGABYTE // (BASE["image_size"] ** 2 * 3)
    return [*rows, BASE | {"num_data": beyond, "budget_mb": budget_mb}]


def make_images(directory: pathlib.Path, num_data: int, image_size: int) -> pathlib.Path:
    """Write uint8 [N, S, S, 3] of noise, a piece at a time; repeated from row 512 on."""
    path = directory / f"{num_data}_{image_size}.npy"
    if not path.exists():
        shape = (num_data, image_size, image_size, 3)
        images = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        noise = np.random.default_rng(0).integers(0, 256, (min(num_data, 512), *shape[1:]), dtype=np.uint8)
        for start in range(0, num_data, len(noise)):
            images[start : start + len(noise)] = noise[: num_data - start]
        images.flush()
    return path


def measure(given: dict[str, Any], path: str, seconds: float) -> dict[str, float]:
    """Train on the images at `path` for about so long, in this process; return what it took."""
    import jax

    from benchmarks import contender
    from vae_jax.devices import host_memory
    from vae_jax.training import feed

    host_memory.keep_freed_pages()
    images = np.load(path, mmap_mode="r")
    config = contender.feed_config(given["batch_size"], given["placement"])
    recipe = {name: given[name] for name in ("latent_dim", "num_samples")}
    runner, state = contender.prepare_jax("float32", image_shape=images.shape[1:], **recipe)

    def train(first: int, number: int) -> float:
        nonlocal state
        with feed.open_feed(config, images, runner.raw_sharding, first, first + number) as calls:
            began = time.perf_counter()
            for _, _, raw in calls:
                state, metrics = runner.call(state, raw())
            jax.block_until_ready(metrics)
            return time.perf_counter() - began

    abstract = {"image": jax.ShapeDtypeStruct((1, given["batch_size"], *images.shape[1:]), np.uint8)}
    flops = runner.call.lower(state, abstract).cost_analysis()["flops"]
    train(0, 1)
    if not seconds:
        return {}
    if "budget_mb" in given:
        allocated = _status()["VmData"]
        resource.setrlimit(resource.RLIMIT_DATA, (allocated + given["budget_mb"] * MEGABYTE, -1))
    number = max(2, round(seconds / REPEATS / train(1, 1)))
    step = min(train(repeat * number, number) for repeat in range(1, REPEATS + 1)) / number
    status = _status()
    return {
        "step_s": step,
        "images_per_s": given["batch_size"] / step,
        "flops": flops,
        "data_mb": images.nbytes / MEGABYTE,
        "peak_mb": status["VmHWM"] / MEGABYTE,
        "own_mb": status["RssAnon"] / MEGABYTE,
    }


def _status() -> dict[str, int]:
    """The kernel's account of this process's memory, bytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    pairs = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): 1024 * int(size) for name, size, _ in pairs}


def run(given: dict[str, Any], directory: pathlib.Path, seconds: float) -> dict[str, Any]:
    """Measure in a process of its own, and return what was given with what it took.

    Another process before it compiles: what the compiler allocates is not the step's.
    """
    path = make_images(directory, given["num_data"], given["image_size"])
    kept = {"JAX_COMPILATION_CACHE_DIR": str(directory / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    compiling = {name: value for name, value in given.items() if name != "budget_mb"}
    for wanted, length in ((compiling, 0.0), (given, seconds)):
        command = [sys.executable, "-m", "benchmarks.scaling", "--measure", json.dumps([wanted, str(path), length])]
        result = subprocess.run(command, capture_output=True, text=True, env=os.environ | kept)
        if result.returncode:
            raise RuntimeError(f"{given} could not be measured: {result.stderr[-500:]}")
    return given | json.loads(result.stdout.splitlines()[-1])


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add `work` and `time / work`, over the first row's, and `data + 2 own`: the most a resident run may take.

    The step's own memory is that of the row with the fewest data.
    """
    first, own = rows[0], min(rows, key=lambda row: row["data_mb"])["own_mb"]
    works = [row["flops"] / first["flops"] for row in rows]
    return [
        row
        | {"work": work, "time_over_work": row["step_s"] / first["step_s"] / work, "bound_mb": row["data_mb"] + 2 * own}
        for row, work in zip(rows, works, strict=True)
    ]


def table(axis: str, rows: list[dict[str, Any]]) -> str:
    """Return an axis as a Markdown table."""
    columns = [_field(axis), "images/s", "work", "time / work", "data, MB", "peak, MB", "own, MB"]
    columns += ["data + twice the step's own, MB"] if axis == "data" else []
    lines = [f"| {' | '.join(columns)} |", "|--" * len(columns) + "|"]
    for row in rows:
        name = f"{row[_field(axis)]:,}"
        if axis == "data":
            name += {"device": ", resident", "host": ", streamed"}[row["placement"]]
        if "budget_mb" in row:
            name += f", at most {row['budget_mb']} MB allocated"
        cells = [f"{row['images_per_s']:.0f}", f"{row['work']:.2f}", f"{row['time_over_work']:.2f}"]
        cells += [f"{row[key]:.0f}" for key in ("data_mb", "peak_mb", "own_mb", "bound_mb")]
        lines.append(f"| {' | '.join([name, *cells][: len(columns)])} |")
    return "\n".join(lines)


def _field(axis: str) -> str:
    return AXES[axis][0] if axis in AXES else "num_data"


def plots(axes: dict[str, list[dict[str, Any]]]) -> str:
    """Return a page with a section for each axis, in which one chart shows time and one shows memory."""
    sections = []
    for axis, rows in axes.items():
        field, drawn = _field(axis), []
        groups = {row["placement"]: [r for r in rows if r["placement"] == row["placement"]] for row in rows}
        for key, label, scale in (("step_s", "ms a step", 1e3), ("peak_mb", "MB at most", 1.0)):
            series = [
                charts.Series(name, [r[field] for r in group], [scale * r[key] for r in group])
                for name, group in groups.items()
            ]
            drawn.append(charts.lines(series, title=f"{label} by {field}", x_label=field, y_label=label, markers=True))
        sections.append(page.Section(axis, [page.Row([chart for chart in drawn if chart is not None])]))
    return page.render("What a training step costs", "by the size of the work", sections)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--axes", nargs="+", default=[*AXES, "data"], choices=[*AXES, "data"])
    parser.add_argument("--seconds", type=float, default=4.0, help="of a row's timing, in all")
    parser.add_argument("--budget_mb", type=int, default=200)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.measure:
        print(json.dumps(measure(*json.loads(given.measure))))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "scaling.json"
    axes = json.loads(file.read_text()) if file.exists() else {}  # axes may be measured one at a time
    with tempfile.TemporaryDirectory() as made:
        for axis in given.axes:
            rows = [run(row, pathlib.Path(made), given.seconds) for row in plan(axis, given.budget_mb)]
            axes[axis] = with_ratios(rows)
            file.write_text(json.dumps(axes, indent=1))
            (given.out / "scaling.html").write_text(plots(axes))
            print(f"{table(axis, axes[axis])}\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
