"""Rates by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax.losses import rate

KL = np.array([[1.0, 5.0], [3.0, 11.0]], np.float32)  # 10 nats on average


def value(name, step=0, kl=KL, **kwargs):
    return float(jax.jit(functools.partial(rate.RATES[name], **kwargs))(kl, step))


def test_beta_is_a_weight():
    assert value("beta") == 10.0 and value("beta", beta=0.0) == 0.0 and value("beta", beta=4.0) == 40.0
    assert float(rate.beta(jnp.asarray(KL), 3)) == 10.0


@pytest.mark.parametrize(("step", "expected"), [(0, 0.0), (25, 2.5), (99, 9.9), (100, 10.0), (1000, 10.0)])
def test_warm_up_is_linear_in_the_step(step, expected):
    assert value("beta", step, warmup_steps=100) == pytest.approx(expected)
    assert value("free_bits", step, nats=0.0, warmup_steps=100) == pytest.approx(expected)


def test_any_schedule_of_optax_is_a_weight():
    schedule = optax.linear_schedule(0.0, 4.0, 100)
    assert value("beta", 50, beta=schedule) == pytest.approx(20.0)
    assert value("free_bits", 50, nats=0.0, beta=schedule) == pytest.approx(20.0)
    assert value("cyclical", 150, period=100, beta=schedule) == pytest.approx(40.0)
    assert value("capacity", 50, gamma=schedule, capacity=12.0, capacity_steps=0) == pytest.approx(4.0)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.0), (25, 5.0), (50, 10.0), (99, 10.0), (100, 0.0), (125, 5.0)])
def test_cycles_begin_anew(step, expected):
    assert value("cyclical", step, period=100) == pytest.approx(expected)


def test_capacity_is_a_target_that_moves():
    assert value("capacity", 10**6) == 15_000.0
    assert value("capacity", 50_000) == pytest.approx(2_500.0)
    assert value("capacity", 0) == 10_000.0
    gradient = jax.jit(jax.grad(functools.partial(rate.capacity, gamma=1.0, capacity=10.5, capacity_steps=0)))
    np.testing.assert_allclose(gradient(KL, 0), -0.5 * np.ones((2, 2)))
    np.testing.assert_allclose(gradient(2 * KL, 0), 0.5 * np.ones((2, 2)))


def test_free_bits_floor_the_mean_over_the_batch():
    kl = np.array([[0.0], [1.0]], np.float32)
    assert value("free_bits", kl=kl, nats=0.5) == 0.5  # 0.75 if the floor were under each image
    assert value("free_bits", nats=3.0) == 3.0 + 8.0
    gradient = jax.jit(jax.grad(lambda kl: rate.free_bits(kl, 0, nats=3.0)))(KL)
    np.testing.assert_allclose(gradient, [[0.0, 0.5], [0.0, 0.5]])


@pytest.mark.parametrize("name", rate.RATES)
def test_extreme_kl_has_a_finite_rate_and_gradient(name):
    function = functools.partial(rate.RATES[name], **({"period": 10} if name == "cyclical" else {}))
    kl = np.array([[0.0, 5e12], [14.5, 1e-9]], np.float32)  # what |logvar| = 30 comes to
    nats, gradient = jax.jit(jax.value_and_grad(function))(kl, 3)
    assert np.isfinite(nats) and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", rate.RATES)
def test_a_reduced_kl_is_refused(name, without_shape_checks):
    function = functools.partial(rate.RATES[name], **({"period": 10} if name == "cyclical" else {}))
    with pytest.raises(ValueError, match=r"\[B, G\]"):
        function(jnp.zeros((2, 3, 4)), 0)
