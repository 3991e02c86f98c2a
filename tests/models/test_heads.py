"""Heads against the linear layers written out by numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import models
from vae_jax.distributions import Delta, Gaussian
from vae_jax.models import heads, layers

FEATURES = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
LINEAR = functools.partial(layers.Dense, precision="float32")


def affine(params):
    flat = FEATURES.reshape(4, 6).astype(np.float64)
    return flat @ np.asarray(params["kernel"], np.float64) + np.asarray(params["bias"], np.float64)


def test_a_delta_head_is_one_linear_layer(key):
    head = heads.DeltaHead(5, LINEAR)
    variables = head.init(key, FEATURES)
    assert set(variables["params"]) == {"mean"}
    code = head.apply(variables, FEATURES)
    assert isinstance(code, Delta) and code.value.dtype == jnp.float32
    np.testing.assert_allclose(code.value, affine(variables["params"]["mean"]), rtol=1e-5, atol=1e-6)


def test_a_gaussian_head_is_two_and_clips_the_log_variance(key):
    head = heads.GaussianHead(3, LINEAR)
    params = head.init(key, FEATURES)["params"]
    params["logvar"]["bias"] = np.float32([1e4, -1e4, 0.0])
    posterior = head.apply({"params": params}, FEATURES)
    assert isinstance(posterior, Gaussian)
    np.testing.assert_allclose(posterior.mean, affine(params["mean"]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(posterior.logvar, np.clip(affine(params["logvar"]), -30, 20), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tower", ["conv", "mlp"])
def test_a_deterministic_model_has_a_delta_code_and_no_log_variance(tower):
    model = models.VAE((4, 4, 1), 3, (5,), tower=tower, latents="deterministic")
    variables = models.init(model, jax.random.key(0))
    code = model.apply(variables, np.zeros((2, 4, 4, 1), np.float32), method="encode")
    assert isinstance(code, Delta) and code.value.shape == (2, 3)
    assert "logvar" not in variables["params"]["encoder"] and "mean" in variables["params"]["encoder"]
