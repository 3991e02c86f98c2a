"""The split's averages, and the images they are of: each once, the same draws of noise in every number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import models
from vae_jax.distributions import Gaussian
from vae_jax.evaluation import elbo, encodings
from vae_jax.evaluation.inputs import inputs

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1)).astype(np.uint8)


def noisy(images, key):
    return images.astype(jnp.float32) / 255.0 + jax.random.normal(key, images.shape)


def test_each_image_counts_once_though_the_last_batch_is_shorter():
    sizes = []

    def eval_step(variables, images, key, step):
        sizes.append(len(images))
        return {"level": images.astype(np.float64).mean(), "step": step}

    averages = elbo.evaluate(eval_step, {}, IMAGES, 4, jax.random.key(0), 7)
    assert sizes == [4, 4, 2]
    assert averages == {"level": pytest.approx(IMAGES.mean()), "step": 7}


def test_inputs_are_the_images_that_the_objective_was_given():
    model = models.VAE((8, 8, 1), latent_dim=2, hidden_dims=(4,))
    variables, key = models.init(model, jax.random.key(0)), jax.random.key(3)

    def objective(vae, batch, key, step):
        return jnp.zeros(()), {"level": batch["image"].mean()}

    averages = elbo.evaluate(elbo.make_eval_step(model, objective, noisy), variables, IMAGES, 4, key, 0)
    given = np.concatenate(list(inputs(noisy, IMAGES, 4, key)))
    assert given.shape == IMAGES.shape and averages["level"] == pytest.approx(given.mean(), abs=1e-6)
    assert np.abs(given - IMAGES / 255).std() > 0.5
    assert (np.concatenate(list(inputs(noisy, IMAGES, 4, jax.random.key(4)))) != given).all()


def test_checkpoints_are_ranked_by_the_elbo_or_else_by_the_loss():
    assert elbo.score({"loss": 3.0, "elbo": -2.0}) == -2.0
    assert elbo.score({"loss": 3.0}) == -3.0


class Mean:
    """Encodes an image as its mean, and paints that."""

    data_range = (-1.0, 1.0)

    def apply(self, variables, x, method):
        if method == "decode":
            return jnp.broadcast_to(x[:, :, None, None], (len(x), 16, 16, 1))
        return Gaussian(x.mean((1, 2, 3))[:, None], jnp.full((len(x), 1), -2.0))

    def picture(self, pred):
        return pred


def test_encodings_are_of_every_image_and_errors_of_pixels_on_the_unit_interval():
    x = np.random.default_rng(1).uniform(-1, 1, (5, 16, 16, 1)).astype(np.float32)
    found = encodings.encode(Mean(), {}, [x[:3], x[3:]], 3)
    np.testing.assert_allclose(found.mean, x.mean((1, 2, 3))[:, None], atol=1e-6)
    assert found.logvar.tolist() == [[-2.0]] * 5
    np.testing.assert_allclose(found.measures["mse"], x.var((1, 2, 3)) / 4, rtol=1e-5)
    np.testing.assert_allclose(found.measures["sharpness"], 0.0, atol=1e-9)
