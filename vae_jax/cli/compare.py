"""--mode compare: several runs side by side, as a table and as charts."""

import json
import math
import os
import pathlib
from typing import Any, NamedTuple

from vae_jax import errors
from vae_jax.cli.options import Compare
from vae_jax.config import serialization
from vae_jax.report import charts, page
from vae_jax.runs import restore, workdir

METRICS = ("loss", "elbo", "distortion", "kl")  # of the last evaluation while a run was trained
WIDEST = 28  # characters of a cell on the terminal
IGNORED = ("data.dir", "data.cache_dir", "data.placement", "keep")  # fields that change no result


class ComparedRun(NamedTuple):
    """What is compared of a run."""

    name: str
    config: dict[str, Any]  # by dotted names
    evals: list[dict[str, Any]]  # the lines of metrics.jsonl on the validation split
    evaluation: dict[str, Any]  # evaluation.json by dotted names


def run(path: str, _: Compare, say: restore.Say = print) -> None:
    """Write comparison.md and comparison.html beside the runs, and print the table.

    The table has the fields of the configurations that differ, the last evaluation of each training, and what
    evaluation.json has measured. The page has the same table, and charts.

    Args:
        path: the directories of the runs, with commas between them.
        say: called with each line for the user.
    """
    directories = [workdir.existing(part) for part in path.split(",") if part]
    if len(directories) < 2:
        raise errors.UserError("--mode compare takes two runs or more: --workdir runs/a,runs/b")
    parent = pathlib.Path(os.path.commonpath([directory.parent for directory in directories]))
    runs = [_read(directory, parent) for directory in directories]
    rows = _rows(runs)
    say(_aligned(rows))
    for note in _notes(runs):
        say(note)
    markdown, html = parent / "comparison.md", parent / "comparison.html"
    workdir.write_atomically(markdown, _markdown(rows).encode())
    workdir.write_atomically(html, _page(runs, rows).encode())
    say(f"wrote {markdown} and {html}")


def _read(directory: pathlib.Path, parent: pathlib.Path) -> ComparedRun:
    """Return the run in a directory under its name below `parent`."""
    config = workdir.read_config(directory)
    fields = serialization.flatten(serialization.to_json(config)) if config is not None else {}
    evals = [line for line in workdir.read_lines(directory / "metrics.jsonl") if line.get("split") == "eval"]
    evaluation = serialization.flatten(workdir.read_evaluation(directory))
    return ComparedRun(str(directory.relative_to(parent)), fields, evals, evaluation)


def _notes(runs: list[ComparedRun]) -> list[str]:
    """Return what a reader must know of the comparison."""
    notes = []
    if len({one.config.get("objective.name") for one in runs}) > 1:
        notes.append("the losses of different objectives cannot be compared; ELBO, distortion and KL can")
    without = [one.name for one in runs if not one.evals]
    if without:
        notes.append(f"not in the charts, because never evaluated while training: {', '.join(without)}")
    return notes


def _rows(runs: list[ComparedRun]) -> list[list[str]]:
    """Return the table, with the names of the runs in the first row and a name in each row's first cell."""
    header = ["", *(one.name for one in runs)]
    return [header, *_differing_fields(runs), *_last_evaluations(runs), *_measurements(runs)]


def _differing_fields(runs: list[ComparedRun]) -> list[list[str]]:
    rows = []
    for name in _names(one.config for one in runs):
        values = [one.config.get(name) for one in runs]
        if name not in IGNORED and any(value != values[0] for value in values):
            rows.append([name, *map(_cell, values)])
    return rows


def _last_evaluations(runs: list[ComparedRun]) -> list[list[str]]:
    last = [one.evals[-1] if one.evals else {} for one in runs]
    steps = ["step of the last evaluation", *(_cell(line.get("step")) for line in last)]
    known = [name for name in METRICS if any(name in line for line in last)]
    return [steps, *([f"last evaluation: {name}", *(_cell(line.get(name)) for line in last)] for name in known)]


def _measurements(runs: list[ComparedRun]) -> list[list[str]]:
    """Return the numbers of evaluation.json, and of its other values those that differ; lists are left out."""
    rows = []
    for name in _names(one.evaluation for one in runs):
        values = [one.evaluation.get(name) for one in runs]
        matters = any(isinstance(value, float) for value in values) or any(value != values[0] for value in values)
        if matters and not any(isinstance(value, list) for value in values):
            rows.append([f"evaluation: {name.removeprefix('metrics.')}", *map(_cell, values)])
    return rows


def _names(dictionaries: Any) -> list[str]:
    """Return the keys of all dictionaries, each once, in the order in which they first appear."""
    return list(dict.fromkeys(name for dictionary in dictionaries for name in dictionary))


def _page(runs: list[ComparedRun], rows: list[list[str]]) -> str:
    (_, *names), *cells = rows
    parts: list[page.Part] = [page.Text(note) for note in _notes(runs)]
    parts += [page.Row(_charts(runs)), page.Matrix(names, [(name, values) for name, *values in cells])]
    return page.render("Comparison", f"{len(runs)} runs", [page.Section("Runs", parts)])


def _charts(runs: list[ComparedRun]) -> list[charts.Chart]:
    """Return the ELBO over the steps, or the loss where a run has no ELBO, and where each run ended.

    A run that was never evaluated while it was trained is in neither chart.
    """
    evaluated = [one for one in runs if one.evals]
    name = "elbo" if all(any("elbo" in line for line in one.evals) for one in evaluated) else "loss"
    curves, ends = [], []
    for one in evaluated:
        lines = [line for line in one.evals if name in line]
        curves.append(charts.Series(one.name, [line["step"] for line in lines], [line[name] for line in lines]))
        last = [line for line in one.evals if None not in (line.get("kl"), line.get("distortion"))][-1:]
        ends.append(charts.Series(one.name, [line["kl"] for line in last], [line["distortion"] for line in last]))
    title, ending = f"{name} of the validation split", "distortion against rate, at the end"
    drawn = [
        charts.lines(curves, title=title, x_label="step", y_label="nats", markers=True),
        charts.points(ends, title=ending, x_label="KL, nats", y_label="distortion, nats"),
    ]
    return [chart for chart in drawn if chart is not None]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if math.isfinite(value) and 1e-3 <= abs(value) < 1e6 else f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _aligned(rows: list[list[str]]) -> str:
    """Return the table for a terminal, with long cells cut short."""
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
