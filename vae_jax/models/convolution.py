"""The two convolutions of the models, in forms that XLA compiles well on a CPU.

Why this file exists: on a CPU, XLA runs forward convolutions and matrix products near the hardware's limit (under
`devices.cpu_compiler`). A convolution of a dilated input is many times slower than the same arithmetic in another form.
Transposed convolutions, and the input gradients of convolutions of stride 2, are such convolutions. The gradient to a
kernel on a large map is slow as well.
What it gains: on two CPU cores, the input gradient of the CelebA network's smallest convolution takes 2 ms in place of
130. `benchmarks/README.md` lists this and the gains of the other forms. To measure the gain of the whole file, compare
`python -m benchmarks.train_step --batch_sizes 64 --variants` as it is and with `convolve` and `convolve_transposed`
changed to call the library's functions always.
When to delete it: as soon as that command shows no difference. The library's functions then take its place.

The forms are these, and on other platforms than CPUs the library's own convolutions are used:

* A transposed convolution is a 2x2 convolution to four times the channels, one set for each parity of the output's row
  and column, whose results are interleaved. On a small map it is a matrix product to all taps.
* The input gradient of a convolution is a transposed convolution, and the input gradient of a transposed convolution is
  a convolution.
* The kernel gradient on a large map is a product with a matrix of patches.
* If a convolution has few output channels, its gradients use the patches of the output's gradient, which are small.

`layers` calls the two public functions, and nothing else does.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

SMALL_MAP = 8  # up to this height and width, a transposed convolution is one product
# For these heights and widths, a kernel gradient is a product with a matrix of patches. On smaller maps XLA's own
# gradient is as fast; on larger maps the matrix takes much memory.
PATCHED_MAPS = range(17, 65)
MANY_ROWS = 2**14  # from this number of rows on, a kernel gradient is the sum of two halves, which two cores compute

Pair = tuple[int, int]
Precision = lax.Precision


def convolve(
    x: Float[Array, "B H W I"], kernel: Float[Array, "3 3 I O"], strides: Pair, precision: Precision
) -> Float[Array, "B h w O"]:
    """Return the 3x3 convolution of x with padding 1.

    Args:
        x: [B, H, W, I].
        kernel: [3, 3, I, O].
        strides: of rows and columns.
        precision: of the products.

    Returns:
        [B, ceil(H / stride), ceil(W / stride), O].
    """
    function = _convolve if jax.default_backend() == "cpu" else _library_convolve
    return function(x, kernel, strides, precision)


def convolve_transposed(
    x: Float[Array, "B h w I"], kernel: Float[Array, "3 3 O I"], output_size: Pair, precision: Precision
) -> Float[Array, "B H W O"]:
    """Return the transposed 3x3 convolution of x, the adjoint of `convolve` with stride 2.

    Args:
        x: [B, h, w, I].
        kernel: [3, 3, O, I].
        output_size: (H, W) of the result; H is 2h or 2h - 1, and W is 2w or 2w - 1.
        precision: of the products.

    Returns:
        [B, *output_size, O].
    """
    function = _transposed if jax.default_backend() == "cpu" else _library_transposed
    return function(x, kernel, output_size, precision)


def _library_convolve(x: jax.Array, kernel: jax.Array, strides: Pair, precision: Precision) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, strides, ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision
    )


def _library_transposed(x: jax.Array, kernel: jax.Array, size: Pair, precision: Precision) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        jnp.flip(kernel, (0, 1)),
        window_strides=(1, 1),
        padding=[(1, 2 + out - 2 * n) for out, n in zip(size, x.shape[1:3], strict=True)],
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
        precision=precision,
    )


def _is_narrow(kernel: jax.Array, strides: Pair) -> bool:
    """Return whether the patches of the output are no larger than the input."""
    return strides == (1, 1) and 9 * kernel.shape[3] <= kernel.shape[2]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x: jax.Array, kernel: jax.Array, strides: Pair, precision: Precision) -> jax.Array:
    if _is_narrow(kernel, strides):
        return _add_taps(jnp.dot(x, kernel.transpose(2, 0, 1, 3).reshape(x.shape[-1], -1), precision=precision))
    return _library_convolve(x, kernel, strides, precision)


def _convolve_forward(x, kernel, strides, precision):
    return _convolve(x, kernel, strides, precision), (x, kernel)


def _convolve_backward(strides, precision, saved, g):
    x, kernel = saved
    mirrored = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    if _is_narrow(kernel, strides):
        patches = _patches(g, strides)
        input_gradient = jnp.dot(patches, mirrored.reshape(-1, x.shape[-1]), precision=precision)
        gradient = _product_of_rows(patches, x, precision, 1).reshape(mirrored.shape)
        return input_gradient, jnp.flip(gradient, (0, 1)).swapaxes(2, 3)
    if strides == (1, 1):
        input_gradient = _convolve(g, mirrored, strides, precision)
    else:
        input_gradient = _transposed(g, kernel, x.shape[1:3], precision)
    return input_gradient, _kernel_gradient(x, g, strides, precision)


_convolve.defvjp(_convolve_forward, _convolve_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _transposed(x: jax.Array, kernel: jax.Array, size: Pair, precision: Precision) -> jax.Array:
    batch, height, width, _ = x.shape
    interleave = _interleaved_taps if max(height, width) <= SMALL_MAP else _interleaved_phases
    y = interleave(x, kernel, precision).reshape(batch, 2 * height, 2 * width, kernel.shape[2])
    return y[:, : size[0], : size[1]]


def _transposed_forward(x, kernel, size, precision):
    return _transposed(x, kernel, size, precision), (x, kernel)


def _transposed_backward(size, precision, saved, g):
    x, kernel = saved
    return _convolve(g, kernel, (2, 2), precision), _kernel_gradient(g, x, (2, 2), precision)


_transposed.defvjp(_transposed_forward, _transposed_backward)


def _interleaved_taps(x: jax.Array, kernel: jax.Array, precision: Precision) -> jax.Array:
    """Return the transposed convolution of x [B, h, w, I] as [B, h, parity, w, parity, O], by a product to all taps t.

    In each axis, an even position is t[1], and an odd position is t[2] plus t[0] of the next input position.
    """
    taps = lax.dot_general(x, kernel.reshape(-1, kernel.shape[3]), (((3,), (1,)), ((), ())), precision=precision)
    taps = taps.reshape(*x.shape[:3], 3, 3, -1)
    for axis, tap_axis in ((1, 3), (3, 4)):  # rows, then columns, whose axis the new parity axis has moved by one
        first, second, third = (lax.index_in_dim(taps, i, tap_axis, keepdims=False) for i in range(3))
        padding = [(0, int(other == axis)) for other in range(first.ndim)]
        following = jnp.pad(lax.slice_in_dim(first, 1, None, axis=axis), padding)
        taps = jnp.stack([second, third + following], axis + 1)
    return taps


def _interleaved_phases(x: jax.Array, kernel: jax.Array, precision: Precision) -> jax.Array:
    """Return the transposed convolution of x [B, h, w, I] as [B, h, parity, w, parity, O], by a 2x2 convolution.

    In each axis, an even position is x[m] k[1], and an odd position is x[m] k[2] + x[m + 1] k[0]. Seven of the sixteen
    blocks of the 2x2 kernel are zero.
    """
    padded = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))  # index 3 is zero
    taps = jnp.array([[1, 2], [3, 0]])  # [window, parity]
    blocks = padded[taps][:, :, taps]  # [window, parity, window, parity, O, I]
    phases = blocks.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, kernel.shape[3], -1)
    y = lax.conv_general_dilated(
        x, phases, (1, 1), ((0, 1), (0, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision
    )
    return y.reshape(*x.shape[:3], 2, 2, -1).transpose(0, 1, 3, 2, 4, 5)


def _patches(x: jax.Array, strides: Pair) -> jax.Array:
    """Return the 3x3 neighbourhoods of x [B, H, W, I] at every stride, [B, h, w, 9 I]."""
    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = [(i, j) for i in range(3) for j in range(3)]
    return jnp.concatenate([x[:, i : i + height : strides[0], j : j + width : strides[1]] for i, j in corners], -1)


def _add_taps(y: jax.Array) -> jax.Array:
    """Return the sums [B, H, W, O] of what each input pixel adds to its 3x3 neighbourhood, y [B, H, W, 9 O]."""
    _, height, width, features = y.shape
    y = jnp.pad(y.reshape(*y.shape[:3], 3, 3, features // 9), ((0, 0), (1, 1), (1, 1), (0, 0), (0, 0), (0, 0)))
    corners = [(i, j) for i in range(3) for j in range(3)]
    return functools.reduce(jnp.add, (y[:, i : i + height, j : j + width, i, j] for i, j in corners))


def _product_of_rows(a: jax.Array, b: jax.Array, precision: Precision, parts: int) -> jax.Array:
    """Return the product [M, N] of a [..., M] and b [..., N], summed over all axes but the last.

    The sum is computed in `parts` parts, which different cores can compute.
    """
    a, b = (m.reshape(parts, -1, m.shape[-1]) for m in (a, b))
    return lax.dot_general(a, b, (((1,), (1,)), ((0,), (0,))), precision=precision).sum(0)


def _kernel_gradient(x: jax.Array, g: jax.Array, strides: Pair, precision: Precision) -> jax.Array:
    """Return the gradient of `convolve` to its kernel, [3, 3, I, O], for x [B, H, W, I] and the cotangent g."""
    shape = (3, 3, x.shape[-1], g.shape[-1])
    if max(x.shape[1:3]) in PATCHED_MAPS:
        rows = math.prod(g.shape[:3])
        parts = 2 if rows % 2 == 0 and rows >= MANY_ROWS else 1
        return _product_of_rows(_patches(x, strides), g, precision, parts).reshape(shape)
    of_kernel = functools.partial(_library_convolve, x, strides=strides, precision=precision)
    (gradient,) = jax.linear_transpose(of_kernel, jax.ShapeDtypeStruct(shape, x.dtype))(g)
    return gradient
