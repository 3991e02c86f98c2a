"""What z and x given z may follow: posteriors, priors, likelihoods, and `draw`, which joins a posterior and a prior.

Arrays in, nats out: nothing here knows a network, a configuration or a training step.
"""

from vae_jax.distributions.delta import Delta
from vae_jax.distributions.distribution import Distribution, has_density
from vae_jax.distributions.gaussian import LOG_2PI, Gaussian, MultivariateGaussian, standard_normal
from vae_jax.distributions.kl import kl_divergence
from vae_jax.distributions.latents import Latents, code, draw, generate, prior_of, tempered
from vae_jax.distributions.likelihoods import LIKELIHOODS, Likelihood
from vae_jax.distributions.mixture import Mixture

__all__ = [
    "LIKELIHOODS",
    "LOG_2PI",
    "Delta",
    "Distribution",
    "Gaussian",
    "Latents",
    "Likelihood",
    "Mixture",
    "MultivariateGaussian",
    "code",
    "draw",
    "generate",
    "has_density",
    "kl_divergence",
    "prior_of",
    "standard_normal",
    "tempered",
]
