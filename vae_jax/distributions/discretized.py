"""Likelihoods that are probabilities of 8-bit pixels: the discretised logistic, and a mixture of such logistics.

A pixel is x = 2 u / 255 - 1 for u = 0, ..., 255. Its probability is the mass of a logistic distribution on the interval
of width 2/255 around x; the first and the last interval reach to infinity. Images must not be dequantised. The values
are in nats, summed over the image. The functions `split_*` turn a decoder's raw output into the parameters of a
likelihood. Densities are in `densities`; the table in `likelihoods` connects the functions to a decoder.
"""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.distributions.pixels import Images, Nats, at_least_float32, match, sum_pixels

HALF_BIN = 1.0 / 255.0
MIN_LOG_SCALE = -7.0  # a scale of 0.12 grey levels, which puts all but a few per cent of the mass in one bin

Parameters = Mapping[str, Float[Array, "..."]]


def discretized_logistic(pred: Parameters, x: Images) -> Nats:
    """Return -log P(x|z) of a logistic distribution discretised to 256 grey levels.

    The value is -sum_pixels log[sigmoid((x - m + h) / s) - sigmoid((x - m - h) / s)] with h = 1 / 255.

    Args:
        pred: {"mean": m, [*S, B, H, W, C], "log_scale": ln s, of the same shape or []}; ln s is clipped at -7.
        x: images, [B, H, W, C], in [-1, 1].

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Kingma et al., 2016, arXiv 1606.04934.
    """
    mean, x = match(pred["mean"], x)
    log_scale = jnp.broadcast_to(at_least_float32(pred["log_scale"]), mean.shape)
    return -sum_pixels(_log_mass(x, mean, log_scale))


def discretized_logistic_mixture(pred: Parameters, x: Images) -> Nats:
    """Return -log P(x|z) of a mixture of discretised logistic distributions of each pixel (PixelCNN++).

    The value is -sum_{h,w} log sum_m pi_m prod_c P(x_c; m_{m,c} + sum_{j<c} a_{m,c,j} x_j, s_{m,c}). All channels of a
    pixel have the same component, and the mean of a channel depends on the channels before it.

    Args:
        pred: {"logits": log pi up to a constant, [*S, B, H, W, M],
            "mean" and "log_scale": m and ln s, [*S, B, H, W, M, C]; ln s is clipped at -7,
            "coupling": a_{c,j}, row by row, [*S, B, H, W, M, C (C - 1) / 2]}.
        x: images, [B, H, W, C], in [-1, 1].

    Returns:
        [*S, B] nats.

    Raises:
        ValueError: the shapes disagree.

    References:
        Salimans et al., 2017, arXiv 1701.05517.
    """
    logits, mean, log_scale = (at_least_float32(pred[name]) for name in ("logits", "mean", "log_scale"))
    if jnp.shape(x) != mean.shape[-5:-2] + mean.shape[-1:] or logits.shape != mean.shape[:-1]:
        raise ValueError(f"mixture means {mean.shape} and logits {logits.shape} do not fit x {jnp.shape(x)}")
    x = jnp.broadcast_to(jnp.expand_dims(at_least_float32(x), -2), mean.shape)
    mass = _log_mass(x, _coupled(mean, pred["coupling"], x), log_scale).sum(-1)  # [*S, B, H, W, M]
    return -jax.nn.logsumexp(jax.nn.log_softmax(logits) + mass, axis=-1).sum((-2, -1))


