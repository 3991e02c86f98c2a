"""The KL split in three on the aggregate posterior q(z) = 1/N sum_n q(z|x_n), which is evaluated exactly.

    mean KL(q(z|x) || p(z)) = I(x; z) + TC(z) + sum_d KL(q(z_d) || p(z_d))

The last two parts together are the marginal KL(q(z) || p(z)). The expectation over z is the mean over one sample of
each posterior, and the parts sum to the Monte Carlo KL of these samples. Minibatch estimates of the same parts, for
training, are in `losses.total_correlation`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import distributions, models
from vae_jax.evaluation.encodings import Encodings
from vae_jax.evaluation.inputs import chosen_rows
from vae_jax.inference.chunks import in_chunks

PAIRS_PER_CALL = 2**24  # elements of the [chunk, N, D] array
MAX_ENCODINGS = 5_000  # the cost is quadratic in their number

NO_DENSITY = "latents without a density have no KL to split"
NO_MARGINALS = "the split needs one posterior per image, with a density of each latent by itself"
AT_LEAST_ZERO = ("mutual_information", "total_correlation", "dimension_wise_kl", "marginal_kl", "kl")


def section(model: Any, variables: Any, encoded: Encodings, key: jax.Array, num_images: int) -> dict[str, Any]:
    """Return the split of the KL over at most `num_images` images with notes on its limits, or why it is absent."""
    if encoded.kl is None:
        return {"absent": NO_DENSITY}
    if not hasattr(encoded.posterior, "log_density"):
        return {"absent": NO_MARGINALS}
    num = min(num_images, MAX_ENCODINGS, len(encoded.code))
    rows = chosen_rows(len(encoded.code), num)
    posterior = jax.tree.map(lambda leaf: leaf[rows], encoded.posterior)
    prior, _ = models.apply(lambda vae: distributions.prior_of(vae, posterior), model, variables)
    split = kl_split(key, posterior, prior)
    notes = _notes(split, num)
    return split | {"num_encodings": num} | ({"note": "; ".join(notes)} if notes else {})


def kl_split(key: jax.Array, posterior: Any, prior: Any) -> dict[str, float]:
    """Return the parts of the KL in nats, and ln N, which the mutual information cannot exceed.

    Args:
        key: of the samples, one of each posterior.
        posterior: q(z|x_n), a distribution of N images with `log_density`.
        prior: p(z).

    References:
        Hoffman and Johnson, 2016, "ELBO surgery"; Chen et al., 2018, arXiv 1802.04942, equation 2.
    """
    z = posterior.sample(key)
    joint, marginals = log_densities(np.asarray(z), posterior)
    conditional = np.asarray(posterior.log_prob(z), np.float64)
    log_prior = np.asarray(prior.log_prob(z), np.float64)
    factorised = marginals.sum(-1)
    return {
        "mutual_information": float((conditional - joint).mean()),
        "total_correlation": float((joint - factorised).mean()),
        "dimension_wise_kl": float((factorised - log_prior).mean()),
        "marginal_kl": float((joint - log_prior).mean()),
        "kl": float((conditional - log_prior).mean()),
        "largest_mutual_information": float(np.log(len(z))),
    }


def log_densities(z: np.ndarray, posterior: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return log q(z) [S] and log q(z_d) [S, D] of z [S, D] under the mixture of all N posteriors, in chunks of z."""
    num = len(jax.tree.leaves(posterior)[0])
    size = max(1, PAIRS_PER_CALL // (num * z.shape[-1]))
    joint, marginals = in_chunks(lambda part: _log_densities(part, posterior), z, size)
    return joint.astype(np.float64), marginals.astype(np.float64)


@jax.jit
def _log_densities(z: jax.Array, posterior: Any) -> tuple[jax.Array, jax.Array]:
    size, num = len(z), len(jax.tree.leaves(posterior)[0])
    pairs = posterior.log_density(jnp.broadcast_to(z[:, None], (size, num, z.shape[-1])))  # [S, N, D]
    log_num = jnp.log(num)
    return jax.nn.logsumexp(pairs.sum(-1), axis=1) - log_num, jax.nn.logsumexp(pairs, axis=1) - log_num


def _notes(split: dict[str, float], num: int) -> list[str]:
    """Return what a reader must know of these numbers: too few images, and estimates of the wrong sign."""
    notes, most = [], split["largest_mutual_information"]
    if split["mutual_information"] > 0.9 * most:
        remedy = "raise num_images or take a larger split" if num < MAX_ENCODINGS else "no more are taken"
        notes.append(
            f"{num:,} images are too few: the mutual information is near its largest value ln {num:,} = {most:.2f} "
            f"({remedy})"
        )
    below = [name for name in AT_LEAST_ZERO if split[name] < 0]
    if below:
        notes.append(f"{', '.join(below)}: below 0 by the noise of the samples, where the true value is 0 or more")
    return notes
