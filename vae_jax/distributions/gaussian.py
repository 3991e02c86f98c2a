"""What an encoder returns: a distribution over latents for every image, as a PyTree of arrays.

Logarithms are natural and constants are kept, so that every density is in nats. Nothing here clips: the range of
`logvar` is the encoder's business, and every function and its gradient is finite for |logvar| <= 30.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

LOG_2PI = math.log(2.0 * math.pi)


def _match(parameter: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Repeat a parameter [B, D] along the leading axes of a shape [*S, B, D], and along no other."""
    own = jnp.shape(parameter)
    if tuple(shape[len(shape) - len(own) :]) != own:
        raise ValueError(f"a distribution of shape {own} does not fit values of shape {tuple(shape)}")
    return jnp.broadcast_to(parameter, shape)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Gaussian:
    """q(z|x) = N(z; mean, diag(exp(logvar))), both [B, D]."""

    mean: jax.Array
    logvar: jax.Array

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """z = mean + exp(logvar / 2) * noise, reparameterised: [B, D], or [num_samples, B, D]."""
        shape = jnp.shape(self.mean) if num_samples is None else (num_samples, *jnp.shape(self.mean))
        noise = jax.random.normal(key, shape, jnp.result_type(self.mean))
        return _match(self.mean, shape) + _match(jnp.exp(0.5 * self.logvar), shape) * noise

    def log_density(self, z: jax.Array) -> jax.Array:
        """log N(z_d; mean_d, exp(logvar_d)) of each latent by itself, [*S, B, D]."""
        mean, logvar = _match(self.mean, jnp.shape(z)), _match(self.logvar, jnp.shape(z))
        return -0.5 * (LOG_2PI + logvar + jnp.square(z - mean) * jnp.exp(-logvar))

    def log_prob(self, z: jax.Array) -> jax.Array:
        """log q(z|x) of z [*S, B, D], summed over latents: [*S, B]."""
        return self.log_density(z).sum(-1)

    def kl(self, prior: "Gaussian | None" = None) -> jax.Array:
        """KL(q || p) of each latent: (expm1(r) - r + (mean - mean_p)^2 / var_p) / 2, r = logvar - logvar_p.

        Args:
            prior: p, another Gaussian of shape [B, D] or [D]; None is N(0, 1).

        Returns:
            [B, D]. expm1 keeps the digits that exp(r) - 1 loses where q is close to p.

        Reference: Kingma and Welling, 2014, arXiv 1312.6114, appendix B.
        """
        if prior is None:
            return 0.5 * (jnp.square(self.mean) + jnp.expm1(self.logvar) - self.logvar)
        shape = jnp.shape(self.mean)
        prior_mean, prior_logvar = _match(prior.mean, shape), _match(prior.logvar, shape)
        ratio = self.logvar - prior_logvar
        distance = jnp.square(self.mean - prior_mean) * jnp.exp(-prior_logvar)
        return 0.5 * (jnp.expm1(ratio) - ratio + distance)

    def stop_gradient(self) -> "Gaussian":
        """The same distribution, through whose parameters no gradient flows."""
        return jax.lax.stop_gradient(self)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Deterministic:
    """q(z|x) = delta(z - mean), mean [B, D]: a code without a density, hence without `log_prob` and `kl`."""

    mean: jax.Array

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """The code itself: [B, D], or the same num_samples times, [num_samples, B, D]. `key` is not used."""
        del key
        shape = jnp.shape(self.mean) if num_samples is None else (num_samples, *jnp.shape(self.mean))
        return jnp.broadcast_to(self.mean, shape)


def standard_normal(posterior: Gaussian) -> Gaussian:
    """The prior N(0, I) in the shape of a posterior."""
    return Gaussian(jnp.zeros_like(posterior.mean), jnp.zeros_like(posterior.logvar))