def _log_mass(x: Float[Array, "*P"], mean: Float[Array, "*P"], log_scale: Float[Array, "*P"]) -> Float[Array, "*P"]:
    """Return the log of a logistic distribution's mass on [x - h, x + h].

    The difference sigmoid(a) - sigmoid(b) is written as sigmoid(a) sigmoid(-b) (1 - e^(b-a)). Its log is exact where
    the mass underflows, so that the density at the bin's centre is not needed as an approximation.
    """
    log_scale = jnp.maximum(log_scale, MIN_LOG_SCALE)
    inverse = jnp.exp(-log_scale)
    log_below = -jax.nn.softplus(-(x - mean + HALF_BIN) * inverse)  # log of the mass left of x + h
    log_above = -jax.nn.softplus((x - mean - HALF_BIN) * inverse)  # log of the mass right of x - h
    inside = log_below + log_above + _log1mexp(math.log(2.0 * HALF_BIN) - log_scale)
    return jnp.where(x < HALF_BIN - 1.0, log_below, jnp.where(x > 1.0 - HALF_BIN, log_above, inside))


def _log1mexp(log_y: Float[Array, "*P"]) -> Float[Array, "*P"]:
    """Return ln(1 - exp(-y)) for a given ln y, by a series for small y."""
    small = log_y < -5.0
    y = jnp.exp(jnp.where(small, log_y, 0.0))
    large = jnp.log(-jnp.expm1(-jnp.exp(jnp.where(small, 0.0, log_y))))
    return jnp.where(small, log_y - y / 2.0 + jnp.square(y) / 24.0, large)


def _coupled(
    mean: Float[Array, "*P M C"], coupling: Float[Array, "*P M J"], x: Float[Array, "*P M C"] | None
) -> Float[Array, "*P M C"]:
    """Return the mean of each channel given the channels before it, which are those of x, or the means if x is None."""
    channels = []
    for c in range(mean.shape[-1]):
        channel = mean[..., c]
        for j in range(c):
            before = channels[j] if x is None else x[..., j]
            channel = channel + coupling[..., c * (c - 1) // 2 + j] * before
        channels.append(channel)
    return jnp.stack(channels, axis=-1)


def split_logistic(raw: Float[Array, "*P R"]) -> dict[str, Float[Array, "*P C"]]:
    """Return the parameters of `discretized_logistic` from a decoder's raw output [..., 2 C]."""
    mean, log_scale = jnp.split(raw, 2, axis=-1)
    return {"mean": mean, "log_scale": log_scale}


def mixture_channels(channels: int, num_components: int) -> int:
    """Return the channels of the raw output that `split_mixture` takes, M (1 + 2 C + C (C - 1) / 2).

    A component has 10 numbers for a pixel of three channels, and 3 for a grey pixel.

    Args:
        channels: C, channels of the images.
        num_components: M, components of the mixture.
    """
    return num_components * (channels + 1) * (channels + 2) // 2


def split_mixture(raw: Float[Array, "*P R"], num_components: int) -> dict[str, Float[Array, "..."]]:
    """Return the parameters of `discretized_logistic_mixture` from a decoder's raw output.

    Args:
        raw: [..., mixture_channels(C, M)].
        num_components: M, components of the mixture.

    Returns:
        {"logits": [..., M], "mean" and "log_scale": [..., M, C], "coupling": [..., M, C (C - 1) / 2]}.
    """
    raw = raw.reshape(*raw.shape[:-1], num_components, -1)
    channels = next(c for c in range(1, raw.shape[-1]) if (c + 1) * (c + 2) // 2 == raw.shape[-1])
    logits, mean, log_scale, coupling = jnp.split(raw, (1, 1 + channels, 1 + 2 * channels), axis=-1)
    return {"logits": logits[..., 0], "mean": mean, "log_scale": log_scale, "coupling": jnp.tanh(coupling)}


def mixture_mean(pred: Parameters) -> Float[Array, "..."]:
    """Return the weighted mean of the components' means, clipped to [-1, 1], [..., H, W, C].

    Args:
        pred: the parameters that `discretized_logistic_mixture` takes.
    """
    weights = jnp.expand_dims(jax.nn.softmax(pred["logits"]), -1)
    means = jnp.clip(_coupled(pred["mean"], pred["coupling"], None), -1.0, 1.0)
    return jnp.clip((weights * means).sum(-2), -1.0, 1.0)  # the weights sum to 1 up to rounding errors
