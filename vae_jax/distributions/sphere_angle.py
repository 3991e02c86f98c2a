"""The angle between a von Mises-Fisher sample and the mean direction: a sampler, differentiable in the concentration.

The angle has the density g(angle) = exp(-k (1 - cos angle)) sin(angle)^(dim - 2), up to a constant, on [0, pi].
This module works with the angle, and with 1 - cosine in place of the cosine, because the cosine of a concentrated
sample rounds to 1 in float32. Only `von_mises_fisher` uses the module.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions import bessel
from vae_jax.random import fold_in_name

PROPOSALS = 32  # a proposal is accepted with probability 0.65 or more; all of 32 fail with probability below 1e-14
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def sample_angle(key: jax.Array, dim: int, k: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return angles from the density g, differentiable in k by implicit reparameterisation.

    Args:
        key: PRNG key.
        dim: dimension of the space that holds the sphere, at least 2.
        k: concentration, of the given shape.
        shape: shape of the result.

    References:
        Wood, 1994, Simulation of the von Mises Fisher distribution. Figurnov et al., 2018, arXiv 1805.08498.
    """
    angle = _rejection_sample(key, dim, jax.lax.stop_gradient(k), shape)
    return _implicit(dim, jax.lax.stop_gradient(angle), k)


def _rejection_sample(key: jax.Array, dim: int, k: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return the first accepted of PROPOSALS angles that Wood's envelope proposes."""
    envelope = (dim - 1.0) / (2.0 * k + jnp.sqrt(4.0 * k * k + (dim - 1.0) ** 2))
    share, rest = _symmetric_beta(fold_in_name(key, "proposal"), dim, (PROPOSALS, *shape), k.dtype)
    envelope = jnp.broadcast_to(envelope, share.shape)
    divisor = rest + envelope * share
    below_one = 2.0 * envelope * share / divisor  # 1 - cosine of each proposal

    centre = (1.0 - envelope) / (1.0 + envelope)
    gap = 2.0 * envelope / (1.0 + envelope)  # 1 - centre
    log_accept = jnp.broadcast_to(k, share.shape) * (gap - below_one)
    log_accept += (dim - 1.0) * (jnp.log1p(centre * below_one / gap) - jnp.log1p(centre))
    accepted = log_accept >= jnp.log(jax.random.uniform(fold_in_name(key, "accept"), share.shape, k.dtype))

    angle = 2.0 * jnp.arctan(jnp.sqrt(envelope * share / rest))
    first = jnp.argmax(accepted, axis=0)[None]
    return jnp.take_along_axis(angle, first, axis=0)[0]


def _symmetric_beta(key: jax.Array, dim: int, shape: tuple[int, ...], dtype) -> tuple[jax.Array, jax.Array]:
    """Return e from Beta((dim - 1) / 2, (dim - 1) / 2), and 1 - e, each accurate where it is small.

    e = (1 + radius cos(phase)) / 2 with radius^2 = 1 - u^(2 / (dim - 2)), and radius 1 on the circle.

    Reference: Ulrich, 1984, Computer generation of distributions on the m-sphere, section 3.
    """
    half_phase = math.pi * jax.random.uniform(fold_in_name(key, "phase"), shape, dtype)
    if dim == 2:
        return jnp.square(jnp.cos(half_phase)), jnp.square(jnp.sin(half_phase))
    uniform = jax.random.uniform(fold_in_name(key, "radius"), shape, dtype, minval=jnp.finfo(dtype).tiny)
    exponent = 2.0 / (dim - 2.0)
    radius = jnp.sqrt(-jnp.expm1(exponent * jnp.log(uniform)))
    edge = 0.5 * uniform**exponent / (1.0 + radius)  # (1 - radius) / 2
    return edge + radius * jnp.square(jnp.cos(half_phase)), edge + radius * jnp.square(jnp.sin(half_phase))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _implicit(dim: int, angle: jax.Array, k: jax.Array) -> jax.Array:
    """Return the angle, with the derivative in k of a sample at a fixed value of the distribution function."""
    del dim, k
    return angle


@_implicit.defjvp
def _implicit_jvp(dim, primals, tangents):
    angle, k = primals
    return angle, tangents[0] + _angle_derivative(dim, angle, k) * tangents[1]


def _angle_derivative(dim: int, angle: jax.Array, k: jax.Array) -> jax.Array:
    """Return d angle / dk = -(integral of (cos t - A) g(t) from 0 to the angle) / g(angle), A the mean cosine.

    The integral over [0, pi] is zero, so the integral runs over whichever side of the angle has an integrand of one
    sign. Above the angle g falls like a Gamma density of shape (dim - 1) / 2 and rate k in 1 - cosine; the far end of
    the integral lies 25 scales and 10 standard deviations out, where less than exp(-25) of the integral remains.
    """
    _, complement = bessel.mean_cosine(dim, k)
    below_one = 2.0 * jnp.square(jnp.sin(0.5 * angle))
    far = below_one + (25.0 + 10.0 * math.sqrt(dim)) / k
    end = jnp.where(below_one < complement, 0.0, 2.0 * jnp.arcsin(jnp.sqrt(jnp.minimum(0.5 * far, 1.0))))

    def integrand(node: jax.Array) -> jax.Array:
        at = end + (angle - end) * node
        log_ratio = 2.0 * k * jnp.sin(0.5 * (angle - at)) * jnp.sin(0.5 * (angle + at))
        log_ratio += (dim - 2.0) * jnp.log(jnp.abs(jnp.sin(at) / jnp.sin(angle)))
        return jnp.abs(complement - 2.0 * jnp.square(jnp.sin(0.5 * at))) * jnp.exp(log_ratio)

    values = jax.vmap(integrand)(jnp.asarray(0.5 * (1.0 + _NODES), angle.dtype))
    return -jnp.abs(angle - end) * jnp.tensordot(jnp.asarray(0.5 * _WEIGHTS, angle.dtype), values, axes=1)
