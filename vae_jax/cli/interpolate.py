"""--mode interpolate."""

import numpy as np

from vae_jax import errors
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Options
from vae_jax.inference import sampling
from vae_jax.report import pictures
from vae_jax.runs import restore

NUM_PAIRS = 16  # where --num does not say


def run(path: str, options: Options, say: restore.Say = print) -> None:
    """Write interpolations.png, a row for each of --num pairs of images, and .npy, the rows one after another.

    The first two images are a pair, the next two another; an odd one at the end has none.
    """
    if options.interpolation not in sampling.PATHS:
        raise errors.UserError(f"--interpolation={options.interpolation} is not a path; use linear or spherical")
    model, variables, config = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    originals = np.asarray(cli_images.images_of(config, options)["image"][: 2 * (options.num or NUM_PAIRS)])
    pairs = len(originals) // 2
    if not pairs:
        raise errors.UserError("--mode interpolate takes two images or more; give more with --input")
    along = sampling.PATHS[options.interpolation]
    first, second = originals[: 2 * pairs : 2], originals[1 : 2 * pairs : 2]
    rows = sampling.interpolate(model, variables, first, second, path=along)
    images = rows.reshape(-1, *rows.shape[2:])
    cli_images.write_images(path, "interpolations", images, pictures.grid(images, columns=rows.shape[1]), say)
