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


def batch_norm(x, training=True, variables=None, **kwargs):
    module = layers.BatchNorm(training=training, **kwargs)
    if variables is None:
        variables = module.init(jax.random.key(9), x)
    return module.apply(variables, x, mutable=["batch_stats"])


def test_batch_norm_against_float64(key):
    x = 100 + 0.01 * jax.random.normal(key, (3, 4, 5, 2))  # a difference of squares gives variance 0 here
    y, updated = batch_norm(x)
    exact = np.asarray(x, np.float64)
    mean, var = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    np.testing.assert_allclose(y, (exact - mean) / np.sqrt(var + 1e-5), atol=5e-3)  # the mean of 100 is rounded
    stored = updated["batch_stats"]
    np.testing.assert_allclose(stored["mean"], 0.1 * mean, rtol=1e-6)
    # PyTorch's: the unbiased variance, and a tenth of the new one
    np.testing.assert_allclose(stored["var"], 0.9 + 0.1 * exact.var((0, 1, 2), ddof=1), rtol=1e-6)


def test_batch_norm_stores_the_unbiased_variance(key):
    x = 3 * jax.random.normal(key, (4, 2)) + 1
    _, updated = batch_norm(x)
    expected = 0.9 + 0.1 * np.var(np.asarray(x, np.float64), 0, ddof=1)
    np.testing.assert_allclose(updated["batch_stats"]["var"], expected, rtol=1e-6)


def test_batch_norm_of_a_single_value_is_finite():
    y, updated = batch_norm(jnp.full((1, 1, 1, 2), 7.0))
    np.testing.assert_array_equal(y, np.zeros((1, 1, 1, 2)))
    np.testing.assert_allclose(updated["batch_stats"]["var"], [0.9, 0.9], rtol=1e-6)


def test_batch_norm_in_evaluation_uses_and_keeps_the_running_statistics(key):
    x = jax.random.normal(key, (4, 3))
    statistics = {"mean": jnp.array([1.0, 2.0, 3.0]), "var": jnp.array([4.0, 9.0, 16.0])}
    params = {"scale": jnp.full(3, 2.0), "bias": jnp.full(3, 5.0)}
    y, updated = batch_norm(x, False, {"params": params, "batch_stats": statistics})
    expected = (np.asarray(x, np.float64) - [1, 2, 3]) / np.sqrt(np.array([4, 9, 16]) + 1e-5) * 2 + 5
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    assert jax.tree.all(jax.tree.map(np.array_equal, dict(updated["batch_stats"]), statistics))


def test_batch_norm_over_an_axis_is_that_of_the_whole_batch(key):
    x = jax.random.normal(key, (8, 4, 3)) * jnp.arange(1.0, 9.0).reshape(8, 1, 1)
    variables = layers.BatchNorm().init(key, x)
    whole, expected = batch_norm(x.reshape(32, 3), True, variables)

    def shard(x):
        return batch_norm(x, True, variables, axis_name="data")

    y, updated = jax.vmap(shard, axis_name="data", out_axes=(0, None))(x)
    np.testing.assert_allclose(y.reshape(32, 3), whole, atol=1e-5)
    for name in ("mean", "var"):
        np.testing.assert_allclose(updated["batch_stats"][name], expected["batch_stats"][name], rtol=1e-6)


def test_group_norm_leaves_several_values_to_a_group():
    assert [layers.num_groups(channels) for channels in (1, 3, 4, 8, 32, 36, 512)] == [1, 1, 1, 2, 8, 4, 8]
