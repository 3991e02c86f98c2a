"""The inverse autoregressive transform (IAF): gated affine, with parameters from a masked network (MADE).

The forward pass takes one evaluation of the network, the inverse D. `flow.Inverse` of the transform is a masked
autoregressive flow, which suits a prior.

References:
    Kingma et al., 2016, Improving variational inference with inverse autoregressive flow, arXiv 1606.04934.
    Germain et al., 2015, MADE: masked autoencoder for distribution estimation, arXiv 1502.03509.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.conditioner import Conditioner, apply_conditioner, init_conditioner
from vae_jax.distributions.pixels import at_least_float32

FORGET_BIAS = 2.0  # at initialisation z' = 0.88 z, and the log determinant is -0.127 for each latent


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MaskedAffine:
    """z'_i = s_i z_i + (1 - s_i) m_i, where s_i = sigmoid(g_i + 2), and (m_i, g_i) depend on z_1 ... z_{i-1}.

    Args:
        conditioner: parameters of the masked network with D inputs and 2 D outputs (`init_masked_affine`).
        context: features of the image that enter every (m_i, g_i), [B, C]; None in a prior.
    """

    conditioner: Conditioner
    context: jax.Array | None = None

    def forward(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z' and sum_i ln s_i."""
        z = at_least_float32(z)
        shift, gate = self._shift_and_gate(z)
        keep = jax.nn.sigmoid(gate)
        return keep * z + (1.0 - keep) * shift, jax.nn.log_sigmoid(gate).sum(-1)

    def inverse(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return z and the log determinant of the inverse in D passes; pass i finds the i-th latent."""
        image = at_least_float32(z)

        def refine(_, z):
            shift, gate = self._shift_and_gate(z)
            keep = jax.nn.sigmoid(gate)
            return (image - (1.0 - keep) * shift) / keep

        z = jax.lax.fori_loop(0, image.shape[-1], refine, jnp.zeros_like(image))
        _, gate = self._shift_and_gate(z)
        return z, -jax.nn.log_sigmoid(gate).sum(-1)

    def _shift_and_gate(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        widths = tuple(layer.bias.shape[0] for layer in self.conditioner.layers[:-1])
        outputs = apply_conditioner(self.conditioner, z, self.context, made_masks(z.shape[-1], widths))
        shift, gate = jnp.split(outputs, 2, axis=-1)
        return shift, gate + FORGET_BIAS


def init_masked_affine(key: jax.Array, dim: int, hidden: tuple[int, ...] = (64, 64), context: int = 0) -> Conditioner:
    """Return parameters of the network of a `MaskedAffine` of `dim` latents; hidden layers have `dim` units or more.

    A context of size C enters the first hidden layer; 0 is none.
    """
    if min(hidden) < dim:
        raise ValueError(f"a masked network of {dim} latents needs hidden layers of {dim} units or more, not {hidden}")
    return init_conditioner(key, dim, 2 * dim, hidden, context)


def made_masks(dim: int, hidden: tuple[int, ...]) -> list[np.ndarray]:
    """Return the 0-1 masks [inputs, outputs] of all layers, so that outputs i and dim + i see inputs before i alone.

    Inputs and outputs have degrees 1 ... dim, hidden units 0 ... dim - 1 in turn. A unit of degree 0 sees no input; it
    brings the context to the first output, which without it would not depend on the context.
    """
    masks, degrees = [], np.arange(1, dim + 1)
    for width in hidden:
        hidden_degrees = np.arange(width) % dim
        masks.append(hidden_degrees[None, :] >= degrees[:, None])
        degrees = hidden_degrees
    masks.append(np.tile(np.arange(1, dim + 1), 2)[None, :] > degrees[:, None])
    return [mask.astype(np.float32) for mask in masks]
