"""The section of a report with the numbers of evaluation.json."""

from collections.abc import Mapping
from typing import Any

from vae_jax.cli.sections.reported_run import ReportedRun
from vae_jax.evaluation import table
from vae_jax.report import page
from vae_jax.runs import workdir


def section(run: ReportedRun) -> page.Section:
    """Return every measurement of the last evaluation, or the command that makes one."""
    evaluation = workdir.read_evaluation(run.directory)
    if not evaluation:
        return page.Section("Evaluation", [page.Text(f"None yet: vae-jax --workdir {run.directory} --mode evaluate")])
    checkpoint, number = evaluation.get("checkpoint"), evaluation.get("num_images")
    subject = f"The checkpoint of step {checkpoint}, on {number} images of {evaluation.get('images')}."
    found = [(heading, evaluation[name]) for name, heading in table.HEADINGS.items() if evaluation.get(name)]
    groups = [page.Group(heading, _parts(measured)) for heading, measured in found]
    return page.Section("Evaluation", [page.Text(subject), page.Row(groups)])


def _parts(measured: Mapping[str, Any]) -> list[page.Part]:
    """Return the numbers of one kind of measurement: a table, a group for each mapping in it, and a matrix."""
    taken = table.parts(measured)
    parts: list[page.Part] = []
    if taken.values:
        parts.append(page.table({table.label(name): value for name, value in taken.values.items()}))
    parts += [page.Group(table.label(name), _parts(inside)) for name, inside in taken.sections.items()]
    if taken.rows:
        parts.append(page.matrix(taken.rows, table.columns(taken.rows), table.label))
    return parts
