"""The images of a split as evaluation's objective sees them, batch by batch."""

from collections.abc import Callable, Iterator

import jax
import numpy as np

from vae_jax.data import batches
from vae_jax.random import fold_in_name


def inputs(
    prepare: Callable[[np.ndarray, jax.Array], jax.Array], images: np.ndarray, batch_size: int, key: jax.Array
) -> Iterator[np.ndarray]:
    """Yield float32 [B, H, W, C] in the model's range, with the draws of pixel noise that `elbo.evaluate` makes.

    A binarised or dequantised image is thus the same one in every number of an evaluation.
    """
    compiled = jax.jit(prepare)
    for index, rows in enumerate(batches.evaluation_slices(len(images), batch_size)):
        part = np.asarray(images[rows])
        yield np.asarray(compiled(part, fold_in_name(jax.random.fold_in(key, index), "prepare")))
