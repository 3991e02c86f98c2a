"""Hyperparameters and batches that a loss cannot work with: a ValueError from Python, one line on the command line."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import errors, limits, losses
from vae_jax.distributions import Gaussian
from vae_jax.losses import penalties, rate, reconstruction

IMAGE = np.zeros((2, 2, 2, 1), np.float32)
KL = np.zeros((2, 3), np.float32)
CODES = np.zeros((2, 3), np.float32)
POSTERIOR = Gaussian(CODES, CODES)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda key: reconstruction.gaussian(IMAGE, IMAGE, sigma=0.0), "sigma must be above 0, not 0.0"),
        (lambda key: reconstruction.laplace(IMAGE, IMAGE, scale=-1), "scale must be above 0, not -1"),
        (lambda key: reconstruction.log_cosh(IMAGE, IMAGE, alpha=0.0), "alpha must be above 0"),
        (lambda key: rate.beta(KL, 0, warmup_steps=-5), "warmup_steps must be 0 or more, not -5"),
        (lambda key: rate.cyclical(KL, 0, period=0), "period must be above 0"),
        (lambda key: rate.cyclical(KL, 0, period=9, ramp_fraction=0.0), "ramp_fraction must be above 0"),
        (lambda key: rate.capacity(KL, 0, capacity=-1.0), "capacity must be 0 or more"),
        (lambda key: rate.capacity(KL, 0, capacity_steps=-1), "capacity_steps must be 0 or more"),
        (lambda key: rate.free_bits(KL, 0, nats=-0.1), "nats must be 0 or more"),
        (lambda key: rate.free_bits(KL, 0, warmup_steps=-1), "warmup_steps must be 0 or more"),
        (lambda key: penalties.mmd_imq(key, CODES[:1], None), "batch_size must be 2 or more, not 1"),
        (lambda key: penalties.sliced_wasserstein(key, CODES, None, exponent=0.5), "exponent must be 1 or more"),
        (lambda key: penalties.sliced_wasserstein(key, CODES, None, num_projections=0), "num_projections must be 1"),
        (lambda key: penalties.total_correlation(key, CODES[:1], Gaussian(CODES[:1], CODES[:1]), num_data=9), "not 1"),
        (lambda key: penalties.total_correlation(key, CODES, POSTERIOR, num_data=9, estimator="mss"), "'mss'"),
    ],
)
def test_they_are_refused_by_name(function, message, key):
    with pytest.raises(errors.OutOfRange, match=message) as caught:
        function(key)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, errors.UserError)


@pytest.mark.parametrize("objective", [losses.miwae_loss, losses.piwae_loss])
def test_an_objective_of_no_groups_is_refused(objective, exact, batch, gaussian, key):
    with pytest.raises(errors.OutOfRange, match="num_groups must be 1 or more, not 0"):
        objective(exact, batch, key, reconstruction=gaussian, num_samples=2, num_groups=0)


def test_two_players_need_two_images(exact, batch, gaussian, key):
    with pytest.raises(errors.OutOfRange, match="batch_size must be 2 or more, not 1"):
        losses.factor_loss(exact, {"image": batch["image"][:1]}, key, reconstruction=gaussian)


def test_arrays_and_schedules_pass():
    limits.above(0, sigma=jnp.zeros(()), beta=lambda step: -1.0)
    limits.at_least(0, sigma=jnp.full((), -1.0), scale=0, other=0.0)
    sigma = jax.jit(functools.partial(reconstruction.gaussian, IMAGE, IMAGE))(sigma=2.0)
    np.testing.assert_allclose(sigma, 4 * (np.log(2.0) + 0.5 * np.log(2 * np.pi)), rtol=1e-6)
