"""BatchNorm's running statistics, taken anew from what the decoder is given at sampling time."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from vae_jax.models import normalisation


def readjust(model: nn.Module, variables: Mapping[str, Any], batches: Iterable[np.ndarray]) -> dict[str, Any]:
    """Replace the decoder's running statistics by their means over batches of latents [B, D]; return the variables.

    Statistics kept in training are of codes of images; latents from the prior have others. What decoding does not
    touch, the encoder's among them, is left as it is.

    Reference: Vahdat and Kautz, 2020, arXiv 2007.03898 (statistics readjusted for the temperature of sampling).
    """
    old = variables["batch_stats"]
    sums, count = jax.tree.map(np.zeros_like, old), 0
    for z in batches:
        updated = _decode_in_training(model, variables, z)
        sums, count = jax.tree.map(lambda total, leaf: total + np.asarray(leaf), sums, updated), count + 1
    # running' = momentum * running + (1 - momentum) * batch, solved for the batch's.
    change = 1.0 - normalisation.BatchNorm.momentum
    new = jax.tree.map(lambda stored, total: stored + (total / count - stored) / change, old, sums)
    return {**variables, "batch_stats": new}


@functools.partial(jax.jit, static_argnums=0)
def _decode_in_training(model: nn.Module, variables: Mapping[str, Any], z: jax.Array) -> Any:
    _, updated = model.clone(training=True).apply(variables, z, method="decode", mutable=["batch_stats"])
    return updated["batch_stats"]
