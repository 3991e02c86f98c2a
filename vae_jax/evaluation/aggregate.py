"""The KL split in three on the aggregate posterior q(z) = 1/N sum_n q(z|x_n), exact in q(z): no minibatch estimate.

    mean KL(q(z|x) || p(z)) = I(x; z) + TC(z) + sum_d KL(q(z_d) || p(z_d)),    p(z) = N(0, I)

and the last two together are the marginal KL(q(z) || p(z)). The expectation over z is that of one sample of each
posterior; the parts telescope to its Monte Carlo KL whatever the sample.
"""

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions import Gaussian, standard_normal
from vae_jax.inference.chunks import in_chunks

PAIRS_PER_CALL = 2**24  # elements of the [chunk, N, D] array


@jax.jit
def _log_densities(z: jax.Array, posterior: Gaussian) -> tuple[jax.Array, jax.Array]:
    """log q(z) [B] and log q(z_d) [B, D] of z [B, D] under the mixture of N posteriors."""
    size, num = len(z), len(posterior.mean)
    pairs = posterior.log_density(jnp.broadcast_to(z[:, None], (size, num, z.shape[-1])))
    log_num = jnp.log(num)
    return jax.nn.logsumexp(pairs.sum(-1), axis=1) - log_num, jax.nn.logsumexp(pairs, axis=1) - log_num


def log_densities(z: np.ndarray, posterior: Gaussian) -> tuple[np.ndarray, np.ndarray]:
    """log q(z) [S] and log q(z_d) [S, D] of z [S, D], q the mixture of all N posteriors, in chunks of z."""
    size = max(1, PAIRS_PER_CALL // np.size(posterior.mean))
    joint, marginals = in_chunks(lambda part: _log_densities(part, posterior), z, size)
    return joint.astype(np.float64), marginals.astype(np.float64)


def kl_split(key: jax.Array, posterior: Gaussian) -> dict[str, float]:
    """The parts of the KL in nats, and ln N, which the mutual information cannot exceed.

    Args:
        key: of the samples, one of each posterior.
        posterior: q(z|x_n), [N, D].

    References: Hoffman and Johnson, 2016, "ELBO surgery"; Chen et al., 2018, arXiv 1802.04942, equation 2.
    """
    z = posterior.sample(key)
    joint, marginals = log_densities(np.asarray(z), posterior)
    conditional = np.asarray(posterior.log_prob(z), np.float64)
    prior = np.asarray(standard_normal(posterior.mean).log_prob(z), np.float64)
    factorised = marginals.sum(-1)
    return {
        "mutual_information": float((conditional - joint).mean()),
        "total_correlation": float((joint - factorised).mean()),
        "dimension_wise_kl": float((factorised - prior).mean()),
        "marginal_kl": float((joint - prior).mean()),
        "kl": float((conditional - prior).mean()),
        "largest_mutual_information": float(np.log(len(z))),
    }
