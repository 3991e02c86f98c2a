"""What samples are drawn from: the prior, or a density fitted to the training images' codes after training.

All are mixtures of Gaussians. The codes' own law, the aggregate posterior q(z) = mean_n q(z|x_n), is one as well, of
as many components as there are images. Where q(z) is not the prior the decoder was never trained on much of what the
prior draws, and samples of a fitted density look better.

Reference: Ghosh et al., 2020, arXiv 1903.12436 (ex-post density estimation).
"""

import io
import warnings
import zipfile
from typing import NamedTuple

import jax
import numpy as np

from vae_jax import distributions, errors
from vae_jax.random import fold_in_name

KINDS = "standard, gaussian, mixture:COMPONENTS or aggregate"
MIXTURE_CODES = 20_000  # a mixture is fitted to this many draws of q(z) or to one an image, whichever is more


class Prior(NamedTuple):
    """sum_m weights_m N(means_m, S_m S_m^T); S_m is lower triangular, or diagonal and given as its diagonal."""

    weights: np.ndarray  # [M]
    means: np.ndarray  # [M, D]
    scales: np.ndarray  # [M, D, D], or [M, D]


def parse(name: str) -> tuple[str, int]:
    """Split "mixture:10" into its kind and number of components; the others have one or as many as codes, said as 0.

    Raises:
        errors.UserError: there is no such prior.
    """
    kind, colon, number = name.partition(":")
    if kind == "mixture" and number.isdigit() and int(number) > 0:
        return kind, int(number)
    if kind in ("standard", "gaussian", "aggregate") and not colon:
        return kind, 0
    raise errors.UserError(f"--prior={name} is not a prior; use {KINDS}, such as mixture:10")


def standard(latent_dim: int) -> Prior:
    """N(0, I)."""
    return Prior(np.ones(1), np.zeros((1, latent_dim)), np.ones((1, latent_dim)))


def fit(name: str, codes: distributions.Gaussian) -> Prior:
    """Fit a density to the aggregate posterior of codes [N, D]; a pure function of its arguments.

    "gaussian" has its mean and full covariance, cov(mean) + E[diag(var)], exactly; "mixture:M" is the full-covariance
    mixture that scikit-learn's EM finds for draws of it; "aggregate" is q(z) itself.

    Raises:
        errors.UserError: no such prior, or too few codes for it.
    """
    kind, components = parse(name)
    mean, std = np.asarray(codes.mean, np.float64), np.exp(0.5 * np.asarray(codes.logvar, np.float64))
    number, latent_dim = mean.shape
    if kind == "standard":
        return standard(latent_dim)
    if number < max(2, components):
        raise errors.UserError(f"--prior={name} cannot be fitted to {number} training images")
    if kind == "aggregate":
        return Prior(np.full(number, 1.0 / number), mean, std)
    if kind == "gaussian":
        covariance = np.cov(mean, rowvar=False, bias=True).reshape(latent_dim, latent_dim)
        covariance += np.diag(np.mean(std**2, axis=0))
        return Prior(np.ones(1), mean.mean(0, keepdims=True), _cholesky(covariance)[None])
    return _fit_mixture(mean, std, components)


def _fit_mixture(mean: np.ndarray, std: np.ndarray, components: int) -> Prior:
    from sklearn import mixture

    draws = -(-MIXTURE_CODES // len(mean))
    noise = np.random.default_rng(0).normal(size=(draws, *mean.shape))
    z = (mean + std * noise).reshape(-1, mean.shape[1])
    model = mixture.GaussianMixture(components, covariance_type="full", max_iter=200, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # EM cut short is a density all the same
        model.fit(z)
    return Prior(model.weights_, model.means_, np.stack([_cholesky(cov) for cov in model.covariances_]))


def sample(prior: Prior, key: jax.Array, num: int, *, temperature: float = 1.0) -> np.ndarray:
    """Draw z = mean_m + temperature * S_m noise, m ~ weights; float32 [num, D]."""
    latent_dim = prior.means.shape[1]
    noise = np.asarray(jax.random.normal(fold_in_name(key, "prior"), (num, latent_dim)))
    # The inverse of the weights' cumulative sum, in float64, which tells a hundred thousand components apart.
    position = np.asarray(jax.random.uniform(fold_in_name(key, "component"), (num,)), np.float64)
    cumulative = np.cumsum(prior.weights)
    chosen = np.searchsorted(cumulative, position * cumulative[-1], side="right").clip(max=len(cumulative) - 1)
    if prior.scales.ndim == 2:
        spread = prior.scales[chosen] * noise
    else:
        spread = np.empty(noise.shape)
        for component in np.unique(chosen):
            rows = chosen == component
            spread[rows] = noise[rows] @ prior.scales[component].T
    return (prior.means[chosen] + temperature * spread).astype(np.float32)


def to_bytes(prior: Prior, fingerprint: int) -> bytes:
    """Return the prior as an .npz file, with the fingerprint of what it was fitted to."""
    buffer = io.BytesIO()
    np.savez(buffer, fingerprint=fingerprint, **prior._asdict())
    return buffer.getvalue()


def from_bytes(data: bytes, fingerprint: int) -> Prior | None:
    """Return the stored prior; None if it was fitted to something else, or is damaged."""
    try:
        with np.load(io.BytesIO(data)) as stored:
            if int(stored["fingerprint"]) != fingerprint:
                return None
            return Prior(*(stored[field] for field in Prior._fields))
    except (EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _cholesky(covariance: np.ndarray) -> np.ndarray:
    """Lower-triangular S with S S^T = covariance; directions without spread get one a millionth of the mean's."""
    floor = 1e-12 * max(np.trace(covariance) / len(covariance), 1e-12)
    return np.linalg.cholesky(covariance + floor * np.eye(len(covariance)))
