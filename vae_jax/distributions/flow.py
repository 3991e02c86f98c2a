"""A distribution pushed through a chain of invertible transforms, and the transforms without a network of their own.

`Flow` serves as a posterior, whose transforms have parameters with a leading batch axis, and as a prior, whose
transforms have none. A transform is a PyTree with two methods:

    forward(z [*S, B, D]) -> (z' [*S, B, D], log |det dz'/dz| [*S, B])
    inverse(z' [*S, B, D]) -> (z [*S, B, D], log |det dz/dz'| [*S, B])     # where the transform has an inverse

Transforms with parameters are in `planar`, `sylvester`, `masked_affine`, `couplings`.

References:
    Rezende and Mohamed, 2015, Variational inference with normalizing flows, arXiv 1505.05770.
    Papamakarios et al., 2021, Normalizing flows for probabilistic modeling and inference, arXiv 1912.02762.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Flow:
    """The distribution of z = f_T(... f_1(z_0)) with z_0 from a base distribution.

    Args:
        base: distribution of vectors, [B, D] or [D], such as a Gaussian.
        transforms: f_1, ..., f_T in the order in which sampling applies them.
    """

    base: Any
    transforms: tuple[Any, ...]

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return z [B, D] or [num_samples, B, D], differentiable in all parameters if the base's samples are."""
        return self._push(self.base.sample(key, num_samples))[0]

    def sample_and_log_prob(
        self, key: jax.Array, num_samples: int | None = None, *, path: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Return z and log q(z) = log q_0(z_0) - sum_t log |det f_t'|, [B] or [num_samples, B], in one pass.

        With `path`, gradients reach log q(z) through z alone. The density with stopped parameters must then be
        evaluated at z itself, which takes the inverse of every transform.
        """
        base_z = self.base.sample(key, num_samples)
        z, log_det = self._push(base_z)
        if path:
            return z, jax.lax.stop_gradient(self).log_prob(z)
        return z, self.base.log_prob(base_z) - log_det

    def log_prob(self, z: jax.Array) -> jax.Array:
        """Return log q(z) in nats of z [*S, B, D]: [*S, B].

        Raises:
            ValueError: a transform has no inverse.
        """
        log_det = jnp.zeros(jnp.shape(z)[:-1], jnp.float32)
        for transform in reversed(self.transforms):
            if not hasattr(transform, "inverse"):
                raise ValueError(
                    f"{type(transform).__name__} has no inverse, hence a flow with it has no log_prob of a given z; "
                    "use sample_and_log_prob, without path gradients"
                )
            z, step_log_det = transform.inverse(z)
            log_det = log_det + step_log_det
        return self.base.log_prob(z) + log_det

    def mode(self) -> jax.Array:
        """Return the image of the base's mode, in place of the flow's mode, which has no closed form: [B, D]."""
        return self._push(self.base.mode())[0]

    def tempered(self, temperature: float) -> "Flow":
        """Return the flow whose base has its noise multiplied by `temperature`."""
        return Flow(self.base.tempered(temperature), self.transforms)

    def _push(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        log_det = jnp.zeros(jnp.shape(z)[:-1], jnp.float32)
        for transform in self.transforms:
            z, step_log_det = transform.forward(z)
            log_det = log_det + step_log_det
        return z, log_det


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Inverse:
    """The inverse of a transform, as a transform.

    A masked affine transform takes one pass forward and D passes backward. Its inverse suits a prior, whose density
    is evaluated at given z in every step of training.
    """

    transform: Any

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the transform's inverse of z and its log determinant."""
        return self.transform.inverse(z)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the transform's image of z and its log determinant."""
        return self.transform.forward(z)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Permutation:
    """The transform z'[i] = z[order[i]], between couplings or masked transforms; it has no parameter."""

    order: tuple[int, ...] = dataclasses.field(metadata={"static": True})

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z permuted, and a log determinant of zero."""
        return self._take(z, self.order)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z with its order restored, and a log determinant of zero."""
        return self._take(z, tuple(sorted(range(len(self.order)), key=self.order.__getitem__)))

    def _take(self, z: jax.Array, order: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
        if sorted(order) != list(range(jnp.shape(z)[-1])):
            raise ValueError(f"{self.order} is not an order of {jnp.shape(z)[-1]} latents")
        return z[..., jnp.array(order, int)], jnp.zeros(jnp.shape(z)[:-1], jnp.float32)


def reverse(dim: int) -> Permutation:
    """Return the permutation that reverses the order of `dim` latents."""
    return Permutation(tuple(reversed(range(dim))))
