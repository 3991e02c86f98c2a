"""Densities that are fitted to the codes of the training images, from which samples are drawn in place of the prior.

The aggregate posterior q(z) = mean_n q(z|x_n) is the distribution of the codes. If it differs from the prior, the
decoder was not trained on many samples of the prior, and samples of a fitted density look better. A fitted density is a
distribution like any other.

The names of the densities are in `prior_names`, and `stored_priors` keeps fitted densities in a run's directory.

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

MIXTURE_CODES = 20_000  # a mixture is fitted to at least this many samples of q(z), and to at least one for each image
ZERO_LOGVAR = -60.0  # the log variance of codes without noise in the aggregate posterior: standard deviation 1e-13


def fit(name: str, codes: Gaussian | Delta) -> Any:
    """Return a density fitted to the aggregate posterior q(z) of codes.

    The density "gaussian" has exactly the mean and the covariance of q(z), cov(mean) + E[diag(var)]. The density
    "mixture:M" is the mixture of M Gaussians with full covariances that scikit-learn's EM finds for samples of q(z).
    The density "aggregate" is q(z) itself. The result depends on the arguments only.

    Args:
        name: "gaussian", "mixture:M" or "aggregate".
        codes: q(z|x) of N training images, with parameters [N, D].

    Raises:
        errors.UserError: the name is unknown, the codes are of another family, or there are too few codes.
    """
    kind, components = prior_names.parse(name)
    if not isinstance(codes, Gaussian | Delta):
        raise errors.UserError(
            f"--prior={name} needs codes that are Gaussian or deterministic, not {type(codes).__name__}: omit --prior"
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
    raise errors.UserError("--prior=standard is the model's own prior, which is not fitted")


def _moments(codes: Gaussian | Delta) -> tuple[np.ndarray, np.ndarray]:
    """Return the means and the standard deviations of codes, float64 [N, D] each."""
    if isinstance(codes, Delta):
        mean = np.asarray(codes.value, np.float64)
        return mean, np.zeros_like(mean)
    return np.asarray(codes.mean, np.float64), np.exp(0.5 * np.asarray(codes.logvar, np.float64))


def _fit_mixture(mean: np.ndarray, std: np.ndarray, components: int) -> Mixture:
    from sklearn import mixture

    draws = -(-MIXTURE_CODES // len(mean))
    noise = np.random.default_rng(0).normal(size=(draws, *mean.shape))
    z = (mean + std * noise).reshape(-1, mean.shape[1])
    model: Any = mixture.GaussianMixture(components, covariance_type="full", max_iter=200, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mixture whose EM has not converged is still a density
        model.fit(z)
    scales = np.stack([_cholesky(covariance) for covariance in model.covariances_])
    with np.errstate(divide="ignore"):  # a component may have the weight 0
        log_weights = np.log(model.weights_)
    return Mixture(_float32(log_weights), MultivariateGaussian(_float32(model.means_), _float32(scales)))


def to_bytes(prior: Any, fingerprint: int) -> bytes:
    """Return the contents of an .npz file with a fitted prior.

    Args:
        prior: as `fit` returned it.
        fingerprint: a number that identifies what the prior was fitted to.
    """
    buffer = io.BytesIO()
    leaves = jax.tree_util.tree_leaves_with_path(prior)
    arrays: dict[str, Any] = {"fingerprint": np.int64(fingerprint)}
    arrays |= {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def from_bytes(name: str, data: bytes, fingerprint: int) -> Any | None:
    """Return the prior in the contents of an .npz file, or None if the prior cannot be used.

    A prior cannot be used if the fingerprint differs, or if the file is damaged or has an older format.

    Args:
        name: the name by which the prior was fitted.
        data: as `to_bytes` returned it.
        fingerprint: the number that identifies what the prior should have been fitted to.
    """
    none = jnp.zeros(())
    empty = {
        "gaussian": MultivariateGaussian(none, none),
        "mixture": Mixture(none, MultivariateGaussian(none, none)),
        "aggregate": Mixture(none, Gaussian(none, none)),
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


def _float32(array: Any) -> jax.Array:
    return jnp.asarray(array, jnp.float32)


def _cholesky(covariance: np.ndarray) -> np.ndarray:
    """Return lower-triangular S with S S^T = covariance plus a small multiple of the identity.

    Along a direction without spread, the standard deviation becomes a millionth of the root mean variance.
    """
    floor = 1e-12 * max(np.trace(covariance) / len(covariance), 1e-12)
    return np.linalg.cholesky(covariance + floor * np.eye(len(covariance)))
