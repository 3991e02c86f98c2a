"""The split's averages, and the images they are of: each once, the same draws of noise in every number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from vae_jax import models
from vae_jax.distributions import Delta, Gaussian
from vae_jax.evaluation import elbo, encodings
from vae_jax.evaluation.inputs import chosen_rows, inputs

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


def test_a_part_of_the_images_has_the_noise_of_the_whole_and_other_batches_are_not_prepared():
    key, prepared = jax.random.key(3), []

    def counted(images, key):
        jax.debug.callback(lambda: prepared.append(1))
        return noisy(images, key)

    whole = np.concatenate(list(inputs(noisy, IMAGES, 2, key)))
    rows = np.array([1, 4, 5])
    parts = list(inputs(counted, IMAGES, 2, key, rows))
    jax.effects_barrier()
    assert [len(part) for part in parts] == [2, 1] and len(prepared) == 2  # of five batches
    np.testing.assert_array_equal(np.concatenate(parts), whole[rows])


def test_a_choice_of_images_is_fixed_and_in_order():
    rows = chosen_rows(36, 20)
    assert (rows != np.arange(20)).any() and len(set(rows)) == 20 and (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, chosen_rows(36, 20))
    np.testing.assert_array_equal(chosen_rows(5, 9), np.arange(5))


def test_checkpoints_are_ranked_by_the_elbo_or_else_by_the_loss():
    assert elbo.score({"loss": 3.0, "elbo": -2.0}) == -2.0
    assert elbo.score({"loss": 3.0}) == -3.0


class Mean(nn.Module):
    """Encodes an image as its mean, and paints that."""

    noise: bool = True
    data_range: tuple[float, float] = (-1.0, 1.0)
    training: bool = False

    def encode(self, x):
        mean = x.mean((1, 2, 3))[:, None]
        return Gaussian(mean, jnp.full_like(mean, -2.0)) if self.noise else Delta(mean)

    def decode(self, z):
        return jnp.broadcast_to(z[:, :, None, None], (len(z), 16, 16, 1))

    def picture(self, pred):
        return pred


X = np.random.default_rng(1).uniform(-1, 1, (5, 16, 16, 1)).astype(np.float32)


def test_encodings_are_of_every_image_and_errors_of_pixels_on_the_unit_interval():
    found = encodings.encode(Mean(), {}, [X[:3], X[3:]], 3, jax.random.key(0))
    means = X.mean((1, 2, 3))[:, None]
    np.testing.assert_allclose(found.code, means, atol=1e-6)
    np.testing.assert_allclose(found.mode, means, atol=1e-6)
    assert found.posterior.logvar.tolist() == [[-2.0]] * 5
    np.testing.assert_allclose(found.kl, 0.5 * (means**2 + np.exp(-2.0) + 2.0 - 1.0), rtol=1e-5)
    np.testing.assert_allclose(found.measures["mse"], X.var((1, 2, 3)) / 4, rtol=1e-5)
    np.testing.assert_allclose(found.measures["sharpness"], 0.0, atol=1e-9)


def test_a_code_without_noise_has_neither_a_posterior_nor_a_kl():
    found = encodings.encode(Mean(noise=False), {}, [X[:3], X[3:]], 3, jax.random.key(0))
    assert found.posterior is None and found.kl is None and found.code.shape == (5, 1)
