"""The rewritten convolutions against jax.lax in value and both gradients, for every kind of shape the models use."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from vae_jax import devices
from vae_jax.models import convolution

HIGHEST = lax.Precision.HIGHEST


def convolve(x, kernel, strides):
    return lax.conv_general_dilated(
        x, kernel, strides, ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=HIGHEST
    )


def convolve_transposed(x, kernel, size):
    """The adjoint of the stride-2 convolution of an input of `size`, by definition."""
    shape = jax.ShapeDtypeStruct((x.shape[0], *size, kernel.shape[2]), x.dtype)
    (y,) = jax.linear_transpose(lambda image: convolve(image, kernel, (2, 2)), shape)(x)
    return y


def agree(ours, theirs, *arguments, atol):
    """Values, and gradients to both arguments under one random cotangent, to `atol` of the largest."""
    cotangent = jax.random.normal(jax.random.key(9), jax.eval_shape(theirs, *arguments).shape)

    @functools.partial(jax.jit, static_argnums=0)
    def evaluate(function, arguments, cotangent):
        y, pullback = jax.vjp(function, *arguments)
        return y, *pullback(cotangent.astype(y.dtype))

    expected = evaluate(theirs, [a.astype(jnp.float32) for a in arguments], cotangent)
    for got, value in zip(evaluate(ours, list(arguments), cotangent), expected, strict=True):
        assert got.shape == value.shape
        assert np.abs(got.astype(jnp.float32) - value).max() <= atol * np.abs(value).max()


def draw(shape, kernel_shape, dtype=jnp.float32):
    x, kernel = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate((shape, kernel_shape)))
    return x.astype(dtype), kernel.astype(dtype)


# Even, odd and single side lengths, on either side of SMALL_MAP and of PATCHED_MAPS.
SIZES = [(1, 1), (3, 2), (4, 4), (7, 8), (23, 14), (66, 3)]


@pytest.mark.parametrize(("size", "features"), [(size, 5) for size in SIZES] + [((66, 3), 27)])
def test_stride_2_is_that_of_lax(size, features):
    x, kernel = draw((2, *size, 3), (3, 3, 3, features))
    ours = functools.partial(convolution.convolve, strides=(2, 2), precision=HIGHEST)
    agree(ours, functools.partial(convolve, strides=(2, 2)), x, kernel, atol=2e-6)


# By the library, by the patches of its output (at most a ninth of the channels), on a large map.
@pytest.mark.parametrize(
    ("size", "inputs", "features"), [((1, 1), 4, 3), ((4, 4), 9, 1), ((9, 6), 20, 2), ((65, 2), 4, 5)]
)
def test_stride_1_is_that_of_lax(size, inputs, features):
    x, kernel = draw((2, *size, inputs), (3, 3, inputs, features))
    ours = functools.partial(convolution.convolve, strides=(1, 1), precision=HIGHEST)
    agree(ours, functools.partial(convolve, strides=(1, 1)), x, kernel, atol=2e-6)


def test_a_kernel_gradient_of_many_rows_is_the_sum_of_two_halves():
    x, kernel = draw((4, 64, 64, 2), (3, 3, 2, 3))
    assert 4 * 64 * 64 >= convolution.MANY_ROWS
    ours = functools.partial(convolution.convolve, strides=(1, 1), precision=HIGHEST)
    agree(ours, functools.partial(convolve, strides=(1, 1)), x, kernel, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 2), (4, 3), (7, 8), (13, 34), (131, 3)])
def test_transposed_is_the_adjoint(size):
    x, kernel = draw((2, *(-(-n // 2) for n in size), 5), (3, 3, 3, 5))
    ours = functools.partial(convolution.convolve_transposed, output_size=size, precision=HIGHEST)
    agree(ours, functools.partial(convolve_transposed, size=size), x, kernel, atol=2e-6)


def test_bfloat16_is_float32_rounded():
    x, kernel = draw((2, 8, 8, 4), (3, 3, 4, 6), jnp.bfloat16)
    ours = functools.partial(convolution.convolve, strides=(2, 2), precision=lax.Precision.DEFAULT)
    assert ours(x, kernel).dtype == jnp.bfloat16
    agree(ours, functools.partial(convolve, strides=(2, 2)), x, kernel, atol=2e-2)


def test_a_batch_split_over_devices_gives_the_same():
    x, kernel = draw((8, 8, 8, 3), (3, 3, 3, 4))
    mesh = devices.make_mesh()

    @jax.jit
    def gradients(x, kernel):
        def total(x, kernel):
            half = convolution.convolve(x, kernel, (2, 2), HIGHEST)
            return jnp.square(convolution.convolve_transposed(half, kernel, (8, 8), HIGHEST)).sum()

        return jax.grad(total, (0, 1))(x, kernel)

    alone = gradients(x, kernel)
    split = gradients(jax.device_put(x, devices.split(mesh)), jax.device_put(kernel, devices.replicated(mesh)))
    assert split[0].sharding.is_equivalent_to(devices.split(mesh), 4)
    for a, b in zip(alone, split, strict=True):
        assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()
