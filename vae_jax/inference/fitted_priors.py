"""Densities fitted to the training images' codes after training, to draw samples from in place of the prior.

Each is a distribution like any other. The codes' own law, the aggregate posterior q(z) = mean_n q(z|x_n), is a mixture
of as many components as there are images. Where q(z) is not the prior, the decoder was never trained on much of what the
prior draws, and samples of a fitted density look better.

References:
    Ghosh et al., 2020, arXiv 1903.12436 (ex-post density estimation).
"""

import io
import warnings
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import errors
from vae_jax.distributions import Delta, Gaussian, Mixture, MultivariateGaussian
from vae_jax.inference import prior_names

MIXTURE_CODES = 20_000  # a mixture is fitted to this many draws of q(z) or to one an image, whichever is more
ZERO_LOGVAR = -60.0  # of codes without noise, as components of the aggregate posterior: a standard deviation of 1e-13


def fit(name: str, codes: Gaussian | Delta) -> Any:
    """Return a density fitted to the aggregate posterior of codes [N, D]; a pure function of its arguments.

    "gaussian" has the mean and the full covariance of q(z), cov(mean) + E[diag(var)], exactly; "mixture:M" is the
    full-covariance mixture that scikit-learn's EM finds for draws of q(z); "aggregate" is q(z) itself.

    Raises:
        errors.UserError: there is no such prior, its codes have no known mean and variance, or they are too few.
    """
    kind, components = prior_names.parse(name)
    if not isinstance(codes, Gaussian | Delta):
        raise errors.UserError(
            f"--prior={name} is fitted to Gaussian codes, not to {type(codes).__name__}: leave it out"
        )
    mean, std = _moments(codes)
    number, latent_dim = mean.shape
    if number < max(2, components):
        raise errors.UserError(f"--prior={name} cannot be fitted to {number} training images")
    if kind == "aggregate":
        logvar = codes.logvar if isinstance(codes, Gaussian) else np.full_like(codes.value, ZERO_LOGVAR)
        return Mixture(jnp.full(number, -np.log(number), jnp.float32), Gaussian(_float32(mean), _float32(logvar)))
    if kind == "gaussian":
        covariance = np.cov(mean, rowvar=False, bias=True).reshape(latent_dim, latent_dim)
        covariance += np.diag(np.mean(std**2, axis=0))
        return MultivariateGaussian(_float32(mean.mean(0)), _float32(_cholesky(covariance)))
    if kind == "mixture":
        return _fit_mixture(mean, std, components)
    raise errors.UserError("the standard prior is the model's own: nothing is fitted")


def _moments(codes: Gaussian | Delta) -> tuple[np.ndarray, np.ndarray]:
    """Return the means and standard deviations of codes, float64 [N, D] each."""
    if isinstance(codes, Delta):
        mean = np.asarray(codes.value, np.float64)
        return mean, np.zeros_like(mean)
    return np.asarray(codes.mean, np.float64), np.exp(0.5 * np.asarray(codes.logvar, np.float64))


def _fit_mixture(mean: np.ndarray, std: np.ndarray, components: int) -> Mixture:
    from sklearn import mixture

    draws = -(-MIXTURE_CODES // len(mean))
    noise = np.random.default_rng(0).normal(size=(draws, *mean.shape))
    z = (mean + std * noise).reshape(-1, mean.shape[1])
    model = mixture.GaussianMixture(components, covariance_type="full", max_iter=200, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # EM cut short is a density all the same
        model.fit(z)
    scales = np.stack([_cholesky(covariance) for covariance in model.covariances_])
    with np.errstate(divide="ignore"):  # a component may have no weight
        log_weights = np.log(model.weights_)
    return Mixture(_float32(log_weights), MultivariateGaussian(_float32(model.means_), _float32(scales)))


def to_bytes(prior: Any, fingerprint: int) -> bytes:
    """Return a fitted prior as an .npz file, with the fingerprint of what the prior was fitted to."""
    buffer = io.BytesIO()
    leaves = jax.tree_util.tree_leaves_with_path(prior)
    arrays = {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}
    np.savez(buffer, fingerprint=fingerprint, **arrays)
    return buffer.getvalue()


def from_bytes(name: str, data: bytes, fingerprint: int) -> Any | None:
    """Return the stored prior of a name; None if it was fitted to something else, is damaged or of an older format."""
    empty = {
        "gaussian": MultivariateGaussian(0, 0),
        "mixture": Mixture(0, MultivariateGaussian(0, 0)),
        "aggregate": Mixture(0, Gaussian(0, 0)),
    }[prior_names.parse(name)[0]]
    try:
        with np.load(io.BytesIO(data)) as stored:
            if int(stored["fingerprint"]) != fingerprint:
                return None
            return jax.tree_util.tree_map_with_path(
                lambda path, _: jnp.asarray(stored[jax.tree_util.keystr(path, simple=True, separator="/")]), empty
            )
    except (EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _float32(array: np.ndarray) -> jax.Array:
    return jnp.asarray(array, jnp.float32)


def _cholesky(covariance: np.ndarray) -> np.ndarray:
    """Return lower-triangular S with S S^T = covariance; a direction without spread gets a millionth of the mean's."""
    floor = 1e-12 * max(np.trace(covariance) / len(covariance), 1e-12)
    return np.linalg.cholesky(covariance + floor * np.eye(len(covariance)))
