"""What an objective or an evaluation reads of a model's latents, whatever family they are of.

`draw` is the only place that joins a posterior and a prior. A vae is anything with `encode` and `decode`; the functions
here use its `draw`, `prior`, `code` and `generate` where it has them, and otherwise do what is usual.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vae_jax import errors
from vae_jax.distributions.distribution import Z, has_density
from vae_jax.distributions.gaussian import standard_normal
from vae_jax.distributions.kl import kl_divergence
from vae_jax.distributions.sampled import sample_and_log_prob


class Latents(NamedTuple):
    """A sample of the posterior of each image, and everything that is asked about that sample.

    Attributes:
        z: the sample, [*S, B, ...], or a tree of such arrays.
        log_q: log q(z|x), [*S, B] nats; None for a code without a density.
        log_p: log p(z), [*S, B] nats; None likewise.
        kl: KL(q(z|x) || p(z)) by latent, position or level, [B, G] nats: the closed form (given the sample's ancestors
            in a hierarchy), else the sample's log_q - log_p. None for a code without a density.
        terms: what the family adds to a loss, [B] each, such as a commitment.
        posterior: q(z|x), for penalties that are functions of it; None where there is no single distribution.
    """

    z: Z
    log_q: jax.Array | None
    log_p: jax.Array | None
    kl: jax.Array | None
    terms: dict[str, jax.Array] = {}  # noqa: RUF012 - never written to
    posterior: Any = None


def draw(vae: Any, x: jax.Array, key: jax.Array, num_samples: int | None = None, path: bool = False) -> Latents:
    """Return latents drawn from q(z|x), with their densities under the posterior and under the prior.

    Args:
        vae: `encode`, and `draw` or `prior` where the family has them.
        x: images, [B, H, W, C].
        key: the source of the noise.
        num_samples: K, samples of each posterior along a new first axis; None is one sample without that axis.
        path: whether log_q and kl take gradients through z alone, and not through the posterior's parameters
            ("sticking the landing", Roeder et al., 2017, arXiv 1703.09194).
    """
    if hasattr(vae, "draw"):
        return vae.draw(x, key, num_samples, path)
    posterior = vae.encode(x)
    if not has_density(posterior):
        return Latents(posterior.sample(key, num_samples), None, None, None, posterior=posterior)
    z, log_q = sample_and_log_prob(posterior, key, num_samples, path=path)
    prior = prior_of(vae, posterior)
    log_p = prior.log_prob(z)
    kl = kl_divergence(posterior, prior)
    if kl is None:
        kl = _sampled_kl(log_q, log_p)
    elif path:
        kl = _along_the_path(kl, posterior, prior, z, log_q, log_p)
    return Latents(z, log_q, log_p, kl, posterior=posterior)


def _sampled_kl(log_q: jax.Array, log_p: jax.Array) -> jax.Array:
    """Return the sample's log q - log p as one group, [B, 1], averaged over samples where there are several."""
    difference = log_q - log_p
    return difference.reshape(-1, difference.shape[-1]).mean(0)[:, None]


def _along_the_path(kl: jax.Array, posterior: Any, prior: Any, z: Z, log_q: jax.Array, log_p: jax.Array) -> jax.Array:
    """Return a KL of the same value, [B, G], whose gradient is that of log q(z) - log p(z) along z alone.

    Distributions without a density for each latent by itself give the sample's own log q - log p, [B, 1].
    """
    held = jax.lax.stop_gradient(posterior)
    if not (hasattr(held, "log_density") and hasattr(prior, "log_density")):
        return _sampled_kl(log_q, log_p)
    path = held.log_density(z) - prior.log_density(z)
    path = path.reshape(-1, *kl.shape).mean(0) if path.ndim > kl.ndim else path
    return jax.lax.stop_gradient(kl) + (path - jax.lax.stop_gradient(path))


def prior_of(vae: Any, posterior: Any) -> Any:
    """Return p(z): the vae's own prior, or N(0, I) in the posterior's shape."""
    return vae.prior() if hasattr(vae, "prior") else standard_normal(posterior.mode())


def code(vae: Any, x: jax.Array) -> jax.Array:
    """Return the flat code [B, F] of images, by which they are compared: the vae's own, or the posterior's mode."""
    if hasattr(vae, "code"):
        return vae.code(x)
    leaves = jax.tree.leaves(vae.encode(x).mode())
    return jnp.concatenate([leaf.reshape(len(leaf), -1).astype(jnp.float32) for leaf in leaves], axis=1)


def generate(vae: Any, key: jax.Array, num: int, temperature: float = 1.0) -> Z:
    """Return `num` latents drawn from the model: its own `generate`, else samples of its prior.

    Args:
        vae: `prior` or `generate`.
        key: the source of the noise.
        num: how many latents.
        temperature: what the prior's noise is multiplied by; 1 is the prior.
    """
    if hasattr(vae, "generate"):
        return vae.generate(key, num, temperature)
    return tempered(vae.prior(), temperature).sample(key, num)


def tempered(distribution: Any, temperature: float) -> Any:
    """Return a distribution with its noise multiplied by `temperature`.

    Raises:
        errors.OutOfRange: the distribution has no noise that could be multiplied.
    """
    if isinstance(temperature, int | float) and temperature == 1:
        return distribution
    if not hasattr(distribution, "tempered"):
        name = type(distribution).__name__
        raise errors.OutOfRange(f"a temperature has no meaning for a {name} prior; leave the temperature at 1")
    return distribution.tempered(temperature)
