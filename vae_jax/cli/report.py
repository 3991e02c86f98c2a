"""--mode report: report.html, one file with the numbers, curves and pictures of a run.

A new section is a file of `vae_jax.cli.sections` and a line of SECTIONS.
"""

from vae_jax import errors
from vae_jax.cli.options import Report
from vae_jax.cli.sections import (
    description,
    evaluation,
    labels,
    latents,
    latents_over_training,
    reconstructions,
    samples,
    training,
)
from vae_jax.cli.sections.reported_run import ReportedRun, load_images
from vae_jax.report import page
from vae_jax.runs import restore, workdir

# In the order of the page. A section without parts is left out.
SECTIONS = (
    evaluation.section,
    training.section,
    latents_over_training.section,
    samples.section,
    reconstructions.section,
    latents.section,
    labels.section,
    description.section,
)


def run(path: str, options: Report, say: restore.Say = print) -> None:
    """Write report.html into the run's directory: one file that makes no request."""
    reported = _read(path, options, say)
    sections = [section(reported) for section in SECTIONS]
    subtitle = f"checkpoint of step {reported.step:,}; numbers are in nats per image unless a unit is named"
    file = reported.directory / "report.html"
    workdir.write_atomically(file, page.render(reported.directory.name, subtitle, sections).encode())
    say(f"wrote {file}, {file.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _read(path: str, options: Report, say: restore.Say) -> ReportedRun:
    """Return the run of a directory, without images where its data are not found."""
    directory = workdir.existing(path)
    step, restored = restore.restore_step(path, options.checkpoint, say, allow_import=options.allow_import)
    try:
        images = load_images(restored, options)
    except errors.UserError as error:
        say(f"the sections with the run's images are left out of the report: {error}")
        images = None
    metrics = workdir.read_lines(directory / "metrics.jsonl")
    return ReportedRun(directory, step, restored, metrics, images, options, say)
