"""--mode reconstruct."""

import numpy as np

from vae_jax import pictures, sampling
from vae_jax.modes import restored
from vae_jax.modes.options import Options


def run(path: str, options: Options, say: restored.Say = print) -> None:
    """Write reconstructions.png, originals above their reconstructions, and .npy, the reconstructions."""
    model, variables, config = restored.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    originals = np.asarray(restored.images_of(config, options)["image"][: options.num_shown])
    images = sampling.reconstruct(model, variables, originals)
    restored.write_images(path, "reconstructions", images, pictures.beside(originals, images), say)
