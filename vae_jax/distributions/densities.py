"""Likelihoods that are densities of each pixel: Gaussian, Laplace, Bernoulli and continuous Bernoulli.

Every function returns -log p(x|z) in nats, constants included, summed over the image. It takes a mean or logits
[*S, B, H, W, C], or a tree with them, and images x [B, H, W, C]; it returns [*S, B], and raises ValueError if the
shapes disagree. Likelihoods of 8-bit pixels are in `discretized`. The table in `likelihoods` connects the functions to
a decoder, and `losses.reconstruction` offers them by name.
"""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax import limits
from vae_jax.distributions.gaussian import LOG_2PI
from vae_jax.distributions.pixels import Images, Nats, Pred, at_least_float32, match, match_pixels, sum_pixels


def _gaussian(mean: Pred, x: Pred, log_sigma: jax.Array) -> Nats:
    """Return -log N(x; mean, exp(2 log_sigma)), summed over the image."""
    error = (x - mean) * jnp.exp(-log_sigma)
    return sum_pixels(0.5 * jnp.square(error) + log_sigma + 0.5 * LOG_2PI)


def gaussian(pred: Pred, x: Images, *, sigma: float = 1.0) -> Nats:
    """Return -log p(x|z) of a Gaussian with a fixed standard deviation.

    The value is sum_pixels (x - mean)^2 / (2 sigma^2) + ln sigma + ln(2 pi) / 2.

    Args:
        pred: the mean, [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        sigma: standard deviation of a pixel, above 0, in the units of x.

    Returns:
        [*S, B] nats.

    Raises:
        errors.OutOfRange: `sigma` is not above 0.
        ValueError: the shapes disagree.

    References:
        Kingma and Welling, 2014, arXiv 1312.6114, appendix C.
    """
    limits.above(0, sigma=sigma)
    return _gaussian(*match_pixels(pred, x), jnp.log(sigma))


def learned_sigma(pred: Mapping[str, Float[Array, "..."]], x: Images, *, min_log_sigma: float = -6.0) -> Nats:
    """Return -log p(x|z) of a Gaussian whose standard deviation is a parameter of the model (sigma-VAE).

    The standard deviation is given by ln sigma = m + softplus(log_sigma - m) with m = min_log_sigma.

    Args:
        pred: {"mean": [*S, B, H, W, C], "log_sigma": [] or an array that broadcasts against the mean}.
        x: images, [B, H, W, C].
        min_log_sigma: soft lower bound of ln sigma.

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Rybkin et al., 2021, arXiv 2006.13202.
    """
    mean, x = match(pred["mean"], x)
    log_sigma = min_log_sigma + jax.nn.softplus(at_least_float32(pred["log_sigma"]) - min_log_sigma)
    return _gaussian(mean, x, jnp.broadcast_to(log_sigma, mean.shape))


def optimal_sigma(pred: Pred, x: Images, *, min_log_sigma: float = -6.0) -> Nats:
    """Return -log p(x|z) of a Gaussian with the standard deviation that is optimal for the batch (optimal sigma-VAE).

    The variance is sigma^2 = mean_{b,h,w,c} (x - mean)^2, so that the mean over the batch is
    P/2 * (ln sigma^2 + 1 + ln 2 pi). The whole batch and all samples share one sigma. The value of an image therefore
    depends on the other images of the batch, and the batch must be the global batch. The gradient through sigma is left
    out; it is zero, because sigma is optimal.

    Args:
        pred: the mean, [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        min_log_sigma: lower bound of ln sigma, which a perfect reconstruction reaches.

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Rybkin et al., 2021, arXiv 2006.13202.
    """
    mean, x = match_pixels(pred, x)
    variance = jax.lax.stop_gradient(jnp.square(x - mean).mean())
    return _gaussian(mean, x, 0.5 * jnp.log(jnp.maximum(variance, math.exp(2.0 * min_log_sigma))))


def laplace(pred: Pred, x: Images, *, scale: float = 1.0) -> Nats:
    """Return -log p(x|z) of a Laplace distribution with a fixed scale.

    The value is sum_pixels |x - median| / scale + ln(2 scale).

    Args:
        pred: the median, [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        scale: above 0, in the units of x; the standard deviation is sqrt(2) * scale.

    Returns:
        [*S, B] nats.

    Raises:
        errors.OutOfRange: `scale` is not above 0.
        ValueError: the shapes disagree.
    """
    limits.above(0, scale=scale)
    pred, x = match_pixels(pred, x)
    return sum_pixels(jnp.abs(x - pred) / scale + jnp.log(2.0 * scale))


def bernoulli(pred: Pred, x: Images) -> Nats:
    """Return -log p(x|z) of a Bernoulli distribution of binary pixels.

    The value is sum_pixels softplus(l) - x l, the cross-entropy of x in {0, 1} with the probability sigmoid(l). Grey
    pixels in [0, 1] are accepted, as is common, but the value is then no negative log density of x;
    `continuous_bernoulli` is one.

    Args:
        pred: logits l, [*S, B, H, W, C].
        x: images, [B, H, W, C], in [0, 1].

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Kingma and Welling, 2014, arXiv 1312.6114, appendix C.
    """
    logits, x = match_pixels(pred, x)
    return sum_pixels(jax.nn.softplus(logits) - x * logits)


def continuous_bernoulli(pred: Pred, x: Images) -> Nats:
    """Return -log p(x|z) of a continuous Bernoulli distribution, a density of grey pixels in [0, 1].

    The value is sum_pixels softplus(l) - x l - ln C(l) with C(l) = l / tanh(l / 2).

    Args:
        pred: logits l, [*S, B, H, W, C].
        x: images, [B, H, W, C], in [0, 1].

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Loaiza-Ganem and Cunningham, 2019, arXiv 1907.06845.
    """
    logits, x = match_pixels(pred, x)
    return sum_pixels(jax.nn.softplus(logits) - x * logits - _log_continuous_normalizer(logits))


def _log_continuous_normalizer(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return ln(l / tanh(l / 2)), by a series near 0, where the closed form is 0 / 0."""
    near_zero = jnp.abs(logits) < 0.2
    square = jnp.where(near_zero, jnp.square(logits), 0.0)
    series = math.log(2.0) + square / 12.0 - 7.0 * jnp.square(square) / 1440.0
    size = jnp.where(near_zero, 1.0, jnp.abs(logits))  # both branches must be finite: NaN * 0 is NaN
    return jnp.where(near_zero, series, jnp.log(size) - jnp.log(jnp.tanh(0.5 * size)))


def continuous_bernoulli_mean(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the mean of a continuous Bernoulli distribution, 1 / (1 - exp(-l)) - 1 / l, which is not sigmoid(l).

    Args:
        logits: l, of any shape.

    Returns:
        The mean of each pixel, in (0, 1), of the same shape.
    """
    near_zero = jnp.abs(logits) < 0.2
    small = jnp.where(near_zero, logits, 0.0)
    large = jnp.where(near_zero, 1.0, logits)
    series = 0.5 + small / 12.0 - small**3 / 720.0
    return jnp.where(near_zero, series, 0.5 + 0.5 / jnp.tanh(0.5 * large) - 1.0 / large)
