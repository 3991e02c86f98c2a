"""BatchNorm against float64, against PyTorch's conventions, and its written-out gradient against autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.models import normalisation


def batch_norm(x, training=True, variables=None, **kwargs):
    module = normalisation.BatchNorm(training=training, **kwargs)
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
    variables = normalisation.BatchNorm().init(key, x)
    whole, expected = batch_norm(x.reshape(32, 3), True, variables)

    def shard(x):
        return batch_norm(x, True, variables, axis_name="data")

    y, updated = jax.vmap(shard, axis_name="data", out_axes=(0, None))(x)
    np.testing.assert_allclose(y.reshape(32, 3), whole, atol=1e-5)
    for name in ("mean", "var"):
        np.testing.assert_allclose(updated["batch_stats"][name], expected["batch_stats"][name], rtol=1e-6)


def test_group_norm_leaves_several_values_to_a_group():
    assert [normalisation.num_groups(channels) for channels in (1, 3, 4, 8, 32, 36, 512)] == [1, 1, 1, 2, 8, 4, 8]


def plain(x, scale, bias):
    """BatchNorm in training by its definition, for autodiff."""
    centred = x - x.mean((0, 1, 2), keepdims=True)
    std = jnp.sqrt(jnp.square(centred).mean((0, 1, 2), keepdims=True) + 1e-5)
    return centred / std * scale.reshape(1, 1, 1, -1) + bias.reshape(1, 1, 1, -1)


@pytest.fixture(scope="module")
def gradient_case():
    x, cotangent, scale, bias = (
        jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate([(8, 3, 2, 4)] * 2 + [(4,)] * 2)
    )
    x = 3 * x + 2
    _, pullback = jax.vjp(plain, x, scale, bias)
    return x, scale, bias, cotangent, pullback(cotangent)


def norm_pullback(x, scale, bias, cotangent, **kwargs):
    module = normalisation.BatchNorm(training=True, **kwargs)
    statistics = {"mean": jnp.zeros(4), "var": jnp.ones(4)}

    def apply(x, scale, bias):
        variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": statistics}
        return module.apply(variables, x, mutable=["batch_stats"])[0]

    return jax.vjp(apply, x, scale, bias)[1](cotangent)


def test_batch_norm_gradient_is_that_of_its_definition(gradient_case):
    x, scale, bias, cotangent, expected = gradient_case
    for got, value in zip(norm_pullback(x, scale, bias, cotangent), expected, strict=True):
        np.testing.assert_allclose(got, value, atol=1e-5)


def test_batch_norm_gradient_over_an_axis_is_that_of_the_whole_batch(gradient_case):
    x, scale, bias, cotangent, expected = gradient_case
    shards = x.reshape(4, 2, *x.shape[1:]), cotangent.reshape(4, 2, *x.shape[1:])

    def shard(x, cotangent):
        return norm_pullback(x, scale, bias, cotangent, axis_name="data")

    to_x, to_scale, to_bias = jax.vmap(shard, axis_name="data")(*shards)
    np.testing.assert_allclose(to_x.reshape(x.shape), expected[0], atol=1e-5)
    np.testing.assert_allclose(to_scale.sum(0), expected[1], atol=1e-5)
    np.testing.assert_allclose(to_bias.sum(0), expected[2], atol=1e-5)
