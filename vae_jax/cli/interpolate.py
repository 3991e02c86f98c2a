"""--mode interpolate: images on the way from one image's code to another's."""

import numpy as np

from vae_jax import errors
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Interpolate
from vae_jax.inference import paths, sampling
from vae_jax.report import pictures
from vae_jax.runs import restore


def run(path: str, options: Interpolate, say: restore.Say = print) -> None:
    """Write interpolations.png, a row for each pair of images, and interpolations.npy, the rows one after another.

    The first and the second image are a pair, then the third and the fourth, and so on.

    Raises:
        errors.UserError: there are fewer than two images.
    """
    model, variables, config = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    originals = np.asarray(cli_images.images_of(config, options)["image"][: 2 * options.num])
    pairs = len(originals) // 2
    if not pairs:
        raise errors.UserError("--mode interpolate takes two images or more; give more with --input")
    if len(originals) % 2:
        say(f"{len(originals)} images make {pairs} pairs; the last image is left out")
    first, second = originals[: 2 * pairs : 2], originals[1 : 2 * pairs : 2]
    rows = sampling.interpolate(model, variables, first, second, path=paths.PATHS[options.interpolation])
    images = rows.reshape(-1, *rows.shape[2:])
    cli_images.write_images(path, "interpolations", images, pictures.grid(images, columns=rows.shape[1]), say)
