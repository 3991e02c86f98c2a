"""New running statistics of the decoder's BatchNorm, for latents that are sampled from a prior.

The modes that draw samples use it on request. The encoder's statistics are never changed.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from vae_jax.models import normalisation


def readjust(model: nn.Module, variables: Mapping[str, Any], batches: Iterable[np.ndarray]) -> dict[str, Any]:
    """Return the variables with the decoder's running statistics replaced by their means over batches of latents.

    The statistics that training keeps are those of the codes of images, and latents from the prior have other
    statistics. Statistics that decoding does not use, such as the encoder's, stay as they are.

    Args:
        model: the module.
        variables: its parameters and collections.
        batches: latents, [B, D] each.

    References:
        Vahdat and Kautz, 2020, arXiv 2007.03898 (statistics readjusted for the temperature of sampling).
    """
    old = variables["batch_stats"]
    sums, count = jax.tree.map(np.zeros_like, old), 0
    for z in batches:
        updated = _decode_in_training(model, variables, z)
        sums, count = jax.tree.map(lambda total, leaf: total + np.asarray(leaf), sums, updated), count + 1
    # The batch's statistics follow from running' = momentum * running + (1 - momentum) * batch.
    change = 1.0 - normalisation.BatchNorm.momentum
    new = jax.tree.map(lambda stored, total: stored + (total / count - stored) / change, old, sums)
    return {**variables, "batch_stats": new}


@functools.partial(jax.jit, static_argnums=0)
def _decode_in_training(model: nn.Module, variables: Mapping[str, Any], z: Float[Array, "B D"]) -> Any:
    _, updated = model.clone(training=True).apply(variables, z, method="decode", mutable=["batch_stats"])
    return updated["batch_stats"]
