"""The section of a report with what each latent is used for: KL by latent, traversals, and the plane of two latents."""

import numpy as np

from vae_jax.cli import traverse
from vae_jax.cli.sections.reported_run import ReportedImages, ReportedRun
from vae_jax.data import dataset
from vae_jax.inference import codes, sampling
from vae_jax.report import charts, page, pictures
from vae_jax.runs import restore

NUM_TRAVERSED = 8  # latents
NUM_PLACED = 1000  # images whose codes are drawn on the plane of two latents


def section(run: ReportedRun) -> page.Section:
    """Return the number of active latents, the KL of each latent, traversals, and the plane of a model of two."""
    if run.images is None:
        return page.Section("Latents", [])
    use = codes.usage(run.images.codes, run.restored.model.prior())
    active = f"{use.active.sum()} of {len(use.order)} latents are active (the code's mean varies by more than 0.01)."
    parts: list[page.Part] = [page.Text(active)]
    if use.kl is not None:
        names = [f"z{latent}" for latent in use.order]
        title = "KL of each latent, the largest first"
        parts.append(charts.bars(use.kl[use.order].tolist(), names, title=title, x_label="latent", y_label="nats"))
    parts.append(traversals(run.restored, run.images, use))
    if run.restored.model.latent_dim == 2:
        parts.append(page.Row(_plane(run.restored, run.images.split)))
    return page.Section("Latents", parts)


def traversals(restored: restore.RestoredRun, images: ReportedImages, use: codes.Usage) -> page.Strips:
    """Return the first image with one latent at a time moved, for the latents with the largest KL."""
    rows, labels = traverse.rows(restored, np.asarray(images.split["image"][:1]), use, NUM_TRAVERSED)
    caption = "one image's code, with one latent moved through the range of the training codes"
    if len(rows) < use.active.sum():
        caption += f"; the first {len(rows)} of {use.active.sum()} active latents, --mode traverse shows all"
    return page.strips(rows, labels, caption)


def _plane(restored: restore.RestoredRun, split: dataset.Split) -> list[page.Part]:
    """Return the images decoded over the plane of two latents, and the codes of images by label."""
    plane = sampling.latent_map(restored.model, restored.variables)
    sheet = pictures.grid(plane.reshape(-1, *plane.shape[2:]), len(plane), gap=0)
    caption = "the plane of the latents, at quantiles of the standard normal: z0 to the right, z1 upwards"
    chart = _codes_by_label(restored, split)
    return [page.figure(sheet, caption), *([chart] if chart else [])]


def _codes_by_label(restored: restore.RestoredRun, split: dataset.Split) -> charts.Chart | None:
    """Return a marker for each image at its code, a colour for each class; None without few enough classes."""
    labels = np.asarray(split["label"][:NUM_PLACED]) if "label" in split else np.zeros(0)
    if labels.ndim != 1 or not 0 < len(np.unique(labels)) <= charts.MOST_NAMED:
        return None
    images = np.asarray(split["image"][: len(labels)])
    mean = sampling.mode_of(restored.model, restored.variables, images)
    groups = [(label, mean[labels == label]) for label in np.unique(labels)]
    series = [charts.Series(str(label), z[:, 0].tolist(), z[:, 1].tolist()) for label, z in groups]
    return charts.points(series, title="codes by label", x_label="z0", y_label="z1")
