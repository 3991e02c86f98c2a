"""Reconstruction functions that measure how different two images look, and are not likelihoods.

Because they are not likelihoods, an objective that uses one has no ELBO and no bits per dimension. `ssim`, `ms_ssim`
and `features` are averages over an image, which are small beside a KL in nats. Each is therefore multiplied by the
number of pixel values P = H * W * C and by `scale`, in nats for each pixel value, so that one `scale` serves every
image size.

The likelihoods are in `distributions.densities` and `distributions.discretized`. `reconstruction` offers both kinds by
name.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vae_jax import limits
from vae_jax.distributions.pixels import match, match_pixels, sum_pixels

WINDOW, WINDOW_SIGMA = 11, 1.5  # taps and standard deviation of SSIM's Gaussian window, in pixels
LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of the levels of MS-SSIM, finest first

Images = Float[Array, "B H W C"]
Pred = Float[Array, "*S B H W C"]
Nats = Float[Array, "*S B"]


def log_cosh(pred: Pred, x: Images, *, alpha: float = 10.0) -> Nats:
    """Return the log-cosh error of the prediction, summed over the image.

    The value is sum_pixels ln cosh(alpha t) / alpha with t = pred - x. It is computed as
    |t| + (ln(1 + exp(-2 alpha |t|)) - ln 2) / alpha, which does not overflow.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        alpha: the error is about alpha t^2 / 2 for |t| below 1 / alpha, and about |t| above.

    Returns:
        [*S, B].

    Raises:
        errors.OutOfRange: `alpha` is not above 0.
        ValueError: the shapes disagree.

    References:
        Chen et al., 2018, "Log hyperbolic cosine loss improves variational auto-encoder".
    """
    limits.above(0, alpha=alpha)
    pred, x = match_pixels(pred, x)
    size = jnp.abs(pred - x)
    return sum_pixels(size + (jnp.log1p(jnp.exp(-2.0 * alpha * size)) - math.log(2.0)) / alpha)


def ssim(pred: Pred, x: Images, *, scale: float = 1.0, data_range: tuple[float, float] = (0.0, 1.0)) -> Nats:
    """Return the structural dissimilarity of the prediction, scale * P * (1 - SSIM(pred, x)).

    SSIM is averaged over windows and channels. The window is Gaussian with sigma 1.5 and 11 taps; for a smaller image
    it has the largest odd number of taps that fits.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        scale: nats for each pixel value.
        data_range: the values of black and white; the images are mapped to [0, 1] before they are compared.

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Wang et al., 2004, "Image quality assessment".
    """
    whole, _ = _ssim_terms(*_unit_range(pred, x, data_range))
    return scale * math.prod(jnp.shape(x)[1:]) * (1.0 - whole.mean(-1))


def ms_ssim(pred: Pred, x: Images, *, scale: float = 1.0, data_range: tuple[float, float] = (0.0, 1.0)) -> Nats:
    """Return the structural dissimilarity of the prediction over several scales, scale * P * (1 - MS-SSIM(pred, x)).

    MS-SSIM is mean_c prod_{j<M} cs_j^w_j * ssim_M^w_M over M levels, each of which has half the height and width of the
    level before. There are five levels, or as many as the window fits into: 3 for 64 pixels, 2 for 28, and 1 for 8,
    which is SSIM. The weights of the levels in use are scaled to a sum of 1.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        scale: nats for each pixel value.
        data_range: the values of black and white; the images are mapped to [0, 1] before they are compared.

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Wang et al., 2003, "Multi-scale structural similarity".
        Snell et al., 2015, arXiv 1511.06409 (as a loss of autoencoders).
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
        # A fractional power needs a positive base, and its gradient a base that is not near 0.
        log_product = log_product + float(weight) * jnp.log(jnp.maximum(term, 1e-6))
        pred, x = _halve(pred), _halve(x)
    return scale * num_pixels * (1.0 - jnp.exp(log_product).mean(-1))


def _unit_range(pred: Pred, x: Images, data_range: tuple[float, float]) -> tuple[Pred, Pred]:
    """Return pred, and x spread along its sample axes, both mapped to [0, 1]."""
    low, high = data_range
    pred, x = match(pred, x)
    return (pred - low) / (high - low), (x - low) / (high - low)


