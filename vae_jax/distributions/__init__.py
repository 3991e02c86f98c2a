"""Probability distributions: posteriors and priors of latents, likelihoods of images, flows, and KL divergences.

`draw` joins a posterior and a prior, and returns all that an objective or an evaluation reads of them. Every function
takes arrays and returns nats. Networks, configurations and training steps are in other rooms: the heads in `models`
make posteriors, and `losses`, `inference` and `evaluation` use them.
"""

from vae_jax.distributions.categorical import Categorical, RelaxedCategorical
from vae_jax.distributions.delta import Delta
from vae_jax.distributions.distribution import Distribution, has_density
from vae_jax.distributions.flow import Flow
from vae_jax.distributions.gamma import Gamma
from vae_jax.distributions.gaussian import LOG_2PI, Gaussian, MultivariateGaussian, standard_normal
from vae_jax.distributions.kl import kl_divergence
from vae_jax.distributions.latents import Latents, code, draw, generate, prior_of, tempered
from vae_jax.distributions.likelihoods import LIKELIHOODS, Likelihood
from vae_jax.distributions.mixture import Mixture
from vae_jax.distributions.product import Product
from vae_jax.distributions.von_mises_fisher import HypersphericalUniform, VonMisesFisher

__all__ = [
    "LIKELIHOODS",
    "LOG_2PI",
    "Categorical",
    "Delta",
    "Distribution",
    "Flow",
    "Gamma",
    "Gaussian",
    "HypersphericalUniform",
    "Latents",
    "Likelihood",
    "Mixture",
    "MultivariateGaussian",
    "Product",
    "RelaxedCategorical",
    "VonMisesFisher",
    "code",
    "draw",
    "generate",
    "has_density",
    "kl_divergence",
    "prior_of",
    "standard_normal",
    "tempered",
]
