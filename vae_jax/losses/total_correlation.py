"""The KL of a batch split in three, by estimates of the aggregate posterior q(z) = 1/N sum_n q(z|x_n).

mean KL(q(z|x) || p(z)) = I(x; z) + TC(z) + sum_d KL(q(z_d) || p(z_d)), p(z) = N(0, I).

The estimates depend on the batch size and must see the global batch. They hold a [B, B, D] array. All constants
are kept, so that the values are those of the quantities named, as far as the estimates go: the stratified total
correlation is low by some tenths of a nat, the minibatch-weighted one is high by about (D - 1) ln N.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import errors
from vae_jax.distributions import Gaussian, standard_normal


class Split(NamedTuple):
    """The three parts of the KL, each [], in nats."""

    mutual_information: jax.Array
    total_correlation: jax.Array
    dimension_wise_kl: jax.Array


def minibatch_kl_split(z: jax.Array, posterior: Gaussian, *, num_data: int, estimator: str = "stratified") -> Split:
    """I = E[log q(z|x) - log q(z)], TC = E[log q(z) - sum_d log q(z_d)], the rest E[sum_d log q(z_d) - log p(z)].

    Args:
        z: one sample of each posterior, [B, D].
        posterior: q(z|x) of the batch, Gaussians [B, D].
        num_data: N, images in the training set.
        estimator: "stratified" or "weighted", see `log_minibatch_weights`.

    Reference: Chen et al., 2018, arXiv 1802.04942.
    """
    joint, marginals = aggregate_log_density(z, posterior, num_data=num_data, estimator=estimator)
    factorised = marginals.sum(-1)
    return Split(
        mutual_information=(posterior.log_prob(z) - joint).mean(),
        total_correlation=(joint - factorised).mean(),
        dimension_wise_kl=(factorised - standard_normal(posterior.mean).log_prob(z)).mean(),
    )


def aggregate_log_density(
    z: jax.Array, posterior: Gaussian, *, num_data: int, estimator: str = "stratified"
) -> tuple[jax.Array, jax.Array]:
    """log q(z_i) = LSE_j(ln W_ij + sum_d L_ijd) [B] and log q(z_id) = LSE_j(ln W_ij + L_ijd) [B, D].

    L_ijd = log q(z_id | x_j). The weight enters once, after the sum over latents.
    """
    if not isinstance(posterior, Gaussian):
        raise errors.OutOfRange(
            f"the parts of the KL are estimated from Gaussian posteriors, not from {type(posterior).__name__}: "
            "leave the penalty out"
        )
    if jnp.shape(z) != jnp.shape(posterior.mean):
        raise ValueError(f"an aggregate density needs one z [B, D] of each Gaussian, not {jnp.shape(z)}")
    size, dim = z.shape
    pairs = posterior.log_density(jnp.broadcast_to(z[:, None, :], (size, size, dim)))  # [i, j, d]
    weights = jnp.asarray(log_minibatch_weights(size, num_data, estimator), pairs.dtype)
    joint = jax.nn.logsumexp(weights + pairs.sum(-1), axis=1)
    return joint, jax.nn.logsumexp(weights[:, :, None] + pairs, axis=1)


def log_minibatch_weights(batch_size: int, num_data: int, estimator: str = "stratified") -> np.ndarray:
    """ln W, [B, B]: how much q(. | x_j) stands for in the estimate of q(z_i).

    stratified: W_ii = 1/N, W_i,i+1 = (N - M) / (N M), the others 1/M, M = B - 1; rows sum to 1, and the estimate
        of q(z_i) is unbiased: z_i was drawn from q(. | x_i), which is one of N, while the others are a sample.
    weighted: 1 / (N B) throughout, a lower bound of E[log q(z)].

    Reference: Chen et al., 2018, arXiv 1802.04942.
    """
    if not 2 <= batch_size <= num_data:
        raise errors.OutOfRange(f"a batch of {batch_size} out of num_data = {num_data} has no aggregate posterior")
    if estimator == "weighted":
        return np.full((batch_size, batch_size), -math.log(num_data * batch_size))
    if estimator != "stratified":
        raise errors.OutOfRange(f"estimator is 'stratified' or 'weighted', not {estimator!r}")
    others = batch_size - 1
    weights = np.full((batch_size, batch_size), 1.0 / others)
    rows = np.arange(batch_size)
    weights[rows, rows] = 1.0 / num_data
    weights[rows, (rows + 1) % batch_size] = (num_data - others) / (num_data * others)
    return np.log(weights)


def mutual_information(
    key: jax.Array, z: jax.Array, posterior: Gaussian, *, num_data: int, estimator: str = "stratified"
) -> jax.Array:
    """I(x; z), at most ln num_data. Weight alpha - 1 beside a KL of weight 1 makes the paper's alpha."""
    del key
    return minibatch_kl_split(z, posterior, num_data=num_data, estimator=estimator).mutual_information


def total_correlation(
    key: jax.Array, z: jax.Array, posterior: Gaussian, *, num_data: int, estimator: str = "stratified"
) -> jax.Array:
    """TC(z) = KL(q(z) || prod_d q(z_d)). Weight beta - 1 beside a KL of weight 1 makes the paper's beta.

    Reference: Chen et al., 2018, arXiv 1802.04942 (beta-TCVAE).
    """
    del key
    return minibatch_kl_split(z, posterior, num_data=num_data, estimator=estimator).total_correlation


def dimension_wise_kl(
    key: jax.Array, z: jax.Array, posterior: Gaussian, *, num_data: int, estimator: str = "stratified"
) -> jax.Array:
    """sum_d KL(q(z_d) || p(z_d)). Weight gamma - 1 beside a KL of weight 1 makes the paper's gamma."""
    del key
    return minibatch_kl_split(z, posterior, num_data=num_data, estimator=estimator).dimension_wise_kl
