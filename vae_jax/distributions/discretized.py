"""Likelihoods of 8-bit pixels that are masses: -log P(x|z) in nats, where x = 2 u / 255 - 1 and u = 0, ..., 255.

The probability of a pixel is what a logistic distribution puts on its interval of width 2/255; the first and the
last interval reach to infinity. No dequantisation belongs here.
"""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from vae_jax.distributions.pixels import at_least_float32, match, sum_pixels

HALF_BIN = 1.0 / 255.0
MIN_LOG_SCALE = -7.0  # a scale of 0.12 grey levels: all but a few per cent of the mass in one bin


def discretized_logistic(pred: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
    """-sum_pixels log[sigmoid((x - m + h) / s) - sigmoid((x - m - h) / s)], h = 1 / 255.

    Args:
        pred: {"mean": m, [*S, B, H, W, C]; "log_scale": ln s, the same shape or []}. ln s is at least -7.
        x: images, [B, H, W, C], in [-1, 1].

    Reference: Kingma et al., 2016, arXiv 1606.04934.
    """
    mean, x = match(pred["mean"], x)
    log_scale = jnp.broadcast_to(at_least_float32(pred["log_scale"]), mean.shape)
    return -sum_pixels(_log_mass(x, mean, log_scale))


def discretized_logistic_mixture(pred: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
    """-sum_{h,w} log sum_m pi_m prod_c P(x_c; m_{m,c} + sum_{j<c} a_{m,c,j} x_j, s_{m,c}).

    A component is chosen for a pixel as a whole, and the mean of a channel depends on the channels before it.

    Args:
        pred: {"logits": of pi, [*S, B, H, W, M]; "mean" and "log_scale": [*S, B, H, W, M, C];
            "coupling": the a_{c,j}, row by row, [*S, B, H, W, M, C (C - 1) / 2]}.
        x: images, [B, H, W, C], in [-1, 1].

    Reference: Salimans et al., 2017, arXiv 1701.05517.
    """
    logits, mean, log_scale = (at_least_float32(pred[name]) for name in ("logits", "mean", "log_scale"))
    if jnp.shape(x) != mean.shape[-5:-2] + mean.shape[-1:] or logits.shape != mean.shape[:-1]:
        raise ValueError(f"mixture means {mean.shape} and logits {logits.shape} do not fit x {jnp.shape(x)}")
    x = jnp.broadcast_to(jnp.expand_dims(at_least_float32(x), -2), mean.shape)
    mass = _log_mass(x, _coupled(mean, pred["coupling"], x), log_scale).sum(-1)  # [*S, B, H, W, M]
    return -jax.nn.logsumexp(jax.nn.log_softmax(logits) + mass, axis=-1).sum((-2, -1))


def _log_mass(x: jax.Array, mean: jax.Array, log_scale: jax.Array) -> jax.Array:
    """log of a logistic's mass on [x - h, x + h], from sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - e^(b-a)).

    Exact where the mass underflows: no switch to the density at the bin's centre is needed.
    """
    log_scale = jnp.maximum(log_scale, MIN_LOG_SCALE)
    inverse = jnp.exp(-log_scale)
    log_below = -jax.nn.softplus(-(x - mean + HALF_BIN) * inverse)  # log of the mass left of x + h
    log_above = -jax.nn.softplus((x - mean - HALF_BIN) * inverse)  # log of the mass right of x - h
    inside = log_below + log_above + _log1mexp(math.log(2.0 * HALF_BIN) - log_scale)
    return jnp.where(x < HALF_BIN - 1.0, log_below, jnp.where(x > 1.0 - HALF_BIN, log_above, inside))


def _log1mexp(log_y: jax.Array) -> jax.Array:
    """ln(1 - exp(-y)) from ln y, by its series where y would be lost beside 1."""
    small = log_y < -5.0
    y = jnp.exp(jnp.where(small, log_y, 0.0))
    large = jnp.log(-jnp.expm1(-jnp.exp(jnp.where(small, 0.0, log_y))))
    return jnp.where(small, log_y - y / 2.0 + jnp.square(y) / 24.0, large)


def _coupled(mean: jax.Array, coupling: jax.Array, x: jax.Array | None) -> jax.Array:
    """Means of the channels [..., M, C], each given those before it: in x, or, where x is None, in the mean."""
    channels = []
    for c in range(mean.shape[-1]):
        channel = mean[..., c]
        for j in range(c):
            before = channels[j] if x is None else x[..., j]
            channel = channel + coupling[..., c * (c - 1) // 2 + j] * before
        channels.append(channel)
    return jnp.stack(channels, axis=-1)


def split_logistic(raw: jax.Array) -> dict[str, jax.Array]:
    """Raw decoder output [..., 2 C] -> the tree that `discretized_logistic` takes."""
    mean, log_scale = jnp.split(raw, 2, axis=-1)
    return {"mean": mean, "log_scale": log_scale}


def mixture_channels(channels: int, num_components: int) -> int:
    """M (1 + 2 C + C (C - 1) / 2): 10 numbers a component for RGB, 3 for grey."""
    return num_components * (channels + 1) * (channels + 2) // 2


def split_mixture(raw: jax.Array, num_components: int) -> dict[str, jax.Array]:
    """Raw decoder output [..., mixture_channels(C, M)] -> the tree that `discretized_logistic_mixture` takes."""
    raw = raw.reshape(*raw.shape[:-1], num_components, -1)
    channels = next(c for c in range(1, raw.shape[-1]) if (c + 1) * (c + 2) // 2 == raw.shape[-1])
    logits, mean, log_scale, coupling = jnp.split(raw, (1, 1 + channels, 1 + 2 * channels), axis=-1)
    return {"logits": logits[..., 0], "mean": mean, "log_scale": log_scale, "coupling": jnp.tanh(coupling)}


def mixture_mean(pred: Mapping[str, jax.Array]) -> jax.Array:
    """sum_m pi_m (coupled mean of component m), cut to [-1, 1]: [..., H, W, C]."""
    weights = jnp.expand_dims(jax.nn.softmax(pred["logits"]), -1)
    means = jnp.clip(_coupled(pred["mean"], pred["coupling"], None), -1.0, 1.0)
    return jnp.clip((weights * means).sum(-2), -1.0, 1.0)  # the weights' rounding
