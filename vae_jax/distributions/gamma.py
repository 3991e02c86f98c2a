"""The Gamma distribution: positive latents, with implicit gradients, and the KL divergence of two of them.

Stable forms: with t = rate * z / concentration, the log density is -a (t - 1 - ln t) - ln z + ln(a / 2 pi) / 2 minus
Binet's function, in which no two large numbers cancel for a large concentration a. The KL divergence is written alike.

References:
    Figurnov et al., 2018, Implicit reparameterization gradients, arXiv 1805.08498.
    NIST Digital Library of Mathematical Functions, 5.9.10 (Binet's function) and 5.11 (its series).
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, gammaln

from vae_jax.distributions.gaussian import LOG_2PI
from vae_jax.distributions.pixels import at_least_float32
from vae_jax.distributions.shapes import match_trailing, with_samples

SERIES_FROM = 8.0  # from this argument on, the series below are exact to float32's last digits


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Gamma:
    """Independent q(z_d) proportional to z_d^(concentration - 1) exp(-rate z_d) for z_d > 0.

    Args:
        concentration: shape parameter, > 0, [B, D] or [D].
        rate: inverse scale, > 0, of the same shape.
    """

    concentration: jax.Array
    rate: jax.Array

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return z [B, D] or [num_samples, B, D], differentiable in both parameters.

        The draw is made in log space. A draw below the smallest normal number of float32, which is usual for a
        concentration of 0.01, is returned as that number, so that its density exists.
        """
        shape = with_samples(jnp.shape(self.concentration), num_samples)
        concentration, rate = match_trailing(at_least_float32(self.concentration), shape), self._rate(shape)
        log_z = jax.random.loggamma(key, concentration) - jnp.log(rate)
        smallest = jnp.finfo(log_z.dtype).tiny
        z = jnp.where(log_z > jnp.log(smallest), jnp.exp(log_z), smallest)
        return z.astype(jnp.result_type(self.concentration))

    def log_density(self, z: jax.Array) -> jax.Array:
        """Return the log density in nats of every latent by itself, [*S, B, D].

        The density is 0 for z < 0. At z = 0, where it can be infinite, it is that of the smallest positive number.
        """
        z = at_least_float32(z)
        concentration, rate = match_trailing(at_least_float32(self.concentration), z.shape), self._rate(z.shape)
        log_z = jnp.log(jnp.maximum(z, jnp.finfo(z.dtype).tiny))
        log_ratio = log_z + jnp.log(rate) - jnp.log(concentration)
        density = -concentration * (jnp.expm1(log_ratio) - log_ratio) - log_z
        density += 0.5 * (jnp.log(concentration) - LOG_2PI) - _binet(concentration)
        return jnp.where(z < 0.0, -jnp.inf, density)

    def log_prob(self, z: jax.Array) -> jax.Array:
        """Return log q(z) in nats of z [*S, B, D], summed over latents: [*S, B]."""
        return self.log_density(z).sum(-1)

    def mode(self) -> jax.Array:
        """Return (concentration - 1) / rate, or 0 where the concentration is below 1: [B, D]."""
        return jnp.maximum(self.concentration - 1.0, 0.0) / self.rate

    def _rate(self, shape: tuple[int, ...]) -> jax.Array:
        return match_trailing(at_least_float32(self.rate), shape)


def kl_gamma_gamma(q: Gamma, p: Gamma) -> jax.Array:
    """Return KL(q || p) of every latent in nats, [B, D]; p may lack the batch axis.

    With r the log of the ratio of the two means, the KL divergence is a_p (exp(r) - 1 - r) - ln(a_p / a_q) / 2
    + (a_q - a_p) (digamma(a_q) - ln a_q) + Binet(a_p) - Binet(a_q).
    """
    shape = jnp.shape(q.concentration)
    a_q, a_p = (match_trailing(at_least_float32(gamma.concentration), shape) for gamma in (q, p))
    log_a_ratio = jnp.log(a_q) - jnp.log(a_p)
    log_mean_ratio = log_a_ratio + jnp.log(p._rate(shape)) - jnp.log(q._rate(shape))
    scale = a_p * (jnp.expm1(log_mean_ratio) - log_mean_ratio)
    return scale + 0.5 * log_a_ratio + (a_q - a_p) * _digamma_less_log(a_q) + _binet(a_p) - _binet(a_q)


def _binet(a: jax.Array) -> jax.Array:
    """Return ln Gamma(a) - (a - 1/2) ln a + a - ln(2 pi) / 2, about 1 / (12 a)."""
    small, large = jnp.minimum(a, SERIES_FROM), jnp.maximum(a, SERIES_FROM)
    exact = gammaln(small) - (small - 0.5) * jnp.log(small) + small - 0.5 * LOG_2PI
    square = jnp.square(1.0 / large)
    series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / large
    return jnp.where(a < SERIES_FROM, exact, series)


def _digamma_less_log(a: jax.Array) -> jax.Array:
    """Return digamma(a) - ln a, about -1 / (2 a)."""
    small, large = jnp.minimum(a, SERIES_FROM), jnp.maximum(a, SERIES_FROM)
    square = jnp.square(1.0 / large)
    series = -0.5 / large - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square / 240.0)))
    return jnp.where(a < SERIES_FROM, digamma(small) - jnp.log(small), series)
