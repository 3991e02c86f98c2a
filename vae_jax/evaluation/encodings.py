"""One pass over a split: the posterior of every image, and how like it its reconstruction is."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions import Gaussian
from vae_jax.evaluation import fidelity
from vae_jax.inference.chunks import pad


class Encodings(NamedTuple):
    """Of N images, in their order."""

    mean: np.ndarray  # [N, D]
    logvar: np.ndarray  # [N, D]
    measures: dict[str, np.ndarray]  # of `fidelity.measures`, [N] each


def encode(model: Any, variables: Any, inputs: Iterable[np.ndarray], batch_size: int) -> Encodings:
    """Encode the images and decode their posterior's mean.

    Args:
        inputs: images in the model's range, [B, H, W, C] at a time, B at most `batch_size`.
    """
    low, high = model.data_range

    @jax.jit
    def call(variables: Any, x: jax.Array) -> Any:
        posterior = model.apply(variables, x, method="encode")
        code = posterior.mode()
        logvar = posterior.logvar if isinstance(posterior, Gaussian) else jnp.zeros_like(code)
        picture = model.picture(model.apply(variables, code, method="decode"))
        unit = ((images - low) / (high - low) for images in (picture, x))
        return code, logvar, fidelity.measures(*unit)

    parts = []
    for x in inputs:
        leaves, tree = jax.tree.flatten(call(variables, pad(x, batch_size)))
        parts.append(jax.tree.unflatten(tree, [np.asarray(leaf)[: len(x)] for leaf in leaves]))
    return Encodings(*jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts))
