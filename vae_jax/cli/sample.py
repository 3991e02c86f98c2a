"""--mode sample."""

import pathlib

import jax
import numpy as np

from vae_jax import errors, models
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Options
from vae_jax.config import configuration
from vae_jax.evaluation import neighbours
from vae_jax.inference import priors, sampling, stored_priors
from vae_jax.random import fold_in_name
from vae_jax.report import pictures
from vae_jax.runs import restore

READJUSTING = (16, 128)  # batches, latents in each
NUM_HELD_OUT = 256  # validation images whose neighbours are looked for


def run(path: str, options: Options, say: restore.Say = print) -> None:
    """Write samples.png and samples.npy: images decoded from the prior, or from a density fitted to the codes."""
    priors.parse(options.prior)
    step, found = restore.restore_step(path, options.checkpoint, say, allow_import=options.allow_import)
    prior = stored_priors.prior(
        options.prior, step, found, pathlib.Path(path), lambda: cli_images.training_images(found.config, options), say
    )
    key = jax.random.key(options.seed)
    if options.readjust_bn:
        found = _readjusted(found, prior, options.temperature, key)
    images = sampling.sample(
        found.model, found.variables, key, options.num_shown, temperature=options.temperature, prior=prior
    )
    cli_images.write_images(path, "samples", images, pictures.grid(images), say)
    if options.nearest:
        _write_nearest(path, images, found.config, options, say)


def _write_nearest(
    path: str, images: np.ndarray, config: configuration.Config, options: Options, say: restore.Say
) -> None:
    """Write nearest.png, each row of samples above the training images nearest to them, and .npy, the latter."""
    training = cli_images.training_images(config, options)
    found = neighbours.nearest(images, training)
    others = np.stack([training[index] for index in found.index])
    cli_images.write_images(path, "nearest", others, pictures.beside(images, others), say)
    said = f"to the nearest of {len(training):,} training images, in grey levels of 255: samples"
    said += f" {np.median(found.distance):.1f} (the closest {found.distance.min():.1f})"
    if config.data.source != "array":
        held_out = cli_images.images_of(config, options._replace(split="valid", input=""))["image"][:NUM_HELD_OUT]
        said += f", validation images {np.median(neighbours.nearest(held_out, training).distance):.1f}"
    say(f"median distance of a pixel {said}")


def _readjusted(
    found: restore.RestoredRun, prior: priors.Prior, temperature: float, key: jax.Array
) -> restore.RestoredRun:
    if not found.variables.get("batch_stats"):
        raise errors.UserError("--readjust_bn: this model has no BatchNorm; leave it out")
    number, size = READJUSTING
    z = priors.sample(prior, fold_in_name(key, "readjust"), number * size, temperature=temperature)
    batches = z.reshape(number, size, -1)
    return found._replace(variables=models.readjust(found.model, found.variables, batches))
