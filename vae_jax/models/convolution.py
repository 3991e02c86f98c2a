"""The two convolutions of the models, in forms that XLA compiles well on a CPU.

There, forward convolutions and matrix products run near the hardware's limit (with `parallel.COMPILER_OPTIONS`), but a
convolution of a dilated input (a transposed convolution, and the input gradient of one of stride 2) can be many times
slower than the same arithmetic in other forms, and so can the gradient to a kernel on a large map. So a transposed
convolution is done as a 2x2 convolution to four times the channels, one set for each parity of the output's row and
column, whose results are then interleaved; a convolution's input gradient is a transposed convolution, and the other
way round; and the kernel gradient of a large map is a product with a matrix of patches. With few output channels it is
the patches of the output's gradient that are small. On other platforms the library's own convolutions are used.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

# Heights and widths between which a kernel gradient is a product with a patch matrix: on smaller maps XLA's own is as
# fast, on larger ones the matrix takes much memory.
PATCHED_MAPS = range(17, 65)

MANY_ROWS = 2**14  # from here on a product over rows is shared out among cores in two halves

Pair = tuple[int, int]
Precision = lax.Precision


def convolve(x: jax.Array, kernel: jax.Array, strides: Pair, precision: Precision) -> jax.Array:
    """3x3 convolution, padding 1: [B, H, W, I], kernel [3, 3, I, O] -> [B, ceil(H / stride), ceil(W / stride), O]."""
    function = _convolve if jax.default_backend() == "cpu" else _library_convolve
    return function(x, kernel, strides, precision)


def convolve_transposed(x: jax.Array, kernel: jax.Array, output_size: Pair, precision: Precision) -> jax.Array:
    """The adjoint of the stride-2 `convolve` of an image of `output_size`: [B, h, w, I] -> [B, *output_size, O].

    The kernel is [3, 3, O, I]; each output side is 2n or 2n - 1 for n of x's.
    """
    function = _transposed if jax.default_backend() == "cpu" else _library_transposed
    return function(x, kernel, tuple(output_size), precision)


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
    """Whether the patches of y are no larger than x."""
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
        gradient = _product_of_rows(patches, x, precision).reshape(mirrored.shape)
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
    features, phases = kernel.shape[2], _phase_kernel(kernel)
    y = lax.conv_general_dilated(
        x, phases, (1, 1), ((0, 1), (0, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision
    )
    y = y.reshape(batch, height, width, 2, 2, features).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, 2 * height, 2 * width, features)[:, : size[0], : size[1]]


def _transposed_forward(x, kernel, size, precision):
    return _transposed(x, kernel, size, precision), (x, kernel)


def _transposed_backward(size, precision, saved, g):
    x, kernel = saved
    return _convolve(g, kernel, (2, 2), precision), _kernel_gradient(g, x, (2, 2), precision)


_transposed.defvjp(_transposed_forward, _transposed_backward)


def _phase_kernel(kernel: jax.Array) -> jax.Array:
    """[3, 3, O, I] to [2, 2, I, 4 O], in each axis y[2m] = x[m] k[1], y[2m + 1] = x[m] k[2] + x[m + 1] k[0]."""
    padded = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))  # index 3 is zero
    taps = jnp.array([[1, 2], [3, 0]])  # [window, parity]
    blocks = padded[taps][:, :, taps]  # [window, parity, window, parity, O, I]
    return blocks.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, kernel.shape[3], -1)


def _patches(x: jax.Array, strides: Pair) -> jax.Array:
    """[B, H, W, I] to the 3x3 neighbourhoods [B, h, w, 9 I]."""
    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = [(i, j) for i in range(3) for j in range(3)]
    return jnp.concatenate([x[:, i : i + height : strides[0], j : j + width : strides[1]] for i, j in corners], -1)


def _add_taps(y: jax.Array) -> jax.Array:
    """[B, H, W, 9 O], what each input pixel adds to its 3x3 neighbourhood, to the sums [B, H, W, O]."""
    _, height, width, features = y.shape
    y = jnp.pad(y.reshape(*y.shape[:3], 3, 3, features // 9), ((0, 0), (1, 1), (1, 1), (0, 0), (0, 0), (0, 0)))
    corners = [(i, j) for i in range(3) for j in range(3)]
    return sum(y[:, i : i + height, j : j + width, i, j] for i, j in corners)


def _product_of_rows(a: jax.Array, b: jax.Array, precision: Precision) -> jax.Array:
    """sum over all but the last axis of a [..., M] and b [..., N]: [M, N]. XLA transposes one of them: the smaller."""
    a, b = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    halves = 2 if a.shape[0] % 2 == 0 and a.shape[0] >= MANY_ROWS else 1
    a, b = (m.reshape(halves, -1, m.shape[1]) for m in (a, b))
    return lax.dot_general(a, b, (((1,), (1,)), ((0,), (0,))), precision=precision).sum(0)


def _kernel_gradient(x: jax.Array, g: jax.Array, strides: Pair, precision: Precision) -> jax.Array:
    """The gradient of `convolve` to its kernel, [3, 3, I, O], of x [B, H, W, I] and the cotangent g [B, h, w, O]."""
    shape = (3, 3, x.shape[-1], g.shape[-1])
    if max(x.shape[1:3]) in PATCHED_MAPS:
        return _product_of_rows(_patches(x, strides), g, precision).reshape(shape)
    of_kernel = functools.partial(_library_convolve, x, strides=strides, precision=precision)
    (gradient,) = jax.linear_transpose(of_kernel, jax.ShapeDtypeStruct(shape, x.dtype))(g)
    return gradient
