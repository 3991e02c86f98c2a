"""Probability distributions: posteriors and priors of latents, likelihoods of images, flows, and KL divergences.

`draw` joins a posterior and a prior, and returns all that an objective or an evaluation reads of them. Every function
takes arrays and returns nats. Networks, configurations and training steps are in other rooms: the heads in `models`
make posteriors, and `losses`, `inference` and `evaluation` use them.
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
