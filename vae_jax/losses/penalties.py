"""Penalties on the aggregate posterior q(z) of a batch, and the table of all penalties.

A penalty is a function (key, z [B, D], posterior, *, hyperparameters) -> []. The value is raw: the weight stands beside
the function in `penalties = {name: (weight, function)}`, and `objectives` multiplies the two. The value of every
penalty depends on the batch size, so a penalty must see the global batch. Matrix products are computed in full float32,
because distances are differences of large numbers.

The three parts of the KL that need the density of q(z) are in `total_correlation`, and are offered here too.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

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


def dip_i(key: jax.Array, z: Float[Array, "B D"], posterior: Any, *, diagonal: float = 10.0) -> Float[Array, ""]:
    """Return the distance of the covariance of the posterior means from the identity (DIP-VAE-I).

    The value is sum_{i!=j} S_ij^2 + diagonal * sum_i (S_ii - 1)^2 with S = Cov_b[mean]. The weight of the penalty is
    lambda_od of the paper.

    Args:
        key: not used.
        z: not used.
        posterior: q(z|x) of the batch, a Gaussian [B, D].
        diagonal: lambda_d / lambda_od of the paper.

    Raises:
        errors.OutOfRange: the posterior is not a Gaussian.

    References:
        Kumar et al., 2018, arXiv 1711.00848, equation 6.
    """
    del key, z
    return _distance_from_identity(_covariance(_gaussian("dip_i", posterior).mean), diagonal)


def dip_ii(key: jax.Array, z: Float[Array, "B D"], posterior: Any, *, diagonal: float = 1.0) -> Float[Array, ""]:
    """Return the distance of the covariance of q(z) from the identity (DIP-VAE-II).

    The value is sum_{i!=j} S_ij^2 + diagonal * sum_i (S_ii - 1)^2 with S = Cov_b[mean] + diag(mean_b exp(logvar)).

    Args:
        key: not used.
        z: not used.
        posterior: q(z|x) of the batch, a Gaussian [B, D].
        diagonal: lambda_d / lambda_od of the paper.

    Raises:
        errors.OutOfRange: the posterior is not a Gaussian.

    References:
        Kumar et al., 2018, arXiv 1711.00848, equation 7.
    """
    del key, z
    posterior = _gaussian("dip_ii", posterior)
    within = jnp.diag(jnp.exp(posterior.logvar).mean(0))
    return _distance_from_identity(_covariance(posterior.mean) + within, diagonal)


def _gaussian(name: str, posterior: Any) -> Gaussian:
    """Return the posterior if it is a Gaussian.

    Raises:
        errors.OutOfRange: it is another distribution, for whose covariance this file has no formula.
    """
    if not isinstance(posterior, Gaussian):
        raise errors.OutOfRange(
            f"the penalty {name} needs a Gaussian posterior, not {type(posterior).__name__}: remove the penalty"
        )
    return posterior


def _covariance(values: Float[Array, "B D"]) -> Float[Array, "D D"]:
    """Return the covariance of the rows, normalised by 1 / B."""
    centred = values - values.mean(0, keepdims=True)
    return jnp.matmul(centred.T, centred, precision=jax.lax.Precision.HIGHEST) / values.shape[0]


def _distance_from_identity(covariance: Float[Array, "D D"], diagonal: float) -> Float[Array, ""]:
    variances = jnp.diagonal(covariance)
    off_diagonal = covariance - jnp.diag(variances)
    return jnp.square(off_diagonal).sum() + diagonal * jnp.square(variances - 1.0).sum()


def mmd_imq(
    key: jax.Array,
    z: Float[Array, "B D"],
    posterior: Any,
    *,
    prior: Any = None,
    scales: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
) -> Float[Array, ""]:
    """Return MMD^2 between q(z) and p(z) under a sum of inverse multiquadratic kernels.

    The kernel is sum_s C_s / (C_s + |a - b|^2) with C_s = 2 s sum_d var_p(z_d).

    Args:
        key: the source of the prior's samples.
        z: one sample of each posterior, [B, D].
        posterior: not used.
        prior: p(z), a Gaussian [D]; None is N(0, I).
        scales: the values of s.

    Raises:
        errors.OutOfRange: the prior is not a Gaussian, or the batch has fewer than two images.

    References:
        Tolstikhin et al., 2018, arXiv 1711.01558 (WAE).
    """
    del posterior
    prior = _prior("mmd_imq", prior, z)
    sizes = [2.0 * scale * jnp.exp(prior.logvar).sum() for scale in scales]
    return _mmd(
        z, _prior_sample(key, prior, z), lambda square: jnp.asarray(sum(size / (size + square) for size in sizes))
    )


def mmd_rbf(
    key: jax.Array, z: Float[Array, "B D"], posterior: Any, *, bandwidth: float | None = None, prior: Any = None
) -> Float[Array, ""]:
    """Return MMD^2 between q(z) and p(z) under the Gaussian kernel exp(-|a - b|^2 / (2 bandwidth^2)).

    Args:
        key: the source of the prior's samples.
        z: one sample of each posterior, [B, D].
        posterior: not used.
        bandwidth: standard deviation of the kernel, in the units of z. None sets bandwidth^2 to sum_d var_p(z_d), which
            is half the mean squared distance of two samples of the prior.
        prior: p(z), a Gaussian [D]; None is N(0, I).

    Raises:
        errors.OutOfRange: the prior is not a Gaussian, or the batch has fewer than two images.

    References:
        Gretton et al., 2012, "A kernel two-sample test".
        Zhao et al., 2019, arXiv 1706.02262 (InfoVAE).
    """
    del posterior
    prior = _prior("mmd_rbf", prior, z)
    square_bandwidth = jnp.exp(prior.logvar).sum() if bandwidth is None else bandwidth**2
    return _mmd(z, _prior_sample(key, prior, z), lambda square: jnp.exp(-square / (2.0 * square_bandwidth)))


def _prior(name: str, prior: Any, z: Float[Array, "B D"]) -> Gaussian:
    """Return p(z) for latents z: the given Gaussian [D], or N(0, I) if `prior` is None.

    Raises:
        errors.OutOfRange: the prior is another distribution, or the batch has fewer than two images.
        ValueError: z is not [B, D].
    """
    if jnp.ndim(z) != 2:
        raise ValueError(f"z must have the shape [B, D]; its shape is {jnp.shape(z)}")
    limits.at_least(2, batch_size=z.shape[0])
    if prior is not None and not isinstance(prior, Gaussian):
        raise errors.OutOfRange(
            f"the penalty {name} needs a Gaussian prior, not {type(prior).__name__}: remove the penalty"
        )
    return standard_normal(z[0]) if prior is None else prior


def _prior_sample(key: jax.Array, prior: Gaussian, z: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Return as many samples of the prior as z has rows."""
    return prior.sample(fold_in_name(key, "prior"), z.shape[0])


