"""One pass over a split: the code, the posterior and the KL of each image, and how like its reconstruction it is.

What is asked about latents is asked of `distributions.Latents`; no family of latents is named here.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import distributions, models
from vae_jax.evaluation import fidelity
from vae_jax.inference.chunks import pad
from vae_jax.random import fold_in_name


class Encodings(NamedTuple):
    """What is known of N images, in their order, as numpy arrays.

    Attributes:
        code: the flat code, [N, F].
        mode: the posterior's mode, which a decoder takes: [N, D], or a tree of arrays [N, ...].
        posterior: q(z|x); None for latents without a density or without a single posterior.
        kl: KL by latent, position or level, [N, G] nats; None for latents without a density.
        measures: those of `fidelity.measures` of the mode's reconstruction, [N] each.
    """

    code: np.ndarray
    mode: Any
    posterior: Any | None
    kl: np.ndarray | None
    measures: dict[str, np.ndarray]


def encode(model: Any, variables: Any, inputs: Iterable[np.ndarray], batch_size: int, key: jax.Array) -> Encodings:
    """Return the encodings of images.

    Args:
        model: the module.
        variables: its parameters and collections.
        inputs: images in the model's range, [B, H, W, C] at a time, B at most `batch_size`.
        batch_size: images in one call.
        key: the noise of a KL that is an estimate; a closed form does not use it.
    """
    low, high = model.data_range

    def of_images(vae: Any, x: jax.Array, batch_key: jax.Array) -> tuple[Any, ...]:
        latents = distributions.draw(vae, x, batch_key)
        mode = vae.encode(x).mode()
        unit = ((images - low) / (high - low) for images in (model.picture(vae.decode(mode)), x))
        posterior = None if latents.log_q is None else latents.posterior
        return distributions.code(vae, x), mode, posterior, latents.kl, fidelity.measures(*unit)

    @jax.jit
    def call(variables: Any, x: jax.Array, batch_key: jax.Array) -> tuple[Any, ...]:
        return models.apply(lambda vae: of_images(vae, x, batch_key), model, variables)[0]

    parts = []
    for number, x in enumerate(inputs):
        batch_key = jax.random.fold_in(fold_in_name(key, "encodings"), number)
        result = call(variables, pad(x, batch_size), batch_key)
        size = len(x)
        parts.append(jax.tree.map(lambda leaf, size=size: np.asarray(leaf)[:size], result))
    return Encodings(*jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts))
