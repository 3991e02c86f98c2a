"""BatchNorm with the numbers of PyTorch's, and the number of groups of GroupNorm.

`layers` uses both in every block. GroupNorm itself is flax's.

Why BatchNorm has its own gradient: automatic differentiation passes over a large map several more times than the
formula in `_batch_normalise_backward`.
What the gradient gains: on two CPU cores, the last level and the output layer of the CelebA network take 52 ms in place
of 55, forward and backward. Compare `python -m benchmarks.train_step --batch_sizes 64 --variants` with and without the
decorator `jax.custom_vjp`.
When to delete the gradient: as soon as that command shows no difference.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

NORMS = ("batch", "group", "none")


def along_channels(vector: Float[Array, " C"], ndim: int) -> Float[Array, "... C"]:
    """Return a vector [C] as an array [1, ..., 1, C] of `ndim` axes."""
    return vector.reshape((1,) * (ndim - 1) + (-1,))


class BatchNorm(nn.Module):
    """Batch normalisation, y = (x - mean) / sqrt(var + epsilon) * scale + bias.

    The statistics are over all axes but the last, in float32. In training they are the batch's mean and biased
    variance, and the running statistics become `momentum * running + (1 - momentum) * batch`. The running variance
    uses the unbiased estimate of the batch, with the factor n / (n - 1), as PyTorch's does and flax's does not; the
    running statistics therefore agree with PyTorch's exactly. The variance is computed in two passes, because the
    difference of squares loses the digits of a small variance beside a large mean.

    In an `apply` that makes the collection "passes" mutable, only the first call of the module updates the running
    statistics. Without this collection, every call updates them.

    Attributes:
        training: whether the statistics are the batch's own, or else the running ones.
        momentum: weight of the old running statistics, which is 1 - momentum in PyTorch's terms.
        epsilon: what is added to the variance.
        axis_name: the mapped axis (pmap, vmap) over which the statistics are taken as well.

    References:
        Ioffe and Szegedy, 2015, arXiv 1502.03167.
    """

    training: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-5
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*N C"]) -> Float[Array, "*N C"]:
        """Return y, in the type of x."""
        features = (x.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, features)
        bias = self.param("bias", nn.initializers.zeros, features)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, features, jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, features, jnp.float32)

        inputs = x.astype(jnp.float32)
        if not self.training:
            statistics = (running_mean.value, running_var.value)
            return _normalise(inputs, scale, bias, *statistics, self.epsilon).astype(x.dtype)
        normalised: Any = _batch_normalise(inputs, scale, bias, self.epsilon, self.axis_name)
        y, mean, var = normalised
        if self._is_first_pass():
            n = _count(x, self.axis_name)
            unbiased = var * (n / max(n - 1, 1))
            running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * mean
            running_var.value = self.momentum * running_var.value + (1 - self.momentum) * unbiased
        return y.astype(x.dtype)

    def _is_first_pass(self) -> bool:
        if self.is_initializing() or self.has_variable("passes", "seen"):
            return False
        if self.is_mutable_collection("passes"):
            self.put_variable("passes", "seen", True)
        return True


def _normalise(
    x: jax.Array, scale: jax.Array, bias: jax.Array, mean: jax.Array, var: jax.Array, epsilon: float
) -> jax.Array:
    centred = x - along_channels(mean, x.ndim)
    return centred * along_channels(scale * lax.rsqrt(var + epsilon), x.ndim) + along_channels(bias, x.ndim)


def _count(x: jax.Array, axis_name: str | None) -> int:
    """Return the number of values that the statistics of a channel are computed from, over all devices."""
    return math.prod(x.shape[:-1]) * (1 if axis_name is None else lax.axis_size(axis_name))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _batch_normalise(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, axis_name: str | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return x normalised by its own statistics, and these statistics, mean [C] and biased variance [C].

    The statistics are over all devices. They update the running statistics, and no gradient goes through them.
    """
    axes = tuple(range(x.ndim - 1))
    mean = jnp.mean(x, axes)
    if axis_name is not None:
        mean = lax.pmean(mean, axis_name)
    var = jnp.mean(jnp.square(x - along_channels(mean, x.ndim)), axes)
    if axis_name is not None:
        var = lax.pmean(var, axis_name)
    return _normalise(x, scale, bias, mean, var, epsilon), mean, var


def _batch_normalise_forward(x, scale, bias, epsilon, axis_name):
    normalised: Any = _batch_normalise(x, scale, bias, epsilon, axis_name)
    y, mean, var = normalised
    return (y, mean, var), (x, scale, mean, var)


def _batch_normalise_backward(epsilon, axis_name, saved, cotangents):
    """Return the gradients to x, scale and bias for the cotangent g of y.

    With u = (x - mean) / std they are scale / std (g - mean(g) - u mean(g u)), sum(g u) and sum(g).
    """
    x, scale, mean, var = saved
    g, *_ = cotangents
    axes = tuple(range(x.ndim - 1))
    inverse_std = lax.rsqrt(var + epsilon)
    to_bias = jnp.sum(g, axes)
    to_scale = jnp.sum(g * (x - along_channels(mean, x.ndim)), axes) * inverse_std
    sums = (to_bias, to_scale) if axis_name is None else lax.psum((to_bias, to_scale), axis_name)
    mean_g, mean_gu = (total / _count(x, axis_name) for total in sums)
    factor, slope = scale * inverse_std, inverse_std * mean_gu
    to_x = along_channels(factor, x.ndim) * (
        g - along_channels(slope, x.ndim) * (x - along_channels(mean, x.ndim)) - along_channels(mean_g, x.ndim)
    )
    return to_x, to_scale, to_bias


_batch_normalise.defvjp(_batch_normalise_forward, _batch_normalise_backward)


def num_groups(channels: int) -> int:
    """Return the number of groups of GroupNorm for a number of channels.

    The number is the largest of 8, 4, 2 and 1 that divides `channels` and gives each group 4 channels or more. A group
    of one channel on a 1x1 map would be normalised to a constant.
    """
    return next((g for g in (8, 4, 2) if channels % g == 0 and channels >= 4 * g), 1)
