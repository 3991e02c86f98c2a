"""The batches of an evaluation: which images each has, and the key of its noise.

Every number of an evaluation is of the same draw of pixel noise, where images are binarised or dequantised, because all
of them take their batches from here: `elbo` for the objective's metrics, and `inputs` for the rest. Training evaluates
through `elbo` and so sees the same images.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax.data import batches
from vae_jax.random import fold_in_name

Prepare = Callable[[Any, jax.Array], jax.Array]


class SplitBatch(NamedTuple):
    """One batch of a split.

    Attributes:
        rows: the rows of the split that the batch holds.
        key: the source of the batch's noise, a function of the evaluation's key and of the batch's number.
    """

    rows: slice
    key: jax.Array


def split_batches(num_images: int, batch_size: int, key: jax.Array) -> Iterator[SplitBatch]:
    """Yield the batches of a split, each image once, in order.

    Args:
        num_images: N, the size of the split.
        batch_size: images in a batch; the last batch may be shorter.
        key: of the evaluation.
    """
    for number, rows in enumerate(batches.evaluation_slices(num_images, batch_size)):
        yield SplitBatch(rows, jax.random.fold_in(key, number))


def prepare_batch(prepare: Prepare, images: jax.Array, key: jax.Array) -> jax.Array:
    """Return the uint8 images of a batch as the model takes them, with the pixel noise of the batch's key."""
    return prepare(images, fold_in_name(key, "prepare"))


def chosen_rows(num_images: int, num: int) -> np.ndarray:
    """Return the rows of a fixed random choice of `num` images, in order; a split may be sorted by class."""
    return np.sort(np.random.default_rng(0).permutation(num_images)[:num])


def inputs(
    prepare: Prepare, images: np.ndarray, batch_size: int, key: jax.Array, rows: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield images as the model takes them, float32 [B, H, W, C] with B at most `batch_size`.

    A batch without a chosen image is not prepared; the noise of the others is that of a pass over all images.

    Args:
        prepare: (uint8 images, key) -> float32 images in the model's range.
        images: the whole split, uint8 [N, H, W, C].
        batch_size: images in a batch.
        key: of the evaluation.
        rows: the images to yield, in order; None is all of them.
    """
    compiled = jax.jit(lambda part, batch_key: prepare_batch(prepare, part, batch_key))
    wanted = np.ones(len(images), bool)
    if rows is not None:
        wanted = np.isin(np.arange(len(images)), rows)

    def parts() -> Iterator[np.ndarray]:
        for batch in split_batches(len(images), batch_size, key):
            inside = wanted[batch.rows]
            if inside.any():
                yield np.asarray(compiled(np.asarray(images[batch.rows]), batch.key))[inside]

    return _regrouped(parts(), batch_size)


def _regrouped(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield the rows of all parts, `size` at a time, and at last those that are left."""
    held: np.ndarray | None = None
    for part in parts:
        held = part if held is None else np.concatenate([held, part])
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held is not None and len(held):
        yield held
