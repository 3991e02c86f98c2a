"""The codes of a run's training images, and what each latent is used for. Densities are fitted in `fitted_priors`."""

from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import distributions
from vae_jax.inference import sampling
from vae_jax.runs.restore import RestoredRun

MAX_IMAGES = 10_000  # training images that are encoded, a fixed random choice where there are more
ACTIVE = 0.01  # Burda et al.'s threshold for the variance of a latent's posterior mean


def training_codes(run: RestoredRun, images: np.ndarray) -> Any:
    """Return q(z|x) of training images, at most MAX_IMAGES of them, with numpy arrays [N, D]."""
    return sampling.encode(run.model, run.variables, np.asarray(images[chosen(len(images))]))


def chosen(num_data: int) -> np.ndarray | slice:
    """Return the rows of training images that are encoded: all, or a fixed random choice of MAX_IMAGES."""
    if num_data <= MAX_IMAGES:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(num_data, MAX_IMAGES, replace=False))


class Usage(NamedTuple):
    """What each latent is used for, over the training codes.

    Attributes:
        kl: mean KL of each latent, [D] nats; None for codes without noise.
        mean: of the aggregate posterior, [D].
        std: of the aggregate posterior, [D].
        order: the latents, the largest KL first, or the largest variance where there is no KL.
        active: [D], whether Var_x(E_q[z]) > ACTIVE.
    """

    kl: np.ndarray | None
    mean: np.ndarray
    std: np.ndarray
    order: np.ndarray
    active: np.ndarray


def usage(codes: Any, prior: Any) -> Usage:
    """Return what each latent of codes [N, D] is used for.

    Args:
        codes: q(z|x) of the images, as `training_codes` returns it.
        prior: p(z), which the KL is taken to.

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
    # The key is for families whose KL is an estimate; a closed form does not use the sample.
    return distributions.draw(vae, x, jax.random.key(0)).kl


def kl_of_latents(model: Any, variables: Any, images: np.ndarray) -> np.ndarray | None:
    """Return the mean KL of each latent, position or level over uint8 images [N, H, W, C]: [G] nats, or None."""
    kl = sampling.of_images(_kl, model, variables, images)
    return None if kl is None else np.asarray(kl).mean(0)
