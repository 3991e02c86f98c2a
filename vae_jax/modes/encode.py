"""--mode encode."""

import io
import pathlib

import numpy as np

from vae_jax import sampling, workdir
from vae_jax.modes import restored
from vae_jax.modes.options import Options


def run(path: str, options: Options, say: restored.Say = print) -> None:
    """Write latents.npz: `mean` and `logvar` [N, D] of q(z|x), and `label` where the images have one."""
    model, variables, config = restored.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    split = restored.images_of(config, options)
    posterior = sampling.encode(model, variables, np.asarray(split["image"]))
    arrays = {"mean": posterior.mean, "logvar": posterior.logvar}
    arrays |= {name: split[name] for name in ("label", "factors") if name in split}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    file = pathlib.Path(path) / "latents.npz"
    workdir.write_atomically(file, buffer.getvalue())
    say(f"wrote {file}: {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}")
