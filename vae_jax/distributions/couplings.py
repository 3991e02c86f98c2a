"""Coupling transforms: one half of the latents is transformed, with parameters that depend on the other half.

Both directions take one evaluation of the network, which suits posteriors and priors. The network is a `conditioner`,
zero at initialisation, at which both couplings are the identity. Swap the halves from one coupling to the next.

References:
    Dinh et al., 2017, Density estimation using Real NVP, arXiv 1605.08803.
    Durkan et al., 2019, Neural spline flows, arXiv 1906.04032.
"""

import dataclasses

import jax
import jax.numpy as jnp

from vae_jax.distributions import spline
from vae_jax.distributions.conditioner import Conditioner, apply_conditioner, init_conditioner
from vae_jax.distributions.pixels import at_least_float32


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class AffineCoupling:
    """b' = b exp(s) + m for half b of the latents; m and s in [-2, 2] depend on half a and on the context.

    Args:
        conditioner: parameters of the network (`init_affine_coupling`).
        context: features, [B, C], or None.
        swap: False transforms the second half of the latents, True the first half.
    """

    conditioner: Conditioner
    context: jax.Array | None = None
    swap: bool = dataclasses.field(default=False, metadata={"static": True})

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z' and the sum of s."""
        a, b = _split(z, self.swap)
        shift, log_scale = self._shift_and_log_scale(a)
        return _join(a, b * jnp.exp(log_scale) + shift, self.swap), log_scale.sum(-1)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z and the log determinant of the inverse."""
        a, b = _split(z, self.swap)
        shift, log_scale = self._shift_and_log_scale(a)
        return _join(a, (b - shift) * jnp.exp(-log_scale), self.swap), -log_scale.sum(-1)

    def _shift_and_log_scale(self, a: jax.Array) -> tuple[jax.Array, jax.Array]:
        shift, raw = jnp.split(apply_conditioner(self.conditioner, a, self.context), 2, axis=-1)
        return shift, 2.0 * jnp.tanh(0.5 * raw)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SplineCoupling:
    """A monotone rational-quadratic spline on [-bound, bound] of each latent of half b, the identity outside.

    Args:
        conditioner: parameters of the network (`init_spline_coupling`).
        context: features, [B, C], or None.
        swap: False transforms the second half of the latents, True the first half.
        bound: end of the spline; latents that follow N(0, 1) need 3 to 5.
    """

    conditioner: Conditioner
    context: jax.Array | None = None
    swap: bool = dataclasses.field(default=False, metadata={"static": True})
    bound: float = dataclasses.field(default=5.0, metadata={"static": True})

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z' and the sum of the log slopes."""
        return self._apply(z, spline.forward)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z and the log determinant of the inverse."""
        return self._apply(z, spline.inverse)

    def _apply(self, z: jax.Array, direction) -> tuple[jax.Array, jax.Array]:
        a, b = _split(z, self.swap)
        raw = apply_conditioner(self.conditioner, a, self.context)
        raw = raw.reshape(*b.shape, raw.shape[-1] // max(b.shape[-1], 1))
        b, log_slope = direction(b, spline.knots(raw, self.bound))
        return _join(a, b, self.swap), log_slope.sum(-1)


def init_affine_coupling(
    key: jax.Array, dim: int, hidden: tuple[int, ...] = (64, 64), context: int = 0, swap: bool = False
) -> Conditioner:
    """Return parameters of the network of an `AffineCoupling` of `dim` latents, with a context of size C or 0."""
    fixed, moved = _halves(dim, swap)
    return init_conditioner(key, fixed, 2 * moved, hidden, context)


def init_spline_coupling(
    key: jax.Array, dim: int, hidden: tuple[int, ...] = (64, 64), context: int = 0, swap: bool = False, bins: int = 8
) -> Conditioner:
    """Return parameters of the network of a `SplineCoupling` of `dim` latents with `bins` bins."""
    fixed, moved = _halves(dim, swap)
    return init_conditioner(key, fixed, moved * (3 * bins - 1), hidden, context)


def _halves(dim: int, swap: bool) -> tuple[int, int]:
    """Return how many latents a coupling keeps and how many it transforms.

    Raises:
        ValueError: there is one latent, which no coupling transforms in both of its positions.
    """
    if dim < 2:
        raise ValueError(f"a coupling needs 2 latents or more, not {dim}")
    first = dim // 2
    return (dim - first, first) if swap else (first, dim - first)


def _split(z: jax.Array, swap: bool) -> tuple[jax.Array, jax.Array]:
    """Return the kept half a and the transformed half b."""
    z = at_least_float32(z)
    first, second = jnp.split(z, [z.shape[-1] // 2], axis=-1)
    return (second, first) if swap else (first, second)


def _join(a: jax.Array, b: jax.Array, swap: bool) -> jax.Array:
    return jnp.concatenate([b, a] if swap else [a, b], axis=-1)
