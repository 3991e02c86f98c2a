"""The section of a report with images that the model generates."""

import jax
import numpy as np

from vae_jax.cli.sections.reported_run import ReportedImages, ReportedRun
from vae_jax.evaluation import neighbours
from vae_jax.inference import sampling, stored_priors
from vae_jax.report import page, pictures
from vae_jax.runs import restore

NUM_SAMPLES = 64
NUM_NEAREST = 16  # samples that are shown with the nearest training images
MIXTURE = "mixture:10"
MIXTURE_IMAGES = 10  # training images that the mixture needs


def section(run: ReportedRun) -> page.Section:
    """Return samples of the prior and of a mixture fitted to the codes, the samples over training, and neighbours."""
    figures = [_from_prior(run)]
    if run.images is not None and len(run.images.codes.mode()) >= MIXTURE_IMAGES:
        figures.append(_from_mixture(run, run.images))
    animation = run.directory / "images" / "samples.gif"
    if animation.exists():
        figures.append(page.animated_figure(animation, "the same noise over the course of training"))
    parts: list[page.Part] = [page.Row(figures)]
    if run.images is not None:
        parts.append(_nearest(run.restored, run.images.training))
    return page.Section("Samples", parts)


def _from_prior(run: ReportedRun) -> page.Figure:
    model, variables, _ = run.restored
    key, temperature = jax.random.key(run.options.seed), run.options.temperature
    images = sampling.sample(model, variables, key, NUM_SAMPLES, temperature=temperature)
    return page.figure(pictures.grid(images), f"samples of the prior, temperature {temperature:g}")


def _from_mixture(run: ReportedRun, images: ReportedImages) -> page.Figure:
    model, variables, _ = run.restored
    prior = stored_priors.prior(MIXTURE, run.step, run.restored, run.directory, lambda: images.training, run.say)
    key, temperature = jax.random.key(run.options.seed), run.options.temperature
    made = sampling.sample(model, variables, key, NUM_SAMPLES, temperature=temperature, prior=prior)
    return page.figure(pictures.grid(made), "samples of ten Gaussians that were fitted to the training codes")


def _nearest(restored: restore.RestoredRun, training: np.ndarray) -> page.Figure:
    """Return samples above the training images nearest to them, which shows whether the model has memorised images."""
    images = sampling.sample(restored.model, restored.variables, jax.random.key(0), NUM_NEAREST)
    near = neighbours.nearest(images, training)
    sheet = pictures.beside(images, np.stack([training[index] for index in near.index]))
    caption = f"samples, and below each sample the nearest of {len(training):,} training images by its pixels: the "
    return page.figure(sheet, f"{caption}median distance is {np.median(near.distance):.1f} grey levels of 255")
