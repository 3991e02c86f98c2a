"""Surrogates: how unlike two images look. Not likelihoods, so no ELBO and no bits per dimension follow from them.

`ssim`, `ms_ssim` and `features` are averages, which a KL in nats would drown; `scale` prices them in nats for each
of the P = H * W * C pixel values, so that one setting serves every image size.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import limits
from vae_jax.distributions.pixels import match, match_pixels, sum_pixels

WINDOW, WINDOW_SIGMA = 11, 1.5
LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def log_cosh(pred: jax.Array, x: jax.Array, *, alpha: float = 10.0) -> jax.Array:
    """sum_pixels ln cosh(alpha t) / alpha = |t| + (ln(1 + exp(-2 alpha |t|)) - ln 2) / alpha, t = pred - x.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        alpha: where the square near 0, alpha t^2 / 2, turns into |t|: about 1 / alpha.

    Reference: Chen et al., 2018, "Log hyperbolic cosine loss improves variational auto-encoder".
    """
    limits.above(0, alpha=alpha)
    pred, x = match_pixels(pred, x)
    size = jnp.abs(pred - x)
    return sum_pixels(size + (jnp.log1p(jnp.exp(-2.0 * alpha * size)) - math.log(2.0)) / alpha)


def ssim(
    pred: jax.Array, x: jax.Array, *, scale: float = 1.0, data_range: tuple[float, float] = (0.0, 1.0)
) -> jax.Array:
    """scale * P * (1 - SSIM(pred, x)), SSIM averaged over windows and channels.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        scale: nats for each pixel value.
        data_range: what black and white are; similarity is that of the pictures on [0, 1].

    Reference: Wang et al., 2004, "Image quality assessment": an 11-tap Gaussian window, sigma 1.5,
    the largest odd one that fits where the image is smaller.
    """
    whole, _ = _ssim_terms(*_unit_range(pred, x, data_range))
    return scale * math.prod(jnp.shape(x)[1:]) * (1.0 - whole.mean(-1))


def ms_ssim(
    pred: jax.Array, x: jax.Array, *, scale: float = 1.0, data_range: tuple[float, float] = (0.0, 1.0)
) -> jax.Array:
    """scale * P * (1 - mean_c prod_{j<M} cs_j^w_j * ssim_M^w_M), each level half the size of the one before.

    Five levels, or as many as leave room for the window (64 pixels: 3, 28: 2, 8: 1, which is SSIM), with weights
    renormalised to 1.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        scale: nats for each pixel value.
        data_range: what black and white are.

    References: Wang et al., 2003, "Multi-scale structural similarity"; as a loss of autoencoders,
    Snell et al., 2015, arXiv 1511.06409.
    """
    num_pixels = math.prod(jnp.shape(x)[1:])
    pred, x = _unit_range(pred, x, data_range)
    num_levels = 1
    while num_levels < len(LEVEL_WEIGHTS) and min(x.shape[-3:-1]) >> num_levels >= WINDOW:
        num_levels += 1
    weights = np.array(LEVEL_WEIGHTS[:num_levels]) / sum(LEVEL_WEIGHTS[:num_levels])
    log_product = 0.0
    for level, weight in enumerate(weights):
        whole, contrast = _ssim_terms(pred, x)
        term = whole if level == num_levels - 1 else contrast
        # A fractional power needs a positive base, and its gradient one away from 0.
        log_product = log_product + float(weight) * jnp.log(jnp.maximum(term, 1e-6))
        pred, x = _halve(pred), _halve(x)
    return scale * num_pixels * (1.0 - jnp.exp(log_product).mean(-1))


def _unit_range(pred: jax.Array, x: jax.Array, data_range: tuple[float, float]) -> tuple[jax.Array, jax.Array]:
    low, high = data_range
    pred, x = match(pred, x)
    return (pred - low) / (high - low), (x - low) / (high - low)


def _ssim_terms(pred: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """SSIM and its contrast-structure factor alone, averaged over windows: two of [*S, B, C]."""
    c1, c2 = 0.01**2, 0.03**2
    # Variances do not depend on where zero is, and their rounding does: about 1e-4 of SSIM on flat grey images.
    grey = jax.lax.stop_gradient((pred + x).mean((-3, -2), keepdims=True) / 2.0)
    pred, x = pred - grey, x - grey
    mean_p, mean_x, square_p, square_x, product = _blur(jnp.stack([pred, x, pred**2, x**2, pred * x]))
    variances = square_p - mean_p**2 + square_x - mean_x**2
    contrast = (2.0 * (product - mean_p * mean_x) + c2) / (variances + c2)
    mean_p, mean_x = mean_p + grey, mean_x + grey
    luminance = (2.0 * mean_p * mean_x + c1) / (mean_p**2 + mean_x**2 + c1)
    return (contrast * luminance).mean((-3, -2)), contrast.mean((-3, -2))


def _blur(images: jax.Array) -> jax.Array:
    """Convolve [..., H, W, C] with the window where it fits: two products with banded matrices.

    In full float32: variances are differences of the results.
    """
    height, width = images.shape[-3:-1]
    rows, columns = _band(height, min(height, width)), _band(width, min(height, width))
    return jnp.einsum("ih,...hwc,jw->...ijc", rows, images, columns, precision=jax.lax.Precision.HIGHEST)


def _band(side: int, smallest_side: int) -> np.ndarray:
    """Row i holds the window's taps from column i on: [side - taps + 1, side]."""
    taps = min(WINDOW, smallest_side - (smallest_side + 1) % 2)
    window = np.exp(-0.5 * np.square((np.arange(taps) - taps // 2) / WINDOW_SIGMA))
    offsets = np.arange(side)[None, :] - np.arange(side - taps + 1)[:, None]
    inside = (0 <= offsets) & (offsets < taps)
    return np.where(inside, (window / window.sum())[np.where(inside, offsets, 0)], 0.0).astype(np.float32)


def _halve(images: jax.Array) -> jax.Array:
    """Average 2 x 2 blocks of [..., H, W, C]; an odd last row or column is dropped."""
    *lead, height, width, channels = images.shape
    images = images[..., : height // 2 * 2, : width // 2 * 2, :]
    return images.reshape(*lead, height // 2, 2, width // 2, 2, channels).mean((-4, -2))


def features(pred: jax.Array, x: jax.Array, *, extract: Callable[[jax.Array], Any], scale: float = 1.0) -> jax.Array:
    """scale * P / 2 * sum_l mean |f_l(pred) - f_l(x)|^2, the distance in the layers f_l of another network.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        extract: images [N, H, W, C] -> an array [N, ...] or a tree of them; the layers may be weighted there.
            Whatever it has learned is taken as fixed, and the range it wants is for it to make.
        scale: nats for each pixel value. With the images themselves for features, 1 is the squared error of a
            unit Gaussian.

    Reference: Hou et al., 2017, arXiv 1610.00291.
    """
    pred, _ = match(pred, x)
    lead = pred.shape[:-3]  # [*S, B]
    ours, theirs = extract(pred.reshape(-1, *pred.shape[-3:])), extract(jnp.asarray(x, pred.dtype))

    def distance(our: jax.Array, their: jax.Array) -> jax.Array:
        our = our.reshape(*lead, -1)
        their = jnp.broadcast_to(their.reshape(lead[-1], -1), our.shape)
        return jnp.square(our - jax.lax.stop_gradient(their)).mean(-1)

    layers = jax.tree.leaves(jax.tree.map(distance, ours, theirs))
    return 0.5 * scale * math.prod(jnp.shape(x)[1:]) * sum(layers)
