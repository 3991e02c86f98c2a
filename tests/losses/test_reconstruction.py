"""The table of likelihoods: what each asks of a decoder, it accepts; what it tells of a picture, is in range."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.losses import reconstruction
from vae_jax.losses.reconstruction import LIKELIHOODS

SURROGATES = {"log_cosh", "ssim", "ms_ssim", "features"}
KEYWORDS = {"features": {"extract": lambda images: images}}


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
        nats = likelihood.function(pred, x, **KEYWORDS.get(name, {}))
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


def test_surrogates_are_not_normalised_however_bound():
    for name, likelihood in LIKELIHOODS.items():
        bound = functools.partial(functools.partial(likelihood.function), **KEYWORDS.get(name, {}))
        assert reconstruction.is_normalised(bound) == (name not in SURROGATES)
        assert getattr(reconstruction, name) is likelihood.function


def test_an_unknown_function_is_a_likelihood_unless_it_says_not():
    def mine(pred, x):
        return jnp.square(pred - x).sum((-3, -2, -1))

    assert reconstruction.is_normalised(mine)
    mine.normalised = False
    assert not reconstruction.is_normalised(functools.partial(mine))
