"""Planar and radial transforms, with constraints that make them invertible for all parameter values.

Parameters have a leading batch axis in a posterior and none in a prior. The inverse of the planar transform is one
scalar equation, which `sylvester` solves as well.

Reference: Rezende and Mohamed, 2015, Variational inference with normalizing flows, arXiv 1505.05770, appendix A.
"""

import dataclasses

import jax
import jax.numpy as jnp

from vae_jax.distributions.pixels import at_least_float32
from vae_jax.distributions.shapes import match_trailing

BISECTIONS = 32
SMALLEST_SLOPE = 1e-6  # of a planar transform across its plane, so that the inverse stays finite in float32
_TINY = 1e-12  # keeps 0 / 0 out of the gradients where a vector is exactly zero


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Planar:
    """z' = z + u_hat tanh(w . z + bias), where u_hat is u moved along w until w . u_hat = softplus(w . u) - 1 > -1.

    The transform is the identity where u = 0.5413 w / |w|^2. w must not be zero.

    Args:
        u: raw direction of the displacement, [B, D] or [D].
        w: normal of the plane, of the same shape.
        bias: [B] or [].
    """

    u: jax.Array
    w: jax.Array
    bias: jax.Array

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z' and ln(1 + tanh' w . u_hat), written as ln(tanh^2 + tanh' softplus(w . u)), which is finite."""
        z = at_least_float32(z)
        u_hat, w, bias, slope = self._constrained(z.shape)
        tanh = jnp.tanh((w * z).sum(-1) + bias)
        return z + u_hat * tanh[..., None], _log_det(tanh, slope)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z and the log determinant of the inverse; w . z is the root of a monotone scalar function."""
        z = at_least_float32(z)
        u_hat, w, bias, slope = self._constrained(z.shape)
        along = solve_tanh_equation(slope - 1.0, jnp.ones_like(slope), bias, (w * z).sum(-1))
        tanh = jnp.tanh(along + bias)
        return z - u_hat * tanh[..., None], -_log_det(tanh, slope)

    def _constrained(self, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Return u_hat and w [*S, B, D], the bias and softplus(w . u) = 1 + w . u_hat [*S, B]."""
        u, w = at_least_float32(self.u), at_least_float32(self.w)
        overlap = (w * u).sum(-1)
        slope = jnp.maximum(jax.nn.softplus(overlap), SMALLEST_SLOPE)
        square = jnp.maximum(jnp.square(w).sum(-1), _TINY)
        u_hat = u + ((slope - 1.0 - overlap) / square)[..., None] * w
        bias = match_trailing(at_least_float32(self.bias), shape[:-1])
        return match_trailing(u_hat, shape), match_trailing(w, shape), bias, match_trailing(slope, shape[:-1])


def _log_det(tanh: jax.Array, slope: jax.Array) -> jax.Array:
    square = jnp.square(tanh)
    return jnp.log(square + (1.0 - square) * slope)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Radial:
    """z' = z + beta (z - centre) / (alpha + |z - centre|), alpha = softplus(raw), beta = -alpha + softplus(raw).

    The transform is the identity where raw_beta = raw_alpha.

    Args:
        centre: [B, D] or [D].
        raw_alpha: [B] or [].
        raw_beta: [B] or [].
    """

    centre: jax.Array
    raw_alpha: jax.Array
    raw_beta: jax.Array

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z' and (D - 1) ln(1 + beta h) + ln(1 + alpha beta h^2) with h = 1 / (alpha + |z - centre|)."""
        z = at_least_float32(z)
        centre, alpha, outer = self._constrained(z.shape)
        offset = z - centre
        radius = _norm(offset)
        return centre + offset * _stretch(radius, alpha, outer)[..., None], self._log_det(radius, alpha, outer, z)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z and the log determinant of the inverse; the radius solves a quadratic equation."""
        z = at_least_float32(z)
        centre, alpha, outer = self._constrained(z.shape)
        offset = z - centre
        image = _norm(offset)
        linear, product = outer - image, alpha * image
        root = jnp.sqrt(jnp.square(linear) + 4.0 * product)
        radius = jnp.where(linear > 0.0, 2.0 * product / (root + jnp.abs(linear)), 0.5 * (root + jnp.abs(linear)))
        log_det = self._log_det(radius, alpha, outer, z)
        return centre + offset / _stretch(radius, alpha, outer)[..., None], -log_det

    def _constrained(self, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return the centre [*S, B, D], alpha and alpha + beta, both positive, [*S, B]."""
        raw = (at_least_float32(self.raw_alpha), at_least_float32(self.raw_beta))
        alpha, outer = (match_trailing(jax.nn.softplus(value), shape[:-1]) for value in raw)
        return match_trailing(at_least_float32(self.centre), shape), alpha, outer

    @staticmethod
    def _log_det(radius: jax.Array, alpha: jax.Array, outer: jax.Array, z: jax.Array) -> jax.Array:
        along = radius * (radius + 2.0 * alpha) + alpha * outer  # (1 + alpha beta h^2) / h^2, a sum of positive terms
        log_along = jnp.log(along) - 2.0 * jnp.log(radius + alpha)
        return (z.shape[-1] - 1.0) * jnp.log(_stretch(radius, alpha, outer)) + log_along


def _stretch(radius: jax.Array, alpha: jax.Array, outer: jax.Array) -> jax.Array:
    """Return 1 + beta h, by which the transform stretches a radius, as a ratio of positive numbers."""
    return (radius + outer) / (radius + alpha)


def _norm(offset: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.maximum(jnp.square(offset).sum(-1), _TINY))


def solve_tanh_equation(gain: jax.Array, slope: jax.Array, bias: jax.Array, target: jax.Array) -> jax.Array:
    """Return the root y of y + gain tanh(slope y + bias) = target, where gain * slope > -1 makes the root unique.

    All arguments and the result have one shape. Bisection finds the root; one Newton step then polishes it, and gives
    it the derivatives of the implicit function.
    """

    def bisect(_, bounds):
        low, high = bounds
        middle = 0.5 * (low + high)
        above = middle + gain * jnp.tanh(slope * middle + bias) > target
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    start = (target - jnp.abs(gain), target + jnp.abs(gain))
    low, high = jax.lax.stop_gradient(jax.lax.fori_loop(0, BISECTIONS, bisect, jax.lax.stop_gradient(start)))
    root = 0.5 * (low + high)
    tanh = jnp.tanh(slope * root + bias)
    return root - (root + gain * tanh - target) / (1.0 + gain * slope * (1.0 - jnp.square(tanh)))
