"""Gaussian distributions, with independent latents or with a full covariance, and the KL divergence of two Gaussians.

Encoders return the first kind; the second kind is fitted to codes after training. Nothing here clips `logvar`: the
heads in `models` do. Every function and its gradient is finite for |logvar| <= 30.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.distributions.shapes import match_trailing, with_samples

LOG_2PI = math.log(2.0 * math.pi)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Gaussian:
    """The Gaussian N(z; mean, diag(exp(logvar))) with independent latents.

    Attributes:
        mean: [B, D], or [D] for a prior.
        logvar: log variance of each latent, of the same shape.
    """

    mean: Float[Array, "*B D"]
    logvar: Float[Array, "*B D"]

    def sample(self, key: jax.Array, num_samples: int | None = None) -> Float[Array, "*S D"]:
        """Return z = mean + exp(logvar / 2) * noise, [B, D] or [num_samples, B, D], differentiable in both."""
        shape = with_samples(jnp.shape(self.mean), num_samples)
        noise = jax.random.normal(key, shape, jnp.result_type(self.mean))
        return match_trailing(self.mean, shape) + match_trailing(jnp.exp(0.5 * self.logvar), shape) * noise

    def log_density(self, z: Float[Array, "*S D"]) -> Float[Array, "*S D"]:
        """Return the log density log N(z_d; mean_d, exp(logvar_d)) of each latent of z [*S, B, D] in nats."""
        mean, logvar = match_trailing(self.mean, jnp.shape(z)), match_trailing(self.logvar, jnp.shape(z))
        return -0.5 * (LOG_2PI + logvar + jnp.square(z - mean) * jnp.exp(-logvar))

    def log_prob(self, z: Float[Array, "*S D"]) -> Float[Array, "*S"]:
        """Return the log density of z [*S, B, D] in nats, summed over latents: [*S, B]."""
        return self.log_density(z).sum(-1)

    def mode(self) -> Float[Array, "*B D"]:
        """Return the mean, [B, D]."""
        return self.mean

    def tempered(self, temperature: float) -> "Gaussian":
        """Return the Gaussian whose standard deviations are `temperature` times as large."""
        return Gaussian(self.mean, self.logvar + 2.0 * jnp.log(temperature))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MultivariateGaussian:
    """The Gaussian N(z; mean, S S^T) with a full covariance.

    Attributes:
        mean: [B, D], or [D] for a prior.
        scale_tril: S, lower triangular, [B, D, D] or [D, D].
    """

    mean: Float[Array, "*B D"]
    scale_tril: Float[Array, "*B D D"]

    def sample(self, key: jax.Array, num_samples: int | None = None) -> Float[Array, "*S D"]:
        """Return z = mean + S noise, [B, D] or [num_samples, B, D]."""
        shape = with_samples(jnp.shape(self.mean), num_samples)
        noise = jax.random.normal(key, shape, jnp.result_type(self.mean))
        spread = jnp.einsum("...ij,...j->...i", self.scale_tril, noise, precision=jax.lax.Precision.HIGHEST)
        return match_trailing(self.mean, shape) + spread

    def log_prob(self, z: Float[Array, "*S D"]) -> Float[Array, "*S"]:
        """Return the log density of z [*S, B, D] in nats: [*S, B]."""
        shape = jnp.shape(z)
        centred = z - match_trailing(self.mean, shape)
        scale = match_trailing(self.scale_tril, (*shape, shape[-1]))
        whitened = jax.scipy.linalg.solve_triangular(scale, centred[..., None], lower=True)[..., 0]
        log_scale = jnp.log(jnp.diagonal(scale, axis1=-2, axis2=-1)).sum(-1)
        return -0.5 * (jnp.square(whitened).sum(-1) + shape[-1] * LOG_2PI) - log_scale

    def mode(self) -> Float[Array, "*B D"]:
        """Return the mean, [B, D]."""
        return self.mean

    def tempered(self, temperature: float) -> "MultivariateGaussian":
        """Return the Gaussian whose standard deviations are `temperature` times as large."""
        return MultivariateGaussian(self.mean, self.scale_tril * temperature)


def standard_normal(like: Float[Array, "*B D"]) -> Gaussian:
    """Return N(0, I) with parameters of the shape of an array of latents, [B, D] or [D]."""
    return Gaussian(jnp.zeros_like(like), jnp.zeros_like(like))


def kl_gaussian_gaussian(q: Gaussian, p: Gaussian) -> Float[Array, "*B D"]:
    """Return KL(q || p) of each latent in nats.

    The value is ((mean_q - mean_p)^2 / var_p + expm1(r) - r) / 2 with r = ln(var_q / var_p). expm1(r) keeps the digits
    that exp(r) - 1 loses where q is close to p.

    Args:
        q: a Gaussian with parameters [B, D].
        p: a Gaussian with parameters [B, D] or [D].

    Returns:
        [B, D] nats.

    References:
        Kingma and Welling, 2014, arXiv 1312.6114, appendix B.
    """
    shape = jnp.shape(q.mean)
    mean, logvar = match_trailing(p.mean, shape), match_trailing(p.logvar, shape)
    ratio = q.logvar - logvar
    return 0.5 * (jnp.square(q.mean - mean) * jnp.exp(-logvar) + jnp.expm1(ratio) - ratio)
