"""The three parts of the KL: mutual information, total correlation and dimension-wise KL, as penalties.

    mean KL(q(z|x) || p(z)) = I(x; z) + TC(z) + sum_d KL(q(z_d) || p(z_d)),  p(z) = N(0, I)

The parts are estimated from a batch, by an estimate of the aggregate posterior q(z) = 1/N sum_n q(z|x_n). An estimate
depends on the batch size, so it must see the global batch, and it needs an array [B, B, D]. All constants are kept. The
stratified estimate of the total correlation is too low by some tenths of a nat; the weighted estimate is too high by
about (D - 1) ln N.

`penalties` offers the three penalties beside the others. The density-ratio estimate of FactorVAE is in `objectives`.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vae_jax import errors
from vae_jax.distributions import Gaussian, standard_normal


class Split(NamedTuple):
    """The three parts of the KL in nats.

    Attributes:
        mutual_information: I(x; z) = E[log q(z|x) - log q(z)], [].
        total_correlation: TC(z) = E[log q(z) - sum_d log q(z_d)], [].
        dimension_wise_kl: E[sum_d log q(z_d) - log p(z)], [].
    """

    mutual_information: Float[Array, ""]
    total_correlation: Float[Array, ""]
    dimension_wise_kl: Float[Array, ""]


def minibatch_kl_split(
    z: Float[Array, "B D"], posterior: Any, *, num_data: int, estimator: str = "stratified"
) -> Split:
    """Return estimates of the three parts of the KL from a batch.

    Args:
        z: one sample of each posterior, [B, D].
        posterior: q(z|x) of the batch, a Gaussian [B, D].
        num_data: N, images in the training set.
        estimator: "stratified" or "weighted", see `log_minibatch_weights`.

    Returns:
        The three parts, [] nats each.

    Raises:
        errors.OutOfRange: the posterior is not a Gaussian, the estimator is unknown, or B is not in 2, ..., N.

    References:
        Chen et al., 2018, arXiv 1802.04942.
    """
    joint, marginals = aggregate_log_density(z, posterior, num_data=num_data, estimator=estimator)
    factorised = marginals.sum(-1)
    return Split(
        mutual_information=(posterior.log_prob(z) - joint).mean(),
        total_correlation=(joint - factorised).mean(),
        dimension_wise_kl=(factorised - standard_normal(posterior.mean).log_prob(z)).mean(),
    )


def aggregate_log_density(
    z: Float[Array, "B D"], posterior: Any, *, num_data: int, estimator: str = "stratified"
) -> tuple[Float[Array, " B"], Float[Array, "B D"]]:
    """Return estimates of the log density of the aggregate posterior at each z, joint and of each latent.

    With L_ijd = log q(z_id | x_j), the joint density is log q(z_i) = LSE_j(ln W_ij + sum_d L_ijd), and the density of
    one latent is log q(z_id) = LSE_j(ln W_ij + L_ijd). In the joint density the weight W_ij is counted once, not once
    for each latent.

    Args:
        z: one sample of each posterior, [B, D].
        posterior: q(z|x) of the batch, a Gaussian [B, D].
        num_data: N, images in the training set.
        estimator: "stratified" or "weighted", see `log_minibatch_weights`, which returns ln W.

    Returns:
        log q(z_i), [B] nats, and log q(z_id), [B, D] nats.

    Raises:
        errors.OutOfRange: as for `minibatch_kl_split`.
        ValueError: z has not the posterior's shape.
    """
    if not isinstance(posterior, Gaussian):
        raise errors.OutOfRange(
            f"the parts of the KL need a Gaussian posterior, not {type(posterior).__name__}: remove the penalty"
        )
    if jnp.shape(z) != jnp.shape(posterior.mean):
        raise ValueError(
            f"z must have one sample of each posterior, {jnp.shape(posterior.mean)}; its shape is {jnp.shape(z)}"
        )
    size, dim = z.shape
    pairs = posterior.log_density(jnp.broadcast_to(z[:, None, :], (size, size, dim)))  # [i, j, d]
    weights = jnp.asarray(log_minibatch_weights(size, num_data, estimator), pairs.dtype)
    joint = jax.nn.logsumexp(weights + pairs.sum(-1), axis=1)
    return joint, jax.nn.logsumexp(weights[:, :, None] + pairs, axis=1)


def log_minibatch_weights(batch_size: int, num_data: int, estimator: str = "stratified") -> Float[np.ndarray, "B B"]:
    """Return the log of the weight of q(. | x_j) in the estimate of the aggregate density q(z_i).

    With "stratified", W_ii = 1/N, W_i,i+1 = (N - M) / (N M), and every other weight is 1/M, where M = B - 1. Each row
    sums to 1. The estimate of q(z_i) is unbiased, because x_i, from whose posterior z_i was drawn, is one of N images,
    and the other images of the batch are a sample of the rest. With "weighted", every weight is 1 / (N B), which gives
    a lower bound of E[log q(z)].

    Args:
        batch_size: B.
        num_data: N, images in the training set.
        estimator: "stratified" or "weighted".

    Returns:
        ln W, [B, B].

    Raises:
        errors.OutOfRange: the estimator is unknown, or B is not in 2, ..., N.

    References:
        Chen et al., 2018, arXiv 1802.04942.
    """
    if not 2 <= batch_size <= num_data:
        raise errors.OutOfRange(
            f"the batch size must be between 2 and num_data = {num_data} to estimate the aggregate posterior, "
            f"not {batch_size}"
        )
    if estimator == "weighted":
        return np.full((batch_size, batch_size), -math.log(num_data * batch_size))
    if estimator != "stratified":
        raise errors.OutOfRange(f"estimator must be 'stratified' or 'weighted', not {estimator!r}")
    others = batch_size - 1
    weights = np.full((batch_size, batch_size), 1.0 / others)
    rows = np.arange(batch_size)
    weights[rows, rows] = 1.0 / num_data
    weights[rows, (rows + 1) % batch_size] = (num_data - others) / (num_data * others)
    return np.log(weights)


def mutual_information(
    key: jax.Array, z: Float[Array, "B D"], posterior: Any, *, num_data: int, estimator: str = "stratified"
) -> Float[Array, ""]:
    """Return the mutual information I(x; z), which is at most ln num_data.

    The weight alpha - 1, beside a KL of weight 1, gives the weight alpha of the paper.

    Args:
        key: not used.
        z, posterior, num_data, estimator: as for `minibatch_kl_split`.

    References:
        Chen et al., 2018, arXiv 1802.04942 (beta-TCVAE).
    """
    del key
    return minibatch_kl_split(z, posterior, num_data=num_data, estimator=estimator).mutual_information


def total_correlation(
    key: jax.Array, z: Float[Array, "B D"], posterior: Any, *, num_data: int, estimator: str = "stratified"
) -> Float[Array, ""]:
    """Return the total correlation TC(z) = KL(q(z) || prod_d q(z_d)).

    The weight beta - 1, beside a KL of weight 1, gives the weight beta of the paper.

    Args:
        key: not used.
        z, posterior, num_data, estimator: as for `minibatch_kl_split`.

    References:
        Chen et al., 2018, arXiv 1802.04942 (beta-TCVAE).
    """
    del key
    return minibatch_kl_split(z, posterior, num_data=num_data, estimator=estimator).total_correlation


def dimension_wise_kl(
    key: jax.Array, z: Float[Array, "B D"], posterior: Any, *, num_data: int, estimator: str = "stratified"
) -> Float[Array, ""]:
    """Return the dimension-wise KL, sum_d KL(q(z_d) || p(z_d)) with p(z) = N(0, I).

    The weight gamma - 1, beside a KL of weight 1, gives the weight gamma of the paper.

    Args:
        key: not used.
        z, posterior, num_data, estimator: as for `minibatch_kl_split`.

    References:
        Chen et al., 2018, arXiv 1802.04942 (beta-TCVAE).
    """
    del key
    return minibatch_kl_split(z, posterior, num_data=num_data, estimator=estimator).dimension_wise_kl
