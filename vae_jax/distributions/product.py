"""A distribution of several independent parts by name, such as continuous and discrete latents together.

The file also has the KL divergence of two products. The parts are distributions of the other files.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.distributions.sampled import sample_and_log_prob
from vae_jax.random import fold_in_name


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Product:
    """The product of independent distributions; z is a dict that holds the sample of each part under the part's name.

    Attributes:
        parts: {name: distribution}, all with the same batch axis or all without.
    """

    parts: dict[str, Any]

    def sample(self, key: jax.Array, num_samples: int | None = None) -> dict[str, Any]:
        """Return {name: a sample of that part}; every part has its own stream of noise, named after the part."""
        return {name: part.sample(fold_in_name(key, name), num_samples) for name, part in self._sorted()}

    def sample_and_log_prob(
        self, key: jax.Array, num_samples: int | None = None, *, path: bool = False
    ) -> tuple[dict[str, Any], jax.Array]:
        """Return z and log q(z), each part by its own `sample_and_log_prob` where it has one.

        With `path`, gradients reach log q(z) through z alone.
        """
        drawn = {
            name: sample_and_log_prob(part, fold_in_name(key, name), num_samples, path=path)
            for name, part in self._sorted()
        }
        z = {name: part_z for name, (part_z, _) in drawn.items()}
        return z, _sum([log_q for _, log_q in drawn.values()])

    def log_prob(self, z: Mapping[str, Any]) -> jax.Array:
        """Return the sum of the parts' log densities in nats: [*S, B]."""
        self._check_names(z)
        return _sum([part.log_prob(z[name]) for name, part in self._sorted()])

    def mode(self) -> dict[str, Any]:
        """Return {name: the mode of that part}."""
        return {name: part.mode() for name, part in self._sorted()}

    def _sorted(self) -> list[tuple[str, Any]]:
        """Return the parts by name in alphabetical order, the order in which JAX flattens a dict."""
        return sorted(self.parts.items())

    def _check_names(self, other: Mapping[str, Any]) -> None:
        if other.keys() != self.parts.keys():
            raise ValueError(f"a product of {sorted(self.parts)} does not fit one of {sorted(other)}")


def kl_product_product(
    q: Product, p: Product, kl_divergence: Callable[[Any, Any], jax.Array | None]
) -> jax.Array | None:
    """Return the KL divergences of the parts in nats, side by side in alphabetical order of the names: [B, sum of G].

    Args:
        q: one product.
        p: another with parts of the same names.
        kl_divergence: function of (part of q, part of p) that returns [B, G], or None where no closed form exists.

    Returns:
        [B, sum of G], or None if any part has no closed form.
    """
    q._check_names(p.parts)
    parts = [kl_divergence(part, p.parts[name]) for name, part in q._sorted()]
    known = [part for part in parts if part is not None]
    return jnp.concatenate(known, axis=-1) if len(known) == len(parts) else None


def _sum(terms: list[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, terms)
