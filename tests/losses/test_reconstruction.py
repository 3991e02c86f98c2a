"""Likelihoods and likenesses by name: what each asks of a decoder, it accepts; which of them give an ELBO."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.distributions import LIKELIHOODS
from vae_jax.losses import reconstruction

LIKENESSES = {"log_cosh", "ssim", "ms_ssim", "features"}


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize(("channels", "data_range"), [(1, (0.0, 1.0)), (3, (-1.0, 1.0))])
def test_raw_output_becomes_a_loss_and_a_picture(name, data_range, channels):
    likelihood = LIKELIHOODS[name]
    data_range = likelihood.data_range or data_range
    rng = np.random.default_rng(0)
    raw = 10 * rng.normal(size=(2, 8, 8, likelihood.channels(channels))).astype(np.float32)
    x = rng.choice(data_range, size=(2, 8, 8, channels)).astype(np.float32)
    extra = {name: np.float32(value) for name, value in likelihood.parameters.items()}

    def run(raw, extra):
        pred = likelihood.activation(raw, data_range, extra)
        nats = likelihood.function(pred, x)
        return nats.sum(), (nats, likelihood.mean(pred, data_range))

    gradients, (nats, picture) = jax.jit(jax.grad(run, argnums=(0, 1), has_aux=True))(raw, extra)
    assert nats.shape == (2,) and picture.shape == x.shape
    assert np.isfinite(nats).all() and data_range[0] <= picture.min() and picture.max() <= data_range[1]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert all(leaf.any() for leaf in jax.tree.leaves(gradients))


def test_pictures_are_means_not_parameters():
    logits = jnp.array(2.0).reshape(1, 1, 1, 1)
    picture = lambda name: float(LIKELIHOODS[name].mean(logits, (0.0, 1.0))[0, 0, 0, 0])  # noqa: E731
    assert picture("bernoulli") == pytest.approx(0.8807971)
    assert picture("continuous_bernoulli") == pytest.approx(0.6565176)


def test_the_activation_follows_the_range():
    raw = np.float32([[-100.0, 0.0, 100.0]]).reshape(1, 1, 1, 3)
    activate = LIKELIHOODS["gaussian"].activation
    np.testing.assert_allclose(activate(raw, (0.0, 1.0), {}).ravel(), [0.0, 0.5, 1.0], atol=1e-6)
    np.testing.assert_allclose(activate(raw, (-1.0, 1.0), {}).ravel(), [-1.0, 0.0, 1.0], atol=1e-6)
    with pytest.raises(ValueError, match="data_range"):
        activate(raw, (0.0, 255.0), {})


@pytest.mark.parametrize("data_range", [(0.0, 1.0), (-1.0, 1.0)])
@pytest.mark.parametrize("name", sorted(LIKENESSES))
def test_a_likeness_of_a_prediction_in_the_datas_range_has_a_gradient(name, data_range):
    rng = np.random.default_rng(0)
    x, pred = rng.uniform(*data_range, size=(2, 2, 8, 8, 3)).astype(np.float32)
    keywords = {"features": {"extract": lambda images: images}, "log_cosh": {}}
    bound = functools.partial(reconstruction.RECONSTRUCTIONS[name], **keywords.get(name, {"data_range": data_range}))
    nats, back = jax.vjp(jax.jit(lambda pred: bound(pred, x)), pred)
    (gradient,) = back(jnp.ones_like(nats))
    assert nats.shape == (2,) and (nats > 0).all() and np.isfinite(nats).all()
    assert np.isfinite(gradient).all() and gradient.any()


def test_likenesses_are_not_normalised_however_bound():
    assert set(reconstruction.RECONSTRUCTIONS) == {*LIKELIHOODS, *LIKENESSES}
    for name, function in reconstruction.RECONSTRUCTIONS.items():
        bound = functools.partial(functools.partial(function), scale=2.0)
        assert reconstruction.is_normalised(bound) == (name not in LIKENESSES)
        assert getattr(reconstruction, name) is function
    assert all(LIKELIHOODS[name].function is getattr(reconstruction, name) for name in LIKELIHOODS)


def test_an_unknown_function_is_a_likelihood_only_if_it_says_so():
    def mine(pred, x):
        return jnp.square(pred - x).sum((-3, -2, -1))

    assert not reconstruction.is_normalised(mine)
    assert not reconstruction.is_normalised(functools.partial(mine))
    mine.normalised = True
    assert reconstruction.is_normalised(functools.partial(mine))
    mine.normalised = False
    assert not reconstruction.is_normalised(mine)
