"""Terms on the aggregate posterior: (key, z [B, D], posterior, *, hyperparameters) -> [], raw.

Weights live outside, in `penalties = {name: (weight, function)}`. All depend on the batch size and must see the
global batch. Distances are taken in full float32, and squared ones are kept from falling below 0.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax import errors, limits
from vae_jax.distributions import Gaussian, standard_normal
from vae_jax.losses.total_correlation import dimension_wise_kl, mutual_information, total_correlation
from vae_jax.random import fold_in_name

__all__ = [
    "PENALTIES",
    "dimension_wise_kl",
    "dip_i",
    "dip_ii",
    "mmd_imq",
    "mmd_rbf",
    "mutual_information",
    "sliced_wasserstein",
    "total_correlation",
]


def dip_i(key: jax.Array, z: jax.Array, posterior: Any, *, diagonal: float = 10.0) -> jax.Array:
    """sum_{i!=j} S_ij^2 + diagonal * sum_i (S_ii - 1)^2, S = Cov_b[mean]: DIP-VAE-I.

    The term's weight is the paper's lambda_od; diagonal is lambda_d / lambda_od.

    Reference: Kumar et al., 2018, arXiv 1711.00848, equation 6.
    """
    del key, z
    return _distance_from_identity(_covariance(_gaussian("dip_i", posterior).mean), diagonal)


def dip_ii(key: jax.Array, z: jax.Array, posterior: Gaussian, *, diagonal: float = 1.0) -> jax.Array:
    """The same with S = Cov_b[mean] + diag(mean_b exp(logvar)), the covariance of q(z): DIP-VAE-II.

    Reference: Kumar et al., 2018, arXiv 1711.00848, equation 7.
    """
    del key, z
    posterior = _gaussian("dip_ii", posterior)
    within = jnp.diag(jnp.exp(posterior.logvar).mean(0))
    return _distance_from_identity(_covariance(posterior.mean) + within, diagonal)


def _gaussian(name: str, posterior: Any) -> Gaussian:
    """Return a posterior that is Gaussian; refuse others by name, whose covariance has no formula here."""
    if not isinstance(posterior, Gaussian):
        raise errors.OutOfRange(
            f"the penalty {name} is of Gaussian posteriors, not of {type(posterior).__name__}: leave it out"
        )
    return posterior


def _covariance(values: jax.Array) -> jax.Array:
    """The covariance of the rows of [B, D], with 1/B: [D, D]."""
    centred = values - values.mean(0, keepdims=True)
    return jnp.matmul(centred.T, centred, precision=jax.lax.Precision.HIGHEST) / values.shape[0]


def _distance_from_identity(covariance: jax.Array, diagonal: float) -> jax.Array:
    variances = jnp.diagonal(covariance)
    off_diagonal = covariance - jnp.diag(variances)
    return jnp.square(off_diagonal).sum() + diagonal * jnp.square(variances - 1.0).sum()


def mmd_imq(
    key: jax.Array,
    z: jax.Array,
    posterior: Any,
    *,
    prior: Gaussian | None = None,
    scales: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
) -> jax.Array:
    """Return MMD^2 between q(z) and p(z) under the kernel sum_s C_s / (C_s + |a - b|^2), C_s = 2 s sum_d var_p(z_d).

    Args:
        key: of the prior's samples.
        z: [B, D].
        posterior: not used.
        prior: p(z), [D]; None is N(0, I).
        scales: the s of the sum.

    Reference: Tolstikhin et al., 2018, arXiv 1711.01558 (WAE).
    """
    del posterior
    prior = _prior("mmd_imq", prior, z)
    sizes = [2.0 * scale * jnp.exp(prior.logvar).sum() for scale in scales]
    return _mmd(z, _prior_sample(key, prior, z), lambda square: sum(size / (size + square) for size in sizes))


def mmd_rbf(
    key: jax.Array, z: jax.Array, posterior: Any, *, bandwidth: float | None = None, prior: Gaussian | None = None
) -> jax.Array:
    """Return MMD^2 between q(z) and p(z) under the kernel exp(-|a - b|^2 / (2 bandwidth^2)).

    Args:
        key: of the prior's samples.
        z: [B, D].
        posterior: not used.
        bandwidth: None is the root of sum_d var_p(z_d), half the mean squared distance of two draws from the prior.
        prior: p(z), [D]; None is N(0, I).

    Reference: Gretton et al., 2012, "A kernel two-sample test"; Zhao et al., 2019, arXiv 1706.02262 (InfoVAE).
    """
    del posterior
    prior = _prior("mmd_rbf", prior, z)
    square_bandwidth = jnp.exp(prior.logvar).sum() if bandwidth is None else bandwidth**2
    return _mmd(z, _prior_sample(key, prior, z), lambda square: jnp.exp(-square / (2.0 * square_bandwidth)))


def _prior(name: str, prior: Gaussian | None, z: jax.Array) -> Gaussian:
    """Return p(z) of latents z [B, D]: the given Gaussian [D], or N(0, I); refuse another prior by the penalty's name."""
    if jnp.ndim(z) != 2:
        raise ValueError(f"z is [B, D], not {jnp.shape(z)}")
    limits.at_least(2, batch_size=z.shape[0])
    if prior is not None and not isinstance(prior, Gaussian):
        raise errors.OutOfRange(f"the penalty {name} compares with a Gaussian prior, not with {type(prior).__name__}")
    return standard_normal(z[0]) if prior is None else prior


