"""What z and x given z may follow: distributions over latents, and likelihoods of images."""

from vae_jax.distributions.gaussian import LOG_2PI, Deterministic, Gaussian, standard_normal

__all__ = ["LOG_2PI", "Deterministic", "Gaussian", "standard_normal"]
