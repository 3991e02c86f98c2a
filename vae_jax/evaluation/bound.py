"""The importance-weighted bound of log p(x): any number of samples and images, in bounded memory.

    L_K = LSE_k log w_k - ln K,    log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x)

The noise of sample k of image n is a function of (key, n, k), so that the bound does not depend on how the work is cut.
`bound_section` makes the section of evaluation.json; the objectives that train on such a bound are in `losses.bounds`.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions import LOG_2PI, draw
from vae_jax.inference.chunks import pad
from vae_jax.losses.importance import distortion_of_samples

PIXELS_PER_CALL = 2**22  # pixel values decoded in one call, which bounds its memory
DECODES_PER_CALL = 2048
SAMPLES_PER_CALL = 32

# (x [B, H, W, C], index [B], key, first sample) -> log w [samples of a call, B]
LogWeights = Callable[[np.ndarray, np.ndarray, jax.Array, int], jax.Array]


def log_weights(
    vae: Any,
    x: jax.Array,
    index: jax.Array,
    key: jax.Array,
    first: jax.Array | int,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
) -> jax.Array:
    """Return log w of samples first ... first + num_samples - 1 of each image, [num_samples, B] nats.

    Args:
        vae: encode and decode, and whatever `distributions.draw` uses.
        x: images, [B, H, W, C].
        index: [B], the number of each image, by which its noise is drawn.
        key: the source of noise.
        first: the number of the first sample.
        reconstruction: (pred, x) -> -log p(x|z), normalised.
        num_samples: samples of each image.
    """

    def one(image: jax.Array, number: jax.Array, sample: jax.Array) -> tuple[Any, Any, Any]:
        latents = draw(vae, image[None], jax.random.fold_in(jax.random.fold_in(key, number), sample))
        return jax.tree.map(lambda leaf: leaf[0], (latents.z, latents.log_p, latents.log_q))

    samples = first + jnp.arange(num_samples)
    z, log_p, log_q = jax.vmap(jax.vmap(one, (0, 0, None)), (None, None, 0))(x, index, samples)  # [K, B, ...] each
    return log_p - log_q - distortion_of_samples(vae, x, z, reconstruction)


def call_size(image_shape: tuple[int, ...], num_samples: int, batch_size: int) -> tuple[int, int]:
    """Return (images, samples) of one call: at most `batch_size` images, and no more pixels than memory is for."""
    decodes = max(1, min(DECODES_PER_CALL, PIXELS_PER_CALL // int(np.prod(image_shape))))
    samples = min(num_samples, SAMPLES_PER_CALL, decodes)
    return min(batch_size, decodes // samples), samples


class Bounds(NamedTuple):
    """Two bounds of log p(x) of every image from the same K samples, [N] float64 nats.

    Attributes:
        importance_weighted: LSE_k log w_k - ln K.
        elbo: mean_k log w_k.
    """

    importance_weighted: np.ndarray
    elbo: np.ndarray


def bounds_of(
    weights: LogWeights,
    inputs: Iterable[np.ndarray],
    key: jax.Array,
    *,
    num_samples: int,
    images_per_call: int,
    samples_per_call: int,
) -> Bounds:
    """Return L_K of every image, by a running logsumexp over calls, and the ELBO.

    Args:
        weights: `log_weights` of a vae, compiled.
        inputs: the images in the model's range, [B, H, W, C] at a time.
        key: the source of noise.
        num_samples: K. The bound is below log p(x) in expectation and rises with K.
        images_per_call: images in one call of `weights`.
        samples_per_call: samples of each image that one call returns.

    References:
        Burda et al., 2016, arXiv 1509.00519, equation 8.
    """
    bound, elbo, done = [], [], 0
    for x in inputs:
        for start in range(0, len(x), images_per_call):
            part = x[start : start + images_per_call]
            padded, index = pad(part, images_per_call), done + start + np.arange(images_per_call)
            running, total = np.full(images_per_call, -np.inf), np.zeros(images_per_call)
            for first in range(0, num_samples, samples_per_call):
                log_w = np.asarray(weights(padded, index, key, first), np.float64)[: num_samples - first]
                running = np.logaddexp(running, np.logaddexp.reduce(log_w, axis=0))
                total += log_w.sum(0)
            bound.append((running - np.log(num_samples))[: len(part)])
            elbo.append((total / num_samples)[: len(part)])
        done += len(x)
    return Bounds(np.concatenate(bound), np.concatenate(elbo))


def implied_sigma(distortion: float, pixels: int) -> float:
    """Return the sigma with P/2 (ln sigma^2 + 1 + ln 2 pi) = distortion: the sigma of `optimal_sigma` on a split."""
    return math.exp(distortion / pixels - 0.5 * (1.0 + LOG_2PI))


def standard_error(values: np.ndarray) -> float | None:
    """Return the standard deviation over images / sqrt(N), the error of their mean; None of a single image."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
