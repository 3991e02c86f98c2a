"""batch(step): which images, gathered from where, and how uint8 becomes the model's input."""

import collections
import functools
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent import futures
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import errors
from vae_jax import random as streams

S = TypeVar("S")
T = TypeVar("T")


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, num_data: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_data).astype(np.int32)


def indices(seed: int, step: int, batch_size: int, num_data: int) -> np.ndarray:
    """order[epoch][position], for positions step*B ... step*B + B - 1, int32 [B].

    Pure in its arguments. Each epoch is a permutation of the N images keyed by (seed, epoch); a batch may cross
    from one epoch into the next, so every epoch sees each image once, for any B.
    """
    parts, position, left = [], int(step) * int(batch_size), int(batch_size)
    while left:
        epoch, start = divmod(position, int(num_data))
        part = _order(int(seed), epoch, int(num_data))[start : start + left]
        parts.append(part)
        position, left = position + len(part), left - len(part)
    return np.concatenate(parts)


def evaluation_slices(num_data: int, batch_size: int) -> Iterator[slice]:
    """Consecutive slices that cover every example once, in order; the last may be shorter.

    Never one example alone beside others, of which no covariance could be taken: the one before it gives one up.
    """
    stops = list(range(batch_size, num_data, batch_size))
    if stops and num_data - stops[-1] == 1 and batch_size > 2:
        stops[-1] -= 1
    for start, stop in itertools.pairwise([0, *stops, num_data]):
        yield slice(start, stop)


def prepare(
    images: jax.Array,
    key: jax.Array,
    *,
    range: tuple[float, float] = (0.0, 1.0),
    flip: bool = False,
    binarize: str = "none",
    dequantize: bool = False,
) -> jax.Array:
    """low + (high - low) * u, with u = v / 255 the pixels' share of white; runs inside jit.

    Args:
        images: uint8 [B, H, W, C].
        key: the source of the flips and of the pixel noise, each under its own name.
        range: (low, high), what u = 0 and u = 1 become.
        flip: mirror each image left to right with probability one half. For training only.
        binarize: "dynamic" draws u ~ Bernoulli(v / 255) on each visit; "threshold" is u = [v / 255 >= 1/2].
        dequantize: u = (v + U[0, 1)) / 256 instead, so that densities of 8-bit images are proper.

    Returns:
        float32 [B, H, W, C].

    Raises:
        UserError: an unknown `binarize`, or both it and `dequantize`.
    """
    if binarize not in ("none", "dynamic", "threshold"):
        raise errors.UserError(f"unknown data.binarize {binarize!r}: known are none, dynamic, threshold")
    if dequantize and binarize != "none":
        raise errors.UserError("data.dequantize is for grey levels and data.binarize leaves none: choose one")
    if flip:
        mirrored = jax.random.bernoulli(streams.fold_in_name(key, "flip"), 0.5, (images.shape[0], 1, 1, 1))
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    values = images.astype(jnp.float32)
    if dequantize:
        noise = jax.random.uniform(streams.fold_in_name(key, "dequantize"), images.shape)
        # The largest noise can round 255 + noise up to 256.
        share = jnp.minimum((values + noise) / 256.0, 1.0 - 2.0**-24)
    elif binarize == "dynamic":
        share = jax.random.bernoulli(streams.fold_in_name(key, "binarize"), values / 255.0).astype(jnp.float32)
    elif binarize == "threshold":
        share = (images >= 128).astype(jnp.float32)
    else:
        share = values / 255.0
    low, high = (float(end) for end in range)
    return low + (high - low) * share


def make_prepare(model: Any, *, flip: bool) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Return prepare(images, key): uint8 images [B, H, W, C] as a model takes them, by the model's own attributes.

    The one way from uint8 to a model's input, for training, evaluation and inference alike.

    Args:
        model: `data_range`, and `binarize` and `dequantize` where the model was trained on such images.
        flip: mirror half of the images; for training only.
    """
    return functools.partial(
        prepare,
        range=tuple(model.data_range),
        flip=flip,
        binarize=getattr(model, "binarize", "none"),
        dequantize=getattr(model, "dequantize", False),
    )


def prepare_each(model: Any, images: jax.Array, index: jax.Array, key: jax.Array) -> jax.Array:
    """Return uint8 images [B, H, W, C] as a model takes them, the noise of each a function of the key and its number.

    So an image comes out the same whatever other images are prepared beside it.

    Args:
        model: as for `make_prepare`.
        images: uint8 [B, H, W, C].
        index: [B] int, the number of each image.
        key: the source of the pixel noise.
    """
    one = make_prepare(model, flip=False)
    return jax.vmap(lambda image, number: one(image[None], jax.random.fold_in(key, number))[0])(images, index)


def prefetch(make_batch: Callable[[S], T], steps: Iterable[S], depth: int = 2) -> Generator[T, None, None]:
    """Yield make_batch(step) for each step in order, up to `depth` of them ahead, from one thread.

    An exception of `make_batch` comes out of the step it belongs to. The thread ends with the iterator, whether
    it was used up, closed or dropped.
    """
    pool = futures.ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    pending = collections.deque()
    try:
        for step in steps:
            pending.append(pool.submit(make_batch, step))
            if len(pending) > depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
