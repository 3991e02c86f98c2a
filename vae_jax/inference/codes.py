"""The codes of a run's training images, and what each latent is used for. Densities are fitted to codes in `priors`."""

from typing import NamedTuple

import numpy as np

from vae_jax import distributions
from vae_jax.config import configuration
from vae_jax.data import batches
from vae_jax.evaluation import collapse
from vae_jax.inference import sampling
from vae_jax.runs import restore

MAX_IMAGES = 10_000  # training images that are encoded, a fixed random choice where there are more
ZERO_LOGVAR = -60.0  # a standard deviation of 1e-13, a code without noise


def training_codes(run: restore.RestoredRun, images: np.ndarray) -> distributions.Gaussian:
    """Return q(z|x) [N, D] of training images, at most MAX_IMAGES of them, binarised if the run's were."""
    config = run.config
    images = images[chosen(len(images))]
    codes = sampling.encode(run.model, run.variables, batches.binarized(np.asarray(images), config.data.binarize))
    if is_deterministic(config):
        return distributions.Gaussian(codes.mean, np.full_like(codes.mean, ZERO_LOGVAR))
    return codes


def chosen(num_data: int) -> np.ndarray | slice:
    """The rows of training images that are encoded: all, or a fixed random choice of MAX_IMAGES."""
    if num_data <= MAX_IMAGES:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(num_data, MAX_IMAGES, replace=False))


def is_deterministic(config: configuration.Config) -> bool:
    """Whether the decoder was trained on the codes' means alone, so that their variance means nothing."""
    return config.objective.name == "wae" and config.objective.options.get("deterministic", True)


class Usage(NamedTuple):
    """What each latent is used for, over the training codes."""

    kl: np.ndarray | None  # [D], nats, mean over the images; None for codes without noise
    mean: np.ndarray  # [D], of the aggregate posterior
    std: np.ndarray  # [D], likewise
    order: np.ndarray  # the latents, the largest KL, or variance, first
    active: np.ndarray  # [D], whether Var_x(E_q[z]) > 0.01


def usage(codes: distributions.Gaussian) -> Usage:
    """Return what each latent of codes [N, D] is used for.

    Reference: Burda, Grosse and Salakhutdinov, 2016, arXiv 1509.00519, section 5.2 (active units).
    """
    kl = None if np.all(codes.logvar == ZERO_LOGVAR) else np.asarray(codes.kl()).mean(0)
    mean, variance = np.asarray(codes.mean, np.float64), np.exp(np.asarray(codes.logvar, np.float64))
    between = collapse.mean_variances(mean)
    order = np.argsort(-(between if kl is None else kl), kind="stable")
    return Usage(kl, mean.mean(0), np.sqrt(between + variance.mean(0)), order, between > collapse.ACTIVE)
