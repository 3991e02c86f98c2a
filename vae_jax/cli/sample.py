"""--mode sample: images decoded from the prior, or from a density fitted to the codes of the training images."""

import pathlib
from typing import Any

import jax
import numpy as np

from vae_jax import errors, models
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Sample
from vae_jax.config import Config
from vae_jax.evaluation import neighbours
from vae_jax.inference import sampling, stored_priors
from vae_jax.random import fold_in_name
from vae_jax.report import pictures
from vae_jax.runs import restore

READJUSTING = (16, 128)  # batches of latents, and latents in each, that BatchNorm's statistics are computed from
NUM_HELD_OUT = 256  # validation images whose nearest training images are looked for


def run(path: str, options: Sample, say: restore.Say = print) -> None:
    """Write samples.png and samples.npy, and with --nearest also nearest.png and nearest.npy.

    Raises:
        errors.UserError: --input is given, and no training images are needed or the run's own are stored.
    """
    step, found = restore.restore_step(path, options.checkpoint, say, allow_import=options.allow_import)
    _check_input(found.config, options)
    prior = stored_priors.prior(
        options.prior, step, found, pathlib.Path(path), lambda: cli_images.training_images(found.config, options), say
    )
    key = jax.random.key(options.seed)
    if options.readjust_bn:
        found = _readjusted(found, prior, options.temperature, key)
    images = sampling.sample(
        found.model, found.variables, key, options.num, temperature=options.temperature, prior=prior
    )
    cli_images.write_images(path, "samples", images, pictures.grid(images), say)
    if options.nearest:
        _write_nearest(path, images, found.config, options, say)


def _check_input(config: Config, options: Sample) -> None:
    """Refuse --input where nothing reads it: training images are read for --prior and --nearest alone."""
    if options.input and config.data.source != "array":
        raise errors.UserError(
            "--input is for runs that were trained on arrays; this run's data are known, leave it out"
        )
    if options.input and options.prior == "standard" and not options.nearest:
        raise errors.UserError("--input is read with --prior or --nearest only; add one of them, or leave --input out")


def _write_nearest(path: str, images: np.ndarray, config: Config, options: Sample, say: restore.Say):
    """Write nearest.png, rows of samples above their nearest training images, and nearest.npy, the latter alone."""
    training = cli_images.training_images(config, options)
    found = neighbours.nearest(images, training)
    others = np.stack([training[index] for index in found.index])
    cli_images.write_images(path, "nearest", others, pictures.beside(images, others), say)
    line = (
        f"median distance of a pixel to the nearest of {len(training):,} training images, in grey levels of 255: "
        f"samples {np.median(found.distance):.1f} (the closest {found.distance.min():.1f})"
    )
    valid = None if config.data.source == "array" else cli_images.dataset_of(config, options).valid
    if valid is not None:
        held_out = neighbours.nearest(valid["image"][:NUM_HELD_OUT], training)
        line += f", validation images {np.median(held_out.distance):.1f}"
    say(line)


def _readjusted(found: restore.RestoredRun, prior: Any, temperature: float, key: jax.Array) -> restore.RestoredRun:
    """Return the run with BatchNorm's statistics computed from latents of the prior."""
    if not found.variables.get("batch_stats"):
        raise errors.UserError("--readjust_bn: this model has no BatchNorm; leave it out")
    number, size = READJUSTING
    model, variables, _ = found
    key = fold_in_name(key, "readjust")
    z = sampling.latents(model, variables, key, number * size, temperature=temperature, prior=prior)
    batches = np.asarray(z).reshape(number, size, -1)
    return found._replace(variables=models.readjust(found.model, found.variables, batches))