def _ssim_terms(pred: Pred, x: Pred) -> tuple[Float[Array, "*S B C"], Float[Array, "*S B C"]]:
    """Return SSIM, and the contrast-structure factor of SSIM, both averaged over windows."""
    c1, c2 = 0.01**2, 0.03**2
    # Variances do not change if a constant is subtracted, but their rounding errors do: without this line SSIM is wrong
    # by about 1e-4 on flat grey images.
    grey = jax.lax.stop_gradient((pred + x).mean((-3, -2), keepdims=True) / 2.0)
    pred, x = pred - grey, x - grey
    mean_p, mean_x, square_p, square_x, product = _blur(jnp.stack([pred, x, pred**2, x**2, pred * x]))
    variances = square_p - mean_p**2 + square_x - mean_x**2
    contrast = (2.0 * (product - mean_p * mean_x) + c2) / (variances + c2)
    mean_p, mean_x = mean_p + grey, mean_x + grey
    luminance = (2.0 * mean_p * mean_x + c1) / (mean_p**2 + mean_x**2 + c1)
    return (contrast * luminance).mean((-3, -2)), contrast.mean((-3, -2))


def _blur(images: Float[Array, "*N H W C"]) -> Float[Array, "*N h w C"]:
    """Return the images convolved with the window, at the positions where the whole window is inside the image.

    The convolution is two products with banded matrices, in full float32 because variances are differences of the
    results.
    """
    height, width = images.shape[-3:-1]
    rows, columns = _band(height, min(height, width)), _band(width, min(height, width))
    return jnp.einsum("ih,...hwc,jw->...ijc", rows, images, columns, precision=jax.lax.Precision.HIGHEST)


def _band(side: int, smallest_side: int) -> np.ndarray:
    """Return the matrix [side - taps + 1, side] whose row i holds the window's taps from column i on."""
    taps = min(WINDOW, smallest_side - (smallest_side + 1) % 2)
    window = np.exp(-0.5 * np.square((np.arange(taps) - taps // 2) / WINDOW_SIGMA))
    offsets = np.arange(side)[None, :] - np.arange(side - taps + 1)[:, None]
    inside = (0 <= offsets) & (offsets < taps)
    return np.where(inside, (window / window.sum())[np.where(inside, offsets, 0)], 0.0).astype(np.float32)


def _halve(images: Float[Array, "*N H W C"]) -> Float[Array, "*N h w C"]:
    """Return the means of blocks of 2 x 2 pixels; an odd last row or column is dropped."""
    *lead, height, width, channels = images.shape
    images = images[..., : height // 2 * 2, : width // 2 * 2, :]
    return images.reshape(*lead, height // 2, 2, width // 2, 2, channels).mean((-4, -2))


def features(pred: Pred, x: Images, *, extract: Callable[[jax.Array], Any], scale: float = 1.0) -> Nats:
    """Return the distance between the prediction and the images in the layers of another network (perceptual loss).

    The value is scale * P / 2 * sum_l mean |f_l(pred) - f_l(x)|^2 over the layers f_l.

    Args:
        pred: [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        extract: images [N, H, W, C] in the data's range -> an array [N, ...], or a tree of such arrays, one for each
            layer. `extract` itself maps the images to the range that its network needs, and may weight the layers. Its
            parameters are constants.
        scale: nats for each pixel value. If `extract` returns the images themselves, 1 gives the squared error of a
            Gaussian of unit variance.

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Hou et al., 2017, arXiv 1610.00291.
    """
    pred, _ = match(pred, x)
    lead = pred.shape[:-3]  # [*S, B]
    ours, theirs = extract(pred.reshape(-1, *pred.shape[-3:])), extract(jnp.asarray(x, pred.dtype))

    def distance(our: jax.Array, their: jax.Array) -> Nats:
        our = our.reshape(*lead, -1)
        their = jnp.broadcast_to(their.reshape(lead[-1], -1), our.shape)
        return jnp.square(our - jax.lax.stop_gradient(their)).mean(-1)

    layers = jax.tree.leaves(jax.tree.map(distance, ours, theirs))
    return 0.5 * scale * math.prod(jnp.shape(x)[1:]) * jnp.asarray(sum(layers))
