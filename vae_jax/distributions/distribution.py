"""The contract of every distribution in this room. Posteriors, priors and densities fitted after training keep to it."""

from typing import Any, Protocol, runtime_checkable

import jax

Z = Any  # an array [*S, B, ...], or a tree of such arrays


@runtime_checkable
class Distribution(Protocol):
    """A PyTree of arrays whose parameters have the batch axis first; a prior's parameters may have no batch axis.

    A distribution without a density, such as `Delta`, has `sample` and `mode` alone: whoever asks for a density asks
    `has_density` first.
    """

    def sample(self, key: jax.Array, num_samples: int | None = None) -> Z:
        """Return one sample of each member of the batch, or `num_samples` of them along a new first axis."""
        ...

    def log_prob(self, z: Z) -> jax.Array:
        """Return the log density of z [*S, B, ...], in nats: [*S, B]."""
        ...

    def mode(self) -> Z:
        """Return the most probable z, or the value that stands for the distribution where there is no mode."""
        ...


def has_density(distribution: Any) -> bool:
    """Return whether a distribution has a density or a mass, so that a KL and a bound of log p(x) mean something."""
    return hasattr(distribution, "log_prob")
