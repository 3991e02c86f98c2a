"""A sample together with its log density, in one pass, for a distribution of any kind.

A flow, a relaxed categorical and a product find the density of their own sample on the way to the sample, and offer a
method of the name `sample_and_log_prob`. Every other distribution evaluates `log_prob` at its sample.
"""

from typing import Any

import jax


def sample_and_log_prob(q: Any, key: jax.Array, num_samples: int | None = None, *, path: bool = False):
    """Return z and log q(z), [B] or [num_samples, B] in nats.

    Args:
        q: a distribution.
        key: PRNG key.
        num_samples: K samples of every example, or None for one without a sample axis.
        path: whether gradients reach log q(z) through z alone, as path-gradient estimators need.

    Reference: Roeder et al., 2017, Sticking the landing, arXiv 1703.09194.
    """
    if hasattr(q, "sample_and_log_prob"):
        return q.sample_and_log_prob(key, num_samples, path=path)
    z = q.sample(key, num_samples)
    return z, (jax.lax.stop_gradient(q) if path else q).log_prob(z)
