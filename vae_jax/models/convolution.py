"""The two convolutions of the models, in forms that XLA compiles well on a CPU."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

Precision = lax.Precision
SMALL_MAP = 4  # up to this height and width a patch matrix is cheap and one product beats a convolution


def convolve(x, kernel, strides=(1, 1), precision=None):
    return _convolve(x, kernel, strides, precision)


def convolve_transposed(x, kernel, output_size, precision=None):
    return _transposed(x, kernel, output_size, precision)


def _plain(x, kernel, strides, precision):
    return lax.conv_general_dilated(
        x, kernel, strides, ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision
    )


def _patches(x, strides):
    """[B, H, W, I] to [B, h, w, 9 I]."""
    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate(
        [x[:, i : i + height : strides[0], j : j + width : strides[1]] for i in range(3) for j in range(3)], -1
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x, kernel, strides, precision):
    if max(x.shape[1:3]) <= SMALL_MAP:
        return jnp.dot(_patches(x, strides), kernel.reshape(-1, kernel.shape[-1]), precision=precision)
    return _plain(x, kernel, strides, precision)


def _convolve_forward(x, kernel, strides, precision):
    return _convolve(x, kernel, strides, precision), (x, kernel)


def _convolve_backward(strides, precision, saved, g):
    x, kernel = saved
    return _input_gradient(g, kernel, x.shape[1:3], strides, precision), _kernel_gradient(x, g, strides, precision)


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _input_gradient(g, kernel, size, strides, precision):
    if strides == (1, 1):
        return _convolve(g, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), strides, precision)
    return _transposed(g, kernel, size, precision)


def _kernel_gradient(x, g, strides, precision):
    if max(x.shape[1:3]) <= SMALL_MAP:
        k = lax.dot_general(_patches(x, strides), g, (((0, 1, 2), (0, 1, 2)), ((), ())), precision=precision)
        return k.reshape(3, 3, x.shape[-1], -1)
    _, vjp = jax.vjp(lambda k: _plain(x, k, strides, precision), jnp.zeros((3, 3, x.shape[-1], g.shape[-1]), x.dtype))
    return vjp(g)[0]


def _subpixel_kernel(kernel):
    """[3, 3, O, I] to [2, 2, I, 4 O]: y[2m] = x[m] k[1], y[2m + 1] = x[m] k[2] + x[m + 1] k[0]."""
    padded = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))  # index 3 is zero
    # tap of window row d for output parity p
    index = jnp.array([[1, 2], [3, 0]])
    blocks = padded[index][:, :, index]  # [d, p, e, q, O, I]
    d, p, e, q, o, i = blocks.shape
    return blocks.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, i, 4 * o)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _transposed(x, kernel, size, precision):
    batch, height, width, channels = x.shape
    features = kernel.shape[2]
    small = _subpixel_kernel(kernel)
    if max(height, width) <= SMALL_MAP:
        p = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
        p = jnp.concatenate([p[:, i : i + height, j : j + width] for i in range(2) for j in range(2)], -1)
        y = jnp.dot(p, small.reshape(-1, 4 * features), precision=precision)
    else:
        y = lax.conv_general_dilated(
            x, small, (1, 1), ((0, 1), (0, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision
        )
    y = y.reshape(batch, height, width, 2, 2, features).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, 2 * height, 2 * width, features)[:, : size[0], : size[1]]


def _transposed_forward(x, kernel, size, precision):
    return _transposed(x, kernel, size, precision), (x, kernel)


def _transposed_backward(size, precision, saved, g):
    x, kernel = saved
    return _convolve(g, kernel, (2, 2), precision), _kernel_gradient(g, x, (2, 2), precision)


_transposed.defvjp(_transposed_forward, _transposed_backward)
