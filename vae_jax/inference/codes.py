"""The codes of a run's training images, and statistics of each latent over these codes.

Traversals, the report and the fitted priors use the codes. Densities are fitted to them in `fitted_priors`.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import distributions
from vae_jax.inference import sampling
from vae_jax.runs.restore import RestoredRun

MAX_IMAGES = 10_000  # training images that are encoded; of a larger data set, a fixed random choice
ACTIVE = 0.01  # Burda et al.'s threshold for the variance of a latent's posterior mean


def training_codes(run: RestoredRun, images: np.ndarray) -> Any:
    """Return q(z|x) of at most MAX_IMAGES training images, with numpy arrays [N, D] for its parameters.

    Args:
        run: a restored run.
        images: all of the run's training images, uint8 [N, H, W, C].
    """
    return sampling.encode(run.model, run.variables, np.asarray(images[chosen(len(images))]))


def chosen(num_data: int) -> np.ndarray | slice:
    """Return the rows of the training images that are encoded, which are all or a fixed random choice of MAX_IMAGES."""
    if num_data <= MAX_IMAGES:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(num_data, MAX_IMAGES, replace=False))


class Usage(NamedTuple):
    """Statistics of each latent over the codes of many images.

    Attributes:
        kl: mean KL of each latent, [D] nats; None for codes without noise.
        mean: mean of the aggregate posterior, [D].
        std: standard deviation of the aggregate posterior, [D].
        order: the latents in decreasing order of their KL, or of their variance if there is no KL, int [D].
        active: whether the latent's Var_x(E_q[z]) is above ACTIVE, bool [D].
    """

    kl: np.ndarray | None
    mean: np.ndarray
    std: np.ndarray
    order: np.ndarray
    active: np.ndarray


def usage(codes: Any, prior: Any) -> Usage:
    """Return statistics of each latent over codes.

    Args:
        codes: q(z|x) of N images with parameters [N, D], as `training_codes` returns it.
        prior: p(z), for the KL.

    References:
        Burda, Grosse and Salakhutdinov, 2016, arXiv 1509.00519, section 5.2 (active units).
    """
    each = distributions.kl_divergence(codes, prior)
    kl = None if each is None else np.asarray(each).mean(0)
    mean = np.asarray(codes.mode(), np.float64)
    within = np.exp(np.asarray(codes.logvar, np.float64)).mean(0) if isinstance(codes, distributions.Gaussian) else 0.0
    between = mean.var(axis=0)
    order = np.argsort(-(between if kl is None else kl), kind="stable")
    return Usage(kl, mean.mean(0), np.sqrt(between + within), order, between > ACTIVE)


def _kl(vae: Any, x: jax.Array) -> jax.Array | None:
    # The key matters for families whose KL is an estimate from a sample. A closed form does not use the sample.
    return distributions.draw(vae, x, jax.random.key(0)).kl


def kl_of_latents(model: Any, variables: Any, images: np.ndarray) -> np.ndarray | None:
    """Return the mean KL of each latent, position or level over images in nats, [G], or None for codes without noise.

    Args:
        model: the module.
        variables: its parameters and collections.
        images: uint8 [N, H, W, C].
    """
    kl = sampling.of_images(_kl, model, variables, images)
    return None if kl is None else np.asarray(kl).mean(0)
