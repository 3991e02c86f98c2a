"""The latents of a model in one form for every family: samples, log densities, KL divergences and codes.

Objectives, bounds, evaluation and the report call the functions of this file, and do not ask which family the latents
belong to. `draw` is the only function that joins a posterior and a prior. A vae is anything with `encode` and `decode`.
If the vae has a method `draw`, `prior`, `code` or `generate`, the function here calls this method; otherwise the
function computes a default from `encode` and `prior`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax import errors
from vae_jax.distributions.distribution import Z, has_density
from vae_jax.distributions.gaussian import standard_normal
from vae_jax.distributions.kl import kl_divergence
from vae_jax.distributions.sampled import sample_and_log_prob


class Latents(NamedTuple):
    """A sample of the posterior of each image, with its log densities and KL divergences.

    Attributes:
        z: the sample, [*S, B, ...], or a tree of such arrays.
        log_q: log q(z|x), [*S, B] nats; None for a code without a density.
        log_p: log p(z), [*S, B] nats; None for a code without a density.
        kl: KL(q(z|x) || p(z)) of each latent, position or level, [B, G] nats. This is the closed form (given the
            sample's ancestors in a hierarchy), or log_q - log_p of the sample if there is no closed form. None for a
            code without a density.
        terms: losses that the family itself adds, [B] each, such as a commitment.
        posterior: q(z|x), which some penalties take; None for a family without a single posterior distribution.
    """

    z: Z
    log_q: Float[Array, "*S B"] | None
    log_p: Float[Array, "*S B"] | None
    kl: Float[Array, "B G"] | None
    terms: dict[str, Float[Array, " B"]] = {}  # noqa: RUF012 - never written to
    posterior: Any = None


def draw(
    vae: Any, x: Float[Array, "B ..."], key: jax.Array, num_samples: int | None = None, path: bool = False
) -> Latents:
    """Return latents drawn from q(z|x), with their log densities under the posterior and under the prior.

    Args:
        vae: has `encode`, and may have `draw` or `prior`.
        x: images, [B, H, W, C].
        key: the source of the noise.
        num_samples: K, samples of each posterior along a new first axis; None is one sample without this axis.
        path: whether gradients reach log_q and kl through z only, and not through the posterior's parameters.

    References:
        Roeder et al., 2017, Sticking the landing, arXiv 1703.09194 (`path`).
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


def _sampled_kl(log_q: Float[Array, "*S B"], log_p: Float[Array, "*S B"]) -> Float[Array, "B 1"]:
    """Return log q - log p of the sample as the KL of one group, averaged over the samples if there are several."""
    difference = log_q - log_p
    return difference.reshape(-1, difference.shape[-1]).mean(0)[:, None]


def _along_the_path(
    kl: Float[Array, "B G"], posterior: Any, prior: Any, z: Z, log_q: Float[Array, "*S B"], log_p: Float[Array, "*S B"]
) -> Float[Array, "B H"]:
    """Return a KL with the value of `kl` and the gradient of log q(z) - log p(z) through z only.

    If a distribution has no `log_density` of each latent, the value is log q(z) - log p(z) too, as one group.
    """
    held = jax.lax.stop_gradient(posterior)
    if not (hasattr(held, "log_density") and hasattr(prior, "log_density")):
        return _sampled_kl(log_q, log_p)
    path = held.log_density(z) - prior.log_density(z)
    path = path.reshape(-1, *kl.shape).mean(0) if path.ndim > kl.ndim else path
    return jax.lax.stop_gradient(kl) + (path - jax.lax.stop_gradient(path))


def prior_of(vae: Any, posterior: Any) -> Any:
    """Return p(z), which is the vae's own prior, or N(0, I) in the posterior's shape if the vae has no `prior`."""
    return vae.prior() if hasattr(vae, "prior") else standard_normal(posterior.mode())


def code(vae: Any, x: Float[Array, "B ..."]) -> Float[Array, "B F"]:
    """Return the flat codes of images, which evaluation compares: the vae's own `code`, or the posterior's mode.

    Args:
        vae: has `encode`, and may have `code`.
        x: images, [B, H, W, C].

    Returns:
        [B, F].
    """
    if hasattr(vae, "code"):
        return vae.code(x)
    leaves = jax.tree.leaves(vae.encode(x).mode())
    return jnp.concatenate([leaf.reshape(len(leaf), -1).astype(jnp.float32) for leaf in leaves], axis=1)


def generate(vae: Any, key: jax.Array, num: int, temperature: float = 1.0) -> Z:
    """Return latents drawn from the model, by its own `generate` or from its prior.

    Args:
        vae: has `prior` or `generate`.
        key: the source of the noise.
        num: number of latents.
        temperature: factor of the prior's noise; 1 is the prior.

    Raises:
        errors.OutOfRange: the temperature is not 1, and the prior has no noise that a factor could change.
    """
    if hasattr(vae, "generate"):
        return vae.generate(key, num, temperature)
    return tempered(vae.prior(), temperature).sample(key, num)


def tempered(distribution: Any, temperature: float) -> Any:
    """Return the distribution with its noise multiplied by `temperature`.

    Raises:
        errors.OutOfRange: the temperature is not 1, and the distribution has no noise that a factor could change.
    """
    if isinstance(temperature, int | float) and temperature == 1:
        return distribution
    if not hasattr(distribution, "tempered"):
        name = type(distribution).__name__
        raise errors.OutOfRange(f"a temperature has no meaning for a {name} prior; leave the temperature at 1")
    return distribution.tempered(temperature)
