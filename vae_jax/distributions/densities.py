"""Likelihoods of a pixel that are densities: -log p(x|z) in nats, constants included, summed over the image.

Every function takes a mean or logits [*S, B, H, W, C], or a tree with them, and x [B, H, W, C]; it returns
[*S, B] and raises ValueError where the shapes disagree. For the discretised logistic see `discretized`.
"""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from vae_jax import limits
from vae_jax.distributions.gaussian import LOG_2PI
from vae_jax.distributions.pixels import at_least_float32, match, match_pixels, sum_pixels


def _gaussian(mean: jax.Array, x: jax.Array, log_sigma: jax.Array) -> jax.Array:
    error = (x - mean) * jnp.exp(-log_sigma)
    return sum_pixels(0.5 * jnp.square(error) + log_sigma + 0.5 * LOG_2PI)


def gaussian(pred: jax.Array, x: jax.Array, *, sigma: float = 1.0) -> jax.Array:
    """sum_pixels (x - mean)^2 / (2 sigma^2) + ln sigma + ln(2 pi) / 2.

    Args:
        pred: the mean, [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        sigma: standard deviation of a pixel, in the units of x.

    Reference: Kingma and Welling, 2014, arXiv 1312.6114, appendix C.
    """
    limits.above(0, sigma=sigma)
    return _gaussian(*match_pixels(pred, x), jnp.log(sigma))


def learned_sigma(pred: Mapping[str, jax.Array], x: jax.Array, *, min_log_sigma: float = -6.0) -> jax.Array:
    """The Gaussian whose one sigma is learned: ln sigma = m + softplus(log_sigma - m), m = min_log_sigma.

    Args:
        pred: {"mean": [*S, B, H, W, C], "log_sigma": [], or whatever broadcasts against the mean}.
        x: images, [B, H, W, C].
        min_log_sigma: soft lower bound of ln sigma.

    Reference: Rybkin et al., 2021, arXiv 2006.13202.
    """
    mean, x = match(pred["mean"], x)
    log_sigma = min_log_sigma + jax.nn.softplus(at_least_float32(pred["log_sigma"]) - min_log_sigma)
    return _gaussian(mean, x, jnp.broadcast_to(log_sigma, mean.shape))


def optimal_sigma(pred: jax.Array, x: jax.Array, *, min_log_sigma: float = -6.0) -> jax.Array:
    """The Gaussian under its best sigma^2 = mean_{b,h,w,c} (x - mean)^2.

    The mean over the batch is P/2 * (ln sigma^2 + 1 + ln 2 pi). Sigma is one for the batch and all samples, so
    that a value depends on the images beside it: the batch must be the global one. No gradient flows through
    sigma, nor would any by the envelope theorem.

    Args:
        pred: the mean, [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        min_log_sigma: lower bound of ln sigma, for a perfect reconstruction.

    Reference: Rybkin et al., 2021, arXiv 2006.13202.
    """
    mean, x = match_pixels(pred, x)
    variance = jax.lax.stop_gradient(jnp.square(x - mean).mean())
    return _gaussian(mean, x, 0.5 * jnp.log(jnp.maximum(variance, math.exp(2.0 * min_log_sigma))))


def laplace(pred: jax.Array, x: jax.Array, *, scale: float = 1.0) -> jax.Array:
    """sum_pixels |x - median| / scale + ln(2 scale).

    Args:
        pred: the median, [*S, B, H, W, C], in the data's range.
        x: images, [B, H, W, C].
        scale: in the units of x; the standard deviation is sqrt(2) times as large.
    """
    limits.above(0, scale=scale)
    pred, x = match_pixels(pred, x)
    return sum_pixels(jnp.abs(x - pred) / scale + jnp.log(2.0 * scale))


def bernoulli(pred: jax.Array, x: jax.Array) -> jax.Array:
    """sum_pixels softplus(l) - x l, the cross-entropy of x in {0, 1} with probability sigmoid(l).

    Grey x in [0, 1] is let pass, as is the custom, but then this is no density of x: see `continuous_bernoulli`.

    Args:
        pred: logits l, [*S, B, H, W, C].
        x: images, [B, H, W, C], in [0, 1].

    Reference: Kingma and Welling, 2014, arXiv 1312.6114, appendix C.
    """
    logits, x = match_pixels(pred, x)
    return sum_pixels(jax.nn.softplus(logits) - x * logits)


def continuous_bernoulli(pred: jax.Array, x: jax.Array) -> jax.Array:
    """sum_pixels softplus(l) - x l - ln C(l), C(l) = l / tanh(l / 2): a density of grey x on [0, 1].

    Args:
        pred: logits l, [*S, B, H, W, C].
        x: images, [B, H, W, C], in [0, 1].

    Reference: Loaiza-Ganem and Cunningham, 2019, arXiv 1907.06845.
    """
    logits, x = match_pixels(pred, x)
    return sum_pixels(jax.nn.softplus(logits) - x * logits - _log_continuous_normalizer(logits))


def _log_continuous_normalizer(logits: jax.Array) -> jax.Array:
    """ln(l / tanh(l / 2)), by its series where the closed form is 0 / 0."""
    near_zero = jnp.abs(logits) < 0.2
    square = jnp.where(near_zero, jnp.square(logits), 0.0)
    series = math.log(2.0) + square / 12.0 - 7.0 * jnp.square(square) / 1440.0
    size = jnp.where(near_zero, 1.0, jnp.abs(logits))  # both branches must be finite: NaN * 0 is NaN
    return jnp.where(near_zero, series, jnp.log(size) - jnp.log(jnp.tanh(0.5 * size)))


def continuous_bernoulli_mean(logits: jax.Array) -> jax.Array:
    """E[x] = 1 / (1 - exp(-l)) - 1 / l, which is not sigmoid(l): the picture of a continuous Bernoulli."""
    near_zero = jnp.abs(logits) < 0.2
    small = jnp.where(near_zero, logits, 0.0)
    large = jnp.where(near_zero, 1.0, logits)
    series = 0.5 + small / 12.0 - small**3 / 720.0
    return jnp.where(near_zero, series, 0.5 + 0.5 / jnp.tanh(0.5 * large) - 1.0 / large)
