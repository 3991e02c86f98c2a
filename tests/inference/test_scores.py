"""Scores of single images, against a model whose likelihood is known and against formulas in numpy."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import vae_jax
from vae_jax import distributions, errors
from vae_jax.inference import scores
from vae_jax.losses import reconstruction

SIGMA = 0.5
WEIGHT = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, -1.0]], np.float32)  # orthogonal columns


def linear_gaussian():
    """Return a vae whose posterior is exact: x = W z + noise of SIGMA, images of [2, 2, 1]."""
    var = 1.0 / (1.0 + (WEIGHT**2).sum(0) / SIGMA**2)

    def encode(x):
        mean = x.reshape(len(x), 4) @ WEIGHT / SIGMA**2 * var
        return distributions.Gaussian(mean, jnp.broadcast_to(jnp.log(var), mean.shape))

    decode = lambda z: (z @ WEIGHT.T).reshape(*z.shape[:-1], 2, 2, 1)  # noqa: E731
    return types.SimpleNamespace(encode=encode, decode=decode)


def test_with_the_exact_posterior_every_bound_is_the_likelihood():
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 1)).astype(np.float32)
    model = types.SimpleNamespace(data_range=(-1.0, 1.0), picture=lambda pred: pred)
    function = functools.partial(reconstruction.gaussian, sigma=SIGMA)
    found = scores._of_one(model, function, x, jax.random.key(0), 4000, linear_gaussian())
    covariance = WEIGHT @ WEIGHT.T + SIGMA**2 * np.eye(4)
    exact = stats.multivariate_normal(np.zeros(4), covariance).logpdf(x.ravel())
    assert float(found["importance_weighted"]) == pytest.approx(exact, rel=1e-4)
    assert float(found["elbo"]) == pytest.approx(exact, abs=0.1)  # the distortion is a mean of 4000 draws
    mode = np.linalg.solve(np.eye(2) + WEIGHT.T @ WEIGHT / SIGMA**2, WEIGHT.T @ x.ravel() / SIGMA**2)
    assert float(found["reconstruction_error"]) == pytest.approx(
        np.mean((WEIGHT @ mode - x.ravel()) ** 2) / 4, rel=1e-4
    )


def test_the_scores_of_an_image_do_not_depend_on_the_images_beside_it(workdir):
    model, variables, config = vae_jax.restore(workdir)
    images = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 1)).astype(np.uint8)
    whole = vae_jax.score(model, variables, images, config, num_samples=3)
    part = vae_jax.score(model, variables, images[50:], config, num_samples=3, start=50)
    for name in ("elbo", "distortion", "kl", "importance_weighted", "reconstruction_error"):
        assert whole[name].shape == (70,)
        np.testing.assert_allclose(part[name], whole[name][50:], rtol=1e-5)
    posterior = vae_jax.encode(model, variables, images)
    mean, var = np.asarray(posterior.mean, float), np.exp(np.asarray(posterior.logvar, float))
    np.testing.assert_allclose(whole["kl"], 0.5 * (mean**2 + var - 1 - np.log(var)).sum(1), rtol=1e-4)
    np.testing.assert_allclose(whole["elbo"], -whole["distortion"] - whole["kl"], rtol=1e-5)
    assert (whole["importance_weighted"] > whole["elbo"] - 1).all()
    again = vae_jax.reconstruct(model, variables, images).astype(float) / 255
    np.testing.assert_allclose(
        whole["reconstruction_error"], np.square(again - images / 255).mean((1, 2, 3)), rtol=0.02
    )


def test_codes_without_a_density_and_likenesses_have_no_bound(workdir):
    model, variables, config = vae_jax.restore(workdir)
    images = np.zeros((2, 8, 8, 1), np.uint8)
    likeness = functools.partial(reconstruction.log_cosh, alpha=1.0)
    assert vae_jax.score(model, variables, images, likeness).keys() == {"distortion", "kl", "reconstruction_error"}
    config = config.copy_and_resolve_references().unlock()
    config.objective.reconstruction.name = "optimal_sigma"
    with pytest.raises(errors.UserError, match="optimal_sigma has no likelihood of one image"):
        vae_jax.score(model, variables, images, config)
    with pytest.raises(errors.OutOfRange, match="^num_samples must be"):
        vae_jax.score(model, variables, images, likeness, num_samples=0)


def test_a_percentile_is_the_share_below_with_half_of_the_equals():
    reference = {"elbo": np.array([1.0, 2.0, 2.0, 4.0])}
    found = scores.percentiles({"elbo": np.array([0.0, 1.0, 2.0, 3.0, 9.0])}, reference)["elbo"]
    expected = [stats.percentileofscore(reference["elbo"], value, "mean") for value in (0, 1, 2, 3, 9)]
    np.testing.assert_allclose(found, expected)
