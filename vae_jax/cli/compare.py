"""--mode compare."""

import json
import math
import os
import pathlib
from typing import Any, NamedTuple

from vae_jax import errors
from vae_jax.cli.options import Options
from vae_jax.config import configuration
from vae_jax.report import charts
from vae_jax.runs import restore, workdir

METRICS = ("loss", "elbo", "distortion", "kl")  # of the run's own last evaluation
WIDEST = 28  # characters of a cell on the terminal
IGNORED = ("data.dir", "data.cache_dir", "data.placement", "keep")  # differences that change no result


class _Run(NamedTuple):
    name: str
    config: dict[str, Any]  # by dotted names
    evals: list[dict[str, Any]]  # lines of metrics.jsonl
    evaluation: dict[str, float]  # of evaluation.json, by dotted names


def run(path: str, options: Options, say: restore.Say = print) -> None:
    """Write comparison.md and comparison.svg beside the runs: `path` is their directories, with commas between.

    The table has what sets the runs apart, the last evaluation of each training, and of evaluation.json every
    measurement and what else differs.
    """
    del options
    directories = [workdir.existing(part) for part in path.split(",") if part]
    if len(directories) < 2:
        raise errors.UserError("--mode compare takes two runs or more: --workdir runs/a,runs/b")
    parent = pathlib.Path(os.path.commonpath([directory.parent for directory in directories]))
    runs = [_read(directory, parent) for directory in directories]
    rows = _rows(runs)
    say(_aligned(rows))
    differing = {one.config.get("objective.name") for one in runs}
    if len(differing) > 1:
        say("losses of different objectives do not compare; ELBO, distortion and KL do")
    without = [one.name for one in runs if not one.evals]
    if without:
        say(f"not in the plot, since never evaluated while training: {', '.join(without)}")
    markdown = parent / "comparison.md"
    workdir.write_atomically(markdown, _markdown(rows).encode())
    drawing = parent / "comparison.svg"
    workdir.write_atomically(drawing, charts.standalone(_charts(runs)).encode())
    say(f"wrote {markdown} and {drawing}")


def _read(directory: pathlib.Path, parent: pathlib.Path) -> _Run:
    config = workdir.read_config(directory)
    evals = [line for line in workdir.read_lines(directory / "metrics.jsonl") if line.get("split") == "eval"]
    flat = configuration.flatten(configuration.to_json(config)) if config is not None else {}
    return _Run(
        str(directory.relative_to(parent)), flat, evals, configuration.flatten(workdir.read_evaluation(directory))
    )


def _rows(runs: list[_Run]) -> list[list[str]]:
    """Return the table: a row a number, a column a run; first the fields of the configurations that differ."""
    rows = [["", *(one.name for one in runs)]]
    fields = {name: None for one in runs for name in one.config if name not in IGNORED}
    for name in fields:
        values = [one.config.get(name) for one in runs]
        if any(value != values[0] for value in values):
            rows.append([name, *map(_cell, values)])
    last = [one.evals[-1] if one.evals else {} for one in runs]
    rows.append(["step of the last evaluation", *(_cell(line.get("step")) for line in last)])
    rows += [
        [f"last evaluation: {name}", *(_cell(line.get(name)) for line in last)]
        for name in METRICS
        if any(name in line for line in last)
    ]
    numbers = {name: None for one in runs for name in one.evaluation}
    for name in numbers:
        values = [one.evaluation.get(name) for one in runs]
        told = any(isinstance(value, float) for value in values) or any(value != values[0] for value in values)
        if told and not any(isinstance(value, list) for value in values):
            rows.append([f"evaluation: {name.removeprefix('metrics.')}", *map(_cell, values)])
    return rows


def _charts(runs: list[_Run]) -> list[str]:
    """ELBO over the steps, or the loss where a run has no ELBO; and where each run ended in rate and distortion.

    Of the runs that were evaluated while they trained: the others have no curve.
    """
    evaluated = [one for one in runs if one.evals]
    name = "elbo" if all(any("elbo" in line for line in one.evals) for one in evaluated) else "loss"
    curves, ends = [], []
    for one in evaluated:
        has = [line for line in one.evals if name in line]
        curves.append(charts.Series(one.name, [line["step"] for line in has], [line[name] for line in has]))
        points = [line for line in one.evals if {"kl", "distortion"} <= line.keys()][-1:]
        ends.append(charts.Series(one.name, [line["kl"] for line in points], [line["distortion"] for line in points]))
    drawn = [
        charts.lines(curves, title=f"{name} of the validation split", x_label="step", y_label="nats", points=True),
        charts.dots(ends, title="distortion against rate, at the end", x_label="KL, nats", y_label="nats"),
    ]
    return [chart for chart in drawn if chart]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if math.isfinite(value) and 1e-3 <= abs(value) < 1e6 else f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _aligned(rows: list[list[str]]) -> str:
    rows = [[name, *(c if len(c) <= WIDEST else f"{c[: WIDEST - 1]}\u2026" for c in cells)] for name, *cells in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        f"{name:<{widths[0]}}  " + "  ".join(f"{cell:>{w}}" for cell, w in zip(cells, widths[1:], strict=True))
        for name, *cells in rows
    )


def _markdown(rows: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in cells] for cells in rows]
    rule = ["---", *("---:" for _ in rows[0][1:])]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (escaped[0], rule, *escaped[1:]))
