"""--mode encode: the posteriors of images, as arrays in a file."""

import dataclasses
import io
import pathlib

import numpy as np

from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Encode
from vae_jax.inference import sampling
from vae_jax.runs import restore, workdir


def run(path: str, options: Encode, say: restore.Say = print) -> None:
    """Write latents.npz: the parameters of q(z|x), such as `mean` and `logvar` [N, D], and `label` and `factors` where the images have any."""
    model, variables, config = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    split = cli_images.images_of(config, options)
    posterior = sampling.encode(model, variables, np.asarray(split["image"]))
    arrays = {field.name: getattr(posterior, field.name) for field in dataclasses.fields(posterior)}
    arrays |= {name: split[name] for name in ("label", "factors") if name in split}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    file = pathlib.Path(path) / "latents.npz"
    workdir.write_atomically(file, buffer.getvalue())
    say(f"wrote {file}: {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}")