def _mmd(
    z: Float[Array, "B D"], prior: Float[Array, "B D"], kernel: Callable[[jax.Array], jax.Array]
) -> Float[Array, ""]:
    """Return the unbiased estimate of MMD^2 between two samples, which can be below 0.

    The value is mean_{i!=j} [k(z_i, z_j) + k(p_i, p_j)] - 2 mean_{ij} k(z_i, p_j).

    Args:
        z: one sample of each posterior, [B, D].
        prior: samples p of the prior, [B, D].
        kernel: squared distances [B, B] -> values of the kernel k, [B, B].

    References:
        Gretton et al., 2012, "A kernel two-sample test".
    """
    num = z.shape[0]

    def within(values: Float[Array, "B D"]) -> Float[Array, ""]:
        kernels = kernel(_squared_distances(values, values))
        return jnp.where(jnp.eye(num, dtype=bool), 0.0, kernels).sum() / (num * (num - 1))

    return within(z) + within(prior) - 2.0 * kernel(_squared_distances(z, prior)).mean()


def _squared_distances(a: Float[Array, "B D"], b: Float[Array, "B D"]) -> Float[Array, "B B"]:
    """Return |a_i - b_j|^2 for all pairs of rows, computed as |a_i|^2 + |b_j|^2 - 2 a_i b_j and clipped at 0."""
    product = jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(jnp.square(a).sum(-1)[:, None] + jnp.square(b).sum(-1)[None, :] - 2.0 * product, 0.0)


def sliced_wasserstein(
    key: jax.Array,
    z: Float[Array, "B D"],
    posterior: Any,
    *,
    num_projections: int = 50,
    exponent: float = 2.0,
    prior: Any = None,
) -> Float[Array, ""]:
    """Return the sliced Wasserstein distance between q(z) and p(z), raised to the exponent.

    The value is mean_{l,i} |sort(z w_l)_i - sort(p w_l)_i|^exponent with random unit vectors w_l and samples p of p(z).
    The expected value is above 0 even if q(z) is p(z); it falls as 1 / B, up to a logarithm.

    Args:
        key: the source of the prior's samples and of the directions.
        z: one sample of each posterior, [B, D].
        posterior: not used.
        num_projections: number of directions w_l.
        exponent: exponent of the distance, 1 or more.
        prior: p(z), a Gaussian [D]; None is N(0, I).

    Raises:
        errors.OutOfRange: a hyperparameter is below 1, the prior is not a Gaussian, or the batch has fewer than two
            images.

    References:
        Kolouri et al., 2018, arXiv 1804.01947 (SWAE).
    """
    del posterior
    limits.at_least(1, exponent=exponent, num_projections=num_projections)
    drawn = _prior_sample(key, _prior("sliced_wasserstein", prior, z), z)
    directions = jax.random.normal(fold_in_name(key, "directions"), (z.shape[1], num_projections), z.dtype)
    directions = directions / jnp.linalg.norm(directions, axis=0, keepdims=True)

    def sorted_projections(values: Float[Array, "B D"]) -> Float[Array, "B L"]:
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
