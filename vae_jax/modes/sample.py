"""--mode sample."""

import pathlib

import jax

from vae_jax import errors, models, pictures, priors, sampling
from vae_jax.modes import codes, restored
from vae_jax.modes.options import Options
from vae_jax.random import fold_in_name

READJUSTING = (16, 128)  # batches, latents in each


def run(path: str, options: Options, say: restored.Say = print) -> None:
    """Write samples.png and samples.npy: images decoded from the prior, or from a density fitted to the codes."""
    priors.parse(options.prior)
    step, found = restored.restore_step(path, options.checkpoint, say, allow_import=options.allow_import)
    prior = codes.prior(options.prior, step, found, pathlib.Path(path), options, say)
    key = jax.random.key(options.seed)
    if options.readjust_bn:
        found = _readjusted(found, prior, options.temperature, key)
    images = sampling.sample(
        found.model, found.variables, key, options.num, temperature=options.temperature, prior=prior
    )
    restored.write_images(path, "samples", images, pictures.grid(images), say)


def _readjusted(found: restored.Restored, prior: priors.Prior, temperature: float, key: jax.Array) -> restored.Restored:
    if not found.variables.get("batch_stats"):
        raise errors.UserError("--readjust_bn: this model has no BatchNorm; leave it out")
    number, size = READJUSTING
    z = priors.sample(prior, fold_in_name(key, "readjust"), number * size, temperature=temperature)
    batches = z.reshape(number, size, -1)
    return found._replace(variables=models.readjust(found.model, found.variables, batches))
