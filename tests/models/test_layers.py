import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vae_jax.models import layers


def assert_uniform(values, bound):
    """Within the bound, and by Kolmogorov and Smirnov not told from U(-bound, bound)."""
    values = np.asarray(values, np.float64).ravel()
    assert np.abs(values).max() <= bound
    assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3


# PyTorch's documented bound is 1 / sqrt(fan_in); of a ConvTranspose2d the fan-in is its output channels times 9.
LAYERS = {
    "dense": (layers.Dense(300), (1, 50), 50),
    "convolution": (layers.Convolution(300), (1, 4, 4, 16), 16 * 9),
    "transposed": (layers.TransposedConvolution(300, (8, 8)), (1, 4, 4, 16), 300 * 9),
}


@pytest.mark.parametrize("name", LAYERS)
def test_initial_weights_and_biases_are_those_of_pytorch(name, key):
    layer, shape, fan_in = LAYERS[name]
    params = layer.init(key, jnp.zeros(shape))["params"]
    assert_uniform(params["kernel"], 1 / math.sqrt(fan_in))
    assert_uniform(params["bias"], 1 / math.sqrt(fan_in))
    assert np.abs(params["bias"]).max() > 0.9 / math.sqrt(fan_in)


def test_initial_weights_are_those_of_pytorch_itself(key):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install vae_jax[parity]")
    torch.manual_seed(0)
    theirs = {
        "dense": torch.nn.Linear(50, 300),
        "convolution": torch.nn.Conv2d(16, 300, 3),
        "transposed": torch.nn.ConvTranspose2d(16, 300, 3),
    }
    for name, (layer, shape, _) in LAYERS.items():
        params = layer.init(key, jnp.zeros(shape))["params"]
        for ours, their in (("kernel", theirs[name].weight), ("bias", theirs[name].bias)):
            their = their.detach().numpy().ravel()
            assert stats.ks_2samp(np.ravel(params[ours]), their).pvalue > 1e-3, (name, ours)


def loop_convolution(x, kernel, bias):
    """3x3, stride 2, padding 1, term by term in float64."""
    batch, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.zeros((batch, (height + 1) // 2, (width + 1) // 2, kernel.shape[-1]))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            window = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            out[:, i, j] = np.einsum("bhwi,hwio->bo", window, kernel) + bias
    return out


def loop_transposed_convolution(x, kernel, bias, size):
    """Every input value stamps its kernel, two apart; the border of one is cut off."""
    batch, height, width, _ = x.shape
    canvas = np.zeros((batch, 2 * height + 2, 2 * width + 2, kernel.shape[2]))
    for i in range(height):
        for j in range(width):
            stamp = np.einsum("bi,hwoi->bhwo", x[:, i, j], kernel)
            canvas[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += stamp
    return canvas[:, 1 : 1 + size[0], 1 : 1 + size[1]] + bias


def in_float64(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


@pytest.mark.parametrize("size", [(6, 5), (1, 1), (1, 2)])
def test_convolutions_are_their_definitions(size, key):
    x = jax.random.normal(jax.random.fold_in(key, 1), (2, *size, 3))
    down = layers.Convolution(4, stride=2)
    params = down.init(key, x)["params"]
    y = down.apply({"params": params}, x)
    np.testing.assert_allclose(y, loop_convolution(in_float64(x), **in_float64(params)), atol=1e-5)

    up = layers.TransposedConvolution(3, size)
    params = up.init(jax.random.fold_in(key, 2), y)["params"]
    expected = loop_transposed_convolution(in_float64(y), **in_float64(params), size=size)
    assert expected.shape == x.shape
    np.testing.assert_allclose(up.apply({"params": params}, y), expected, atol=1e-5)


def test_transposed_convolution_refuses_a_size_it_cannot_reach(key):
    with pytest.raises(ValueError, match=r"\(2, 2\) to \(5, 4\)"):
        layers.TransposedConvolution(3, (5, 4)).init(key, jnp.zeros((1, 2, 2, 1)))
