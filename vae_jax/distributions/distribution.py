"""The methods that every distribution of this room has, and the question whether it has a density.

Posteriors, priors and the densities that are fitted after training have these methods. The distributions themselves are
in the files of their names, such as `gaussian`.
"""

from typing import Any, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float

Z = Any  # an array [*S, B, ...], or a tree of such arrays


@runtime_checkable
class Distribution(Protocol):
    """A distribution is a PyTree of arrays with the methods `sample`, `log_prob` and `mode`.

    The first axis of every parameter is the batch axis; the parameters of a prior may have no batch axis. A
    distribution without a density, such as `Delta`, has no `log_prob`: call `has_density` before `log_prob`.
    """

    def sample(self, key: jax.Array, num_samples: int | None = None) -> Z:
        """Return one sample of each member of the batch, or `num_samples` of them along a new first axis."""
        ...

    def log_prob(self, z: Z) -> Float[Array, "*S B"]:
        """Return the log density of z [*S, B, ...], in nats: [*S, B]."""
        ...

    def mode(self) -> Z:
        """Return the most probable z, or the value that stands for the distribution where there is no mode."""
        ...


def has_density(distribution: Any) -> bool:
    """Return whether a distribution has a density or a mass, so that a KL and a bound of log p(x) mean something."""
    return hasattr(distribution, "log_prob")
