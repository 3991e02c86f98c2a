"""The section of a report with reconstructions and interpolations of images."""

import numpy as np

from vae_jax.cli.sections.reported_run import ReportedRun
from vae_jax.inference import sampling
from vae_jax.report import page, pictures

NUM_IMAGES = 32  # images with their reconstructions
NUM_PAIRS = 8  # pairs of images that are interpolated


def section(run: ReportedRun) -> page.Section:
    """Return images above their reconstructions, and interpolations between pairs of images."""
    if run.images is None:
        return page.Section("Reconstructions", [])
    model, variables, _ = run.restored
    images = np.asarray(run.images.split["image"][:NUM_IMAGES])
    reconstructed = sampling.reconstruct(model, variables, images)
    figures = [page.figure(pictures.beside(images, reconstructed), "images, and their reconstructions below")]
    pairs = min(NUM_PAIRS, len(images) // 2)
    if pairs:
        rows = sampling.interpolate(model, variables, images[: 2 * pairs : 2], images[1 : 2 * pairs : 2])
        sheet = pictures.grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1])
        figures.append(page.figure(sheet, "interpolations between two images"))
    return page.Section("Reconstructions", [page.Row(figures)])
