"""One function that returns a sample together with its log density, for a distribution of any kind.

A flow, a relaxed categorical and a product compute the density of their sample on the way to the sample, and have a
method `sample_and_log_prob`. For every other distribution, the function evaluates `log_prob` at the sample. `product`
uses the function.
"""

from typing import Any

import jax


def sample_and_log_prob(q: Any, key: jax.Array, num_samples: int | None = None, *, path: bool = False):
    """Return z and log q(z) in nats, [B] or [num_samples, B].

    Args:
        q: a distribution.
        key: PRNG key.
        num_samples: K samples of every example, or None for one without a sample axis.
        path: whether gradients reach log q(z) through z alone, as path-gradient estimators need.

    References:
        Roeder et al., 2017, Sticking the landing, arXiv 1703.09194.
    """
    if hasattr(q, "sample_and_log_prob"):
        return q.sample_and_log_prob(key, num_samples, path=path)
    z = q.sample(key, num_samples)
    return z, (jax.lax.stop_gradient(q) if path else q).log_prob(z)
