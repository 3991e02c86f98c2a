"""The small network that gives a coupling or a masked transform its shifts and scales, as a function of its parameters.

No flax here: the parameters are a PyTree, which `init_conditioner` makes. A model keeps them among its own parameters.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.pixels import at_least_float32
from vae_jax.distributions.shapes import match_trailing
from vae_jax.random import fold_in_name


class Layer(NamedTuple):
    """A dense layer: kernel [inputs, outputs], bias [outputs]."""

    kernel: jax.Array
    bias: jax.Array


class Conditioner(NamedTuple):
    """Parameters of a network with ELU units; the kernel [C, first width] adds a context to the first hidden layer."""

    layers: tuple[Layer, ...]
    context_kernel: jax.Array | None = None


def init_conditioner(
    key: jax.Array, inputs: int, outputs: int, hidden: Sequence[int] = (64, 64), context: int = 0
) -> Conditioner:
    """Return parameters whose output is zero for every input, which makes a coupling the identity.

    Args:
        key: PRNG key.
        inputs: number of inputs.
        outputs: number of outputs.
        hidden: widths of the hidden layers, at least one.
        context: size C of the context, or 0 for none.
    """
    widths = (inputs, *hidden)
    layers = [
        Layer(_kernel(fold_in_name(key, f"layer_{i}"), fan_in, fan_out), jnp.zeros(fan_out))
        for i, (fan_in, fan_out) in enumerate(zip(widths[:-1], widths[1:], strict=True))
    ]
    layers.append(Layer(jnp.zeros((hidden[-1], outputs)), jnp.zeros(outputs)))
    context_kernel = _kernel(fold_in_name(key, "context"), context, hidden[0]) if context else None
    return Conditioner(tuple(layers), context_kernel)


def apply_conditioner(
    params: Conditioner,
    inputs: jax.Array,
    context: jax.Array | None = None,
    masks: Sequence[np.ndarray] | None = None,
) -> jax.Array:
    """Return the network's outputs, [*S, B, outputs] in float32.

    Args:
        params: parameters.
        inputs: [*S, B, inputs].
        context: [B, C], or None where the parameters have no kernel for one.
        masks: a 0-1 matrix of each kernel's shape that multiplies the kernel, or None.
    """
    if (context is None) != (params.context_kernel is None):
        raise ValueError("a conditioner takes a context if its parameters have a kernel for one, and only then")
    values = at_least_float32(inputs)
    for i, layer in enumerate(params.layers):
        kernel = layer.kernel if masks is None else layer.kernel * masks[i]
        values = values @ kernel
        values = values + match_trailing(layer.bias, values.shape)
        if i == 0 and context is not None and params.context_kernel is not None:
            values = values + match_trailing(at_least_float32(context) @ params.context_kernel, values.shape)
        if i < len(params.layers) - 1:
            values = jax.nn.elu(values)
    return values


def _kernel(key: jax.Array, fan_in: int, fan_out: int) -> jax.Array:
    return jax.random.normal(key, (fan_in, fan_out)) / np.sqrt(max(fan_in, 1))
