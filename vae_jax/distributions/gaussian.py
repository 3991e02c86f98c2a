"""Gaussians: with independent latents, which encoders return, and with a full covariance, which is fitted to codes.

Nothing here clips: the range of `logvar` is the encoder's business, and every function and its gradient is finite for
|logvar| <= 30.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from vae_jax.distributions.shapes import match_trailing, with_samples

LOG_2PI = math.log(2.0 * math.pi)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Gaussian:
    """N(z; mean, diag(exp(logvar))), whose parameters are [B, D], or [D] for a prior."""

    mean: jax.Array
    logvar: jax.Array

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return mean + exp(logvar / 2) * noise, reparameterised: [B, D], or [num_samples, B, D]."""
        shape = with_samples(jnp.shape(self.mean), num_samples)
        noise = jax.random.normal(key, shape, jnp.result_type(self.mean))
        return match_trailing(self.mean, shape) + match_trailing(jnp.exp(0.5 * self.logvar), shape) * noise

    def log_density(self, z: jax.Array) -> jax.Array:
        """Return log N(z_d; mean_d, exp(logvar_d)) of each latent by itself, [*S, B, D] nats."""
        mean, logvar = match_trailing(self.mean, jnp.shape(z)), match_trailing(self.logvar, jnp.shape(z))
        return -0.5 * (LOG_2PI + logvar + jnp.square(z - mean) * jnp.exp(-logvar))

    def log_prob(self, z: jax.Array) -> jax.Array:
        """Return log N(z) of z [*S, B, D], summed over latents: [*S, B] nats."""
        return self.log_density(z).sum(-1)

    def mode(self) -> jax.Array:
        """Return the mean."""
        return self.mean

    def tempered(self, temperature: float) -> "Gaussian":
        """Return the Gaussian whose standard deviations are `temperature` times as large."""
        return Gaussian(self.mean, self.logvar + 2.0 * jnp.log(temperature))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MultivariateGaussian:
    """N(z; mean, S S^T) with S lower triangular: mean [B, D] and scale_tril [B, D, D], or [D] and [D, D]."""

    mean: jax.Array
    scale_tril: jax.Array

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return mean + S noise: [B, D], or [num_samples, B, D]."""
        shape = with_samples(jnp.shape(self.mean), num_samples)
        noise = jax.random.normal(key, shape, jnp.result_type(self.mean))
        spread = jnp.einsum("...ij,...j->...i", self.scale_tril, noise, precision=jax.lax.Precision.HIGHEST)
        return match_trailing(self.mean, shape) + spread

    def log_prob(self, z: jax.Array) -> jax.Array:
        """Return log N(z) of z [*S, B, D]: [*S, B] nats."""
        shape = jnp.shape(z)
        scale = match_trailing(self.scale_tril, (*shape, shape[-1]))
        centred = z - match_trailing(self.mean, shape)
        whitened = jax.scipy.linalg.solve_triangular(scale, centred[..., None], lower=True)[..., 0]
        log_scale = jnp.log(jnp.diagonal(scale, axis1=-2, axis2=-1)).sum(-1)
        return -0.5 * (jnp.square(whitened).sum(-1) + shape[-1] * LOG_2PI) - log_scale

    def mode(self) -> jax.Array:
        """Return the mean."""
        return self.mean

    def tempered(self, temperature: float) -> "MultivariateGaussian":
        """Return the Gaussian whose standard deviations are `temperature` times as large."""
        return MultivariateGaussian(self.mean, self.scale_tril * temperature)


def standard_normal(like: jax.Array) -> Gaussian:
    """Return N(0, I) in the shape of an array of latents [B, D] or [D]."""
    return Gaussian(jnp.zeros_like(like), jnp.zeros_like(like))


def kl_gaussian_gaussian(q: Gaussian, p: Gaussian) -> jax.Array:
    """Return KL(q || p) of each latent, [B, D] nats: ((mean - mean_p)^2 / var_p + expm1(r) - r) / 2, r = ln var / var_p.

    Args:
        q: [B, D].
        p: [B, D] or [D].

    Returns:
        [B, D]. expm1 keeps the digits that exp(r) - 1 loses where q is close to p.

    References:
        Kingma and Welling, 2014, arXiv 1312.6114, appendix B.
    """
    shape = jnp.shape(q.mean)
    mean, logvar = match_trailing(p.mean, shape), match_trailing(p.logvar, shape)
    ratio = q.logvar - logvar
    return 0.5 * (jnp.square(q.mean - mean) * jnp.exp(-logvar) + jnp.expm1(ratio) - ratio)
