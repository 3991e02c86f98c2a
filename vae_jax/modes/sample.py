"""--mode sample."""

import jax

from vae_jax import pictures, sampling
from vae_jax.modes import restored
from vae_jax.modes.options import Options


def run(path: str, options: Options, say: restored.Say = print) -> None:
    """Write samples.png and samples.npy: images decoded from the prior."""
    model, variables, _ = restored.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    key = jax.random.key(options.seed)
    images = sampling.sample(model, variables, key, options.num, temperature=options.temperature)
    restored.write_images(path, "samples", images, pictures.grid(images), say)
