"""Functions of modified Bessel functions that the von Mises-Fisher distribution on a sphere in R^dim needs.

With v = dim / 2 - 1 and I the modified Bessel function of the first kind, this module has the ratio
A = I_{v+1}(k) / I_v(k), which is the mean cosine, the log normaliser, and the KL divergence to the uniform
distribution. All of them are finite with finite gradients for 0 <= k <= 1e5 and 2 <= dim <= 100 in float32.
Only `von_mises_fisher` and `sphere_angle` use the module.

Method: the uniform expansion for large orders starts at order v + 16, where it is accurate for every k, and the
recurrence I_{j-1} = (2j / k) I_j + I_{j+1} goes down from there. The recurrence carries the ratio r as well as
1 - r, because float32 cannot recover 1 - r from r when k is large.

Reference: NIST Digital Library of Mathematical Functions, 10.29.1 and 10.41.3.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

EXTRA_ORDERS = 16  # orders above v at which the expansion starts; its relative error there is below 1e-6


class Ratio(NamedTuple):
    """The Bessel ratio A of order v and what the recurrence finds on its way; each has the shape of k."""

    value: jax.Array  # A
    complement: jax.Array  # 1 - A
    log_rest: jax.Array  # ln 0F1(; dim / 2; k^2 / 4) - k * slope
    slope: jax.Array  # z / (1 + sqrt(1 + z^2)) with z = k / (v + EXTRA_ORDERS)
    slope_complement: jax.Array  # 1 - slope


def _expansion_sum(order: float, t: jax.Array) -> jax.Array:
    """Return u_1(t) / order + u_2(t) / order^2 + u_3(t) / order^3 of the expansion for large orders."""
    square = t * t
    first = (3.0 - 5.0 * square) * t / (24.0 * order)
    second = (81.0 - 462.0 * square + 385.0 * square**2) * square / (1152.0 * order**2)
    third = (30375.0 - 369603.0 * square + 765765.0 * square**2 - 425425.0 * square**3) * t * square
    return first + second + third / (414720.0 * order**3)


def _ratio(dim: int, k: jax.Array) -> Ratio:
    order = dim / 2.0 - 1.0 + EXTRA_ORDERS
    z = k / order
    root = jnp.sqrt(1.0 + z * z)
    t = 1.0 / root
    slope, slope_complement = z / (1.0 + root), (1.0 + 1.0 / (root + z)) / (1.0 + root)
    correction = z * t**3 * (5.0 * t * t - 1.0) / (8.0 * order**2) - z * t * t / (2.0 * order)
    value, complement = slope + correction, slope_complement - correction

    at_zero = _expansion_sum(order, jnp.ones(()))  # the same expansion at k = 0, so that ln 0F1 is zero there
    log_rest = jnp.log1p((_expansion_sum(order, t) - at_zero) / (1.0 + at_zero))
    log_rest -= order * jnp.log1p(z * z / (2.0 * (1.0 + root))) + 0.25 * jnp.log1p(z * z)
    for step in range(EXTRA_ORDERS):
        twice = 2.0 * (order - step)
        log_rest += jnp.log1p(k * value / twice)
        divisor = twice + k * value
        value, complement = k / divisor, (twice - k * complement) / divisor
    return Ratio(value, complement, log_rest, slope, slope_complement)


def mean_cosine(dim: int, k: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return A = I_{dim/2}(k) / I_{dim/2-1}(k) and 1 - A, each accurate where it is small.

    Args:
        dim: dimension of the space that holds the sphere, at least 2.
        k: concentration, any shape, not negative.
    """
    ratio = _ratio(dim, k)
    return ratio.value, ratio.complement


def _mean_cosine_derivative(dim: int, k: jax.Array) -> jax.Array:
    """Return dA / dk, which is 1 - A^2 - (dim - 1) A / k without the cancellation of that formula."""
    (value, _), (rising, falling) = jax.jvp(functools.partial(mean_cosine, dim), (k,), (jnp.ones_like(k),))
    return jnp.where(value < 0.5, rising, -falling)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def log_mean_exp(dim: int, k: jax.Array) -> jax.Array:
    """Return ln E[exp(k (cosine - 1))] for a cosine of a uniform point on the sphere in R^dim.

    The value is ln 0F1(; dim / 2; k^2 / 4) - k; its derivative is A - 1.
    """
    ratio = _ratio(dim, k)
    return ratio.log_rest - k * ratio.slope_complement


@log_mean_exp.defjvp
def _log_mean_exp_jvp(dim, primals, tangents):
    _, complement = mean_cosine(dim, *primals)
    return log_mean_exp(dim, *primals), -complement * tangents[0]


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def kl_to_uniform(dim: int, k: jax.Array) -> jax.Array:
    """Return KL(vMF(k) || uniform) = k A - ln 0F1(; dim / 2; k^2 / 4) in nats; its derivative is k dA/dk."""
    ratio = _ratio(dim, k)
    near, far = ratio.value - ratio.slope, ratio.slope_complement - ratio.complement  # equal but for rounding
    return k * jnp.where(ratio.value < 0.5, near, far) - ratio.log_rest


@kl_to_uniform.defjvp
def _kl_to_uniform_jvp(dim, primals, tangents):
    (k,) = primals
    return kl_to_uniform(dim, k), k * _mean_cosine_derivative(dim, k) * tangents[0]
