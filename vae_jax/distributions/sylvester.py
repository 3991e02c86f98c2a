"""The Sylvester transform: a planar transform with M hidden units and an orthogonal frame.

Reference: van den Berg et al., 2018, Sylvester normalizing flows, arXiv 1803.05649.
"""

import dataclasses

import jax
import jax.numpy as jnp

from vae_jax.distributions.pixels import at_least_float32
from vae_jax.distributions.planar import solve_tanh_equation
from vae_jax.distributions.shapes import match_trailing


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sylvester:
    """z' = z + Q R tanh(S Q^T z + bias).

    Q [D, M] is the first M columns of a product of H Householder reflections. R and S [M, M] are the upper triangles
    of the raw matrices, with tanh of the raw diagonals, so that 1 + tanh' R_mm S_mm is positive. The transform is the
    identity where `outer` is zero.

    Args:
        reflections: normals of the reflections, not zero, [B, H, D] or [H, D].
        outer: raw R, [B, M, M] or [M, M], with M of at most D.
        inner: raw S, of the same shape.
        bias: [B, M] or [M].
    """

    reflections: jax.Array
    outer: jax.Array
    inner: jax.Array
    bias: jax.Array

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z' and sum_m ln(1 + tanh'_m R_mm S_mm)."""
        z = at_least_float32(z)
        outer, inner, bias = self._constrained(z.shape)
        tanh = jnp.tanh(_matvec(inner, self._to_frame(z)) + bias)
        return z + self._from_frame(_matvec(outer, tanh), z.shape), _log_det(outer, inner, tanh)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z and the log determinant of the inverse; the last hidden unit is solved for first."""
        z = at_least_float32(z)
        outer, inner, bias = self._constrained(z.shape)
        image = self._to_frame(z)
        units = bias.shape[-1]
        coordinate, tanh = [jnp.zeros_like(image[..., 0])] * units, [jnp.zeros_like(image[..., 0])] * units
        for m in reversed(range(units)):
            later = range(m + 1, units)
            offset = sum((inner[..., m, n] * coordinate[n] for n in later), start=bias[..., m])
            target = image[..., m] - sum((outer[..., m, n] * tanh[n] for n in later), start=jnp.zeros_like(offset))
            coordinate[m] = solve_tanh_equation(outer[..., m, m], inner[..., m, m], offset, target)
            tanh[m] = jnp.tanh(inner[..., m, m] * coordinate[m] + offset)
        stacked = jnp.stack(tanh, axis=-1)
        return z - self._from_frame(_matvec(outer, stacked), z.shape), -_log_det(outer, inner, stacked)

    def _constrained(self, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return R, S [*S, B, M, M] and the bias [*S, B, M]."""
        bias = at_least_float32(self.bias)
        units, lead = bias.shape[-1], shape[:-1]
        square = (*lead, units, units)
        outer, inner = (match_trailing(_triangular(at_least_float32(raw)), square) for raw in (self.outer, self.inner))
        return outer, inner, match_trailing(bias, (*lead, units))

    def _to_frame(self, z: jax.Array) -> jax.Array:
        """Return Q^T z, [*S, B, M]."""
        for h in range(jnp.shape(self.reflections)[-2]):
            z = self._reflect(h, z)
        return z[..., : jnp.shape(self.bias)[-1]]

    def _from_frame(self, y: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Return Q y, [*S, B, D]."""
        z = jnp.concatenate([y, jnp.zeros((*shape[:-1], shape[-1] - y.shape[-1]), y.dtype)], axis=-1)
        for h in reversed(range(jnp.shape(self.reflections)[-2])):
            z = self._reflect(h, z)
        return z

    def _reflect(self, h: int, z: jax.Array) -> jax.Array:
        normal = match_trailing(at_least_float32(self.reflections)[..., h, :], z.shape)
        square = jnp.maximum(jnp.square(normal).sum(-1, keepdims=True), 1e-12)
        return z - 2.0 * normal * (normal * z).sum(-1, keepdims=True) / square


def _triangular(raw: jax.Array) -> jax.Array:
    diagonal = jnp.tanh(jnp.diagonal(raw, axis1=-2, axis2=-1))
    return jnp.triu(raw, 1) + diagonal[..., None] * match_trailing(jnp.eye(raw.shape[-1], dtype=raw.dtype), raw.shape)


def _matvec(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    return (matrix * vector[..., None, :]).sum(-1)


def _log_det(outer: jax.Array, inner: jax.Array, tanh: jax.Array) -> jax.Array:
    product = jnp.diagonal(outer, axis1=-2, axis2=-1) * jnp.diagonal(inner, axis1=-2, axis2=-1)
    return jnp.log1p((1.0 - jnp.square(tanh)) * product).sum(-1)