def _prior_sample(key: jax.Array, prior: Gaussian, z: jax.Array) -> jax.Array:
    """Return as many samples of the prior as there are rows in z, [B, D]."""
    return prior.sample(fold_in_name(key, "prior"), z.shape[0])


def _mmd(z: jax.Array, prior: jax.Array, kernel: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """mean_{i!=j} [k(z_i, z_j) + k(p_i, p_j)] - 2 mean_{ij} k(z_i, p_j): unbiased, hence below 0 at times.

    Reference: Gretton et al., 2012, "A kernel two-sample test".
    """
    num = z.shape[0]

    def within(values: jax.Array) -> jax.Array:
        kernels = kernel(_squared_distances(values, values))
        return jnp.where(jnp.eye(num, dtype=bool), 0.0, kernels).sum() / (num * (num - 1))

    return within(z) + within(prior) - 2.0 * kernel(_squared_distances(z, prior)).mean()


def _squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """|a_i|^2 + |b_j|^2 - 2 a_i b_j, at least 0: [B, B]."""
    product = jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(jnp.square(a).sum(-1)[:, None] + jnp.square(b).sum(-1)[None, :] - 2.0 * product, 0.0)


def sliced_wasserstein(
    key: jax.Array,
    z: jax.Array,
    posterior: Any,
    *,
    num_projections: int = 50,
    exponent: float = 2.0,
    prior: Gaussian | None = None,
) -> jax.Array:
    """Return mean_{l,i} |sort(z w_l)_i - sort(p w_l)_i|^exponent, w_l random unit directions, p ~ p(z).

    Two batches of the same law are still 0 only as B grows: the value falls as 1 / B, up to a logarithm.

    Reference: Kolouri et al., 2018, arXiv 1804.01947 (SWAE).
    """
    del posterior
    limits.at_least(1, exponent=exponent, num_projections=num_projections)
    drawn = _prior_sample(key, _prior("sliced_wasserstein", prior, z), z)
    directions = jax.random.normal(fold_in_name(key, "directions"), (z.shape[1], num_projections), z.dtype)
    directions = directions / jnp.linalg.norm(directions, axis=0, keepdims=True)

    def sorted_projections(values: jax.Array) -> jax.Array:
        return jnp.sort(jnp.matmul(values, directions, precision=jax.lax.Precision.HIGHEST), axis=0)

    return (jnp.abs(sorted_projections(z) - sorted_projections(drawn)) ** exponent).mean()


PENALTIES = {
    "dimension_wise_kl": dimension_wise_kl,
    "dip_i": dip_i,
    "dip_ii": dip_ii,
    "mmd_imq": mmd_imq,
    "mmd_rbf": mmd_rbf,
    "mutual_information": mutual_information,
    "sliced_wasserstein": sliced_wasserstein,
    "total_correlation": total_correlation,
}
