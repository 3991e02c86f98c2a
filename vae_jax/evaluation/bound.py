"""The importance-weighted bound of log p(x): any number of samples and images, in bounded memory.

    L_K = LSE_k log w_k - ln K,    log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x)

The noise of sample k of image n is a function of (key, n, k), so that the bound does not depend on how the work is cut.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions import LOG_2PI, prior_of
from vae_jax.inference.chunks import pad
from vae_jax.losses import bounds

PIXELS_PER_CALL = 2**22  # pixel values decoded in one call, which bounds its memory
DECODES_PER_CALL = 2048
SAMPLES_PER_CALL = 32

LogWeights = Callable[[Mapping[str, np.ndarray], jax.Array, int], jax.Array]


def log_weights(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """log w of samples step ... step + num_samples - 1 of each image, in the form of an objective.

    Args:
        vae: encode and decode.
        batch: {"image": [B, H, W, C], "index": [B], the number of each image in its split}.
        key: the source of noise.
        step: the number of the first sample.
        reconstruction: -log p(x|z), normalised.

    Returns:
        Their mean, and {"log_w": [num_samples, B]}, nats.
    """
    posterior = vae.encode(batch["image"])

    def draw(posterior: Any, index: jax.Array, sample: jax.Array) -> jax.Array:
        return posterior.sample(jax.random.fold_in(jax.random.fold_in(key, index), sample))

    samples = step + jnp.arange(num_samples)
    z = jax.vmap(jax.vmap(draw, (0, 0, None)), (None, None, 0))(posterior, batch["index"], samples)  # [K, B, D]
    distortion = bounds.distortion_of_samples(vae, batch["image"], z, reconstruction)
    log_w = prior_of(vae, posterior).log_prob(z) - posterior.log_prob(z) - distortion
    return log_w.mean(), {"log_w": log_w}


def call_size(image_shape: tuple[int, ...], num_samples: int, batch_size: int) -> tuple[int, int]:
    """Return (images, samples) of one call: at most `batch_size` images, and no more pixels than memory is for."""
    decodes = max(1, min(DECODES_PER_CALL, PIXELS_PER_CALL // int(np.prod(image_shape))))
    samples = min(num_samples, SAMPLES_PER_CALL, decodes)
    return min(batch_size, decodes // samples), samples


class Bounds(NamedTuple):
    """Two bounds of log p(x) of every image from the same K samples, [N] float64, nats."""

    importance_weighted: np.ndarray  # LSE_k log w_k - ln K
    elbo: np.ndarray  # mean_k log w_k


def bounds_of(
    weights: LogWeights,
    inputs: Iterable[np.ndarray],
    key: jax.Array,
    *,
    num_samples: int,
    images_per_call: int,
    samples_per_call: int,
) -> Bounds:
    """L_K of every image, by a running logsumexp over calls, and the ELBO.

    Args:
        weights: (batch, key, first sample) -> log w [samples_per_call, images_per_call], compiled `log_weights`.
        inputs: the images in the model's range, [B, H, W, C] at a time.
        num_samples: K. The bound is below log p(x) in expectation and rises with K.

    Reference: Burda et al., 2016, arXiv 1509.00519, equation 8.
    """
    bound, elbo, done = [], [], 0
    for x in inputs:
        for start in range(0, len(x), images_per_call):
            part = x[start : start + images_per_call]
            index = done + start + np.arange(images_per_call)
            batch = {"image": pad(part, images_per_call), "index": index}
            running, total = np.full(images_per_call, -np.inf), np.zeros(images_per_call)
            for first in range(0, num_samples, samples_per_call):
                log_w = np.asarray(weights(batch, key, first), np.float64)[: num_samples - first]
                running = np.logaddexp(running, np.logaddexp.reduce(log_w, axis=0))
                total += log_w.sum(0)
            bound.append((running - np.log(num_samples))[: len(part)])
            elbo.append((total / num_samples)[: len(part)])
        done += len(x)
    return Bounds(np.concatenate(bound), np.concatenate(elbo))


def implied_sigma(distortion: float, pixels: int) -> float:
    """The sigma of which P/2 (ln sigma^2 + 1 + ln 2 pi) is the distortion: that of `optimal_sigma` on a split."""
    return math.exp(distortion / pixels - 0.5 * (1.0 + LOG_2PI))


def standard_error(values: np.ndarray) -> float | None:
    """The standard deviation over images / sqrt(N), of their mean; None of a single image."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
