"""Bits per dimension against distributions whose entropy is known."""

import numpy as np
import pytest

from vae_jax.evaluation import bits

SHAPE = (4, 4, 3)


@pytest.mark.parametrize(("data_range", "offset"), [((0.0, 1.0), 8.0), ((-1.0, 1.0), 7.0)])
def test_the_uniform_density_of_dequantised_pixels_is_eight_bits(data_range, offset):
    given = bits.bits_of("gaussian", data_range, dequantize=True, binary=False)
    nats = -48 * np.log(data_range[1] - data_range[0])
    assert given.offset == offset
    assert bits.per_dimension(nats, SHAPE, given.offset) == pytest.approx(8.0)


def test_masses_need_no_offset():
    logistic = bits.bits_of("discretized_logistic", (-1.0, 1.0), dequantize=False, binary=False)
    assert bits.per_dimension(-48 * np.log(256.0), SHAPE, logistic.offset) == pytest.approx(8.0)
    bernoulli = bits.bits_of("bernoulli", (0.0, 1.0), dequantize=False, binary=True)
    assert bits.per_dimension(-48 * np.log(2.0), SHAPE, bernoulli.offset) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("likelihood", "binary"), [("ssim", False), ("bernoulli", False), ("gaussian", True), ("my_module:mine", False)]
)
def test_what_has_no_bits_says_why(likelihood, binary):
    given = bits.bits_of(likelihood, (0.0, 1.0), dequantize=False, binary=binary)
    assert given.offset is None and given.meaning


def test_a_density_that_was_not_dequantised_is_called_that():
    given = bits.bits_of("laplace", (0.0, 1.0), dequantize=False, binary=False)
    assert given.offset == pytest.approx(np.log2(255)) and "not a code length" in given.meaning


def test_binary_images_are_told_from_grey_ones():
    images = np.random.default_rng(0).choice(np.uint8([0, 255]), (2000, 2, 2, 1))
    assert bits.is_binary(images)
    images[1999, 1, 1, 0] = 254
    assert not bits.is_binary(images)
