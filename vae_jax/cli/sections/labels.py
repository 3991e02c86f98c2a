"""The section of a report with images that are moved from one label towards another."""

from vae_jax import errors
from vae_jax.cli import arithmetic
from vae_jax.cli import images as cli_images
from vae_jax.cli.sections.reported_run import ReportedRun
from vae_jax.report import page

NUM_ROWS = 8


def section(run: ReportedRun) -> page.Section:
    """Return a row for each label that an image can be given; no parts where the images have no such labels."""
    if run.images is None or run.options.input or "label" not in run.images.split:
        return page.Section("Labels", [])
    loaded = cli_images.dataset_of(run.restored.config, run.options)
    try:
        rows, names = arithmetic.rows(run.restored, loaded, run.images.split, run.images.codes, NUM_ROWS)
    except errors.UserError:  # labels that are neither classes nor attributes
        return page.Section("Labels", [])
    caption = "images to whose code the difference of two labels' mean codes is added, in steps of a quarter"
    return page.Section("Labels", [page.strips(rows, names, caption)])
