"""--mode reconstruct: images beside their reconstructions."""

import numpy as np

from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Reconstruct
from vae_jax.inference import sampling
from vae_jax.report import pictures
from vae_jax.runs import restore


def run(path: str, options: Reconstruct, say: restore.Say = print) -> None:
    """Write reconstructions.png, originals above their reconstructions, and reconstructions.npy, the latter alone."""
    model, variables, config = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    originals = np.asarray(cli_images.images_of(config, options)["image"][: options.num])
    images = sampling.reconstruct(model, variables, originals)
    cli_images.write_images(path, "reconstructions", images, pictures.beside(originals, images), say)
