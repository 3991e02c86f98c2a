"""What a run's latents are, from the configuration to its samples: codes without noise, and wider priors."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vae_jax
from vae_jax import distributions, models, random
from vae_jax.config import build
from vae_jax.configs import base
from vae_jax.inference import sampling

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1)).astype(np.uint8)


def config(**fields):
    made = base.get_config()
    small = {"num_steps": 2, "data.batch_size": 8, "model.hidden_dims": (2,), "model.latent_dim": 2}
    made.update_from_flattened_dict(small | fields)
    return made


def wae(**fields):
    made = config(**{"objective.name": "wae"} | fields)
    made.objective.penalties = {"mmd": {"name": "mmd_imq", "weight": 10.0}}
    return made


@pytest.mark.parametrize(("latents", "logged"), [("deterministic", False), ("gaussian", True)])
def test_codes_without_noise_have_no_kl_in_the_runs_files(latents, logged, tmp_path):
    vae_jax.train(wae(**{"model.latents.name": latents}), tmp_path, images=IMAGES)
    assert (tmp_path / "latents.jsonl").exists() == logged
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(("kl" in line) == ("rate" in line) == ("elbo" in line) == logged for line in lines)
    model, variables, _ = vae_jax.restore(tmp_path)
    posterior = vae_jax.encode(model, variables, IMAGES)
    assert isinstance(posterior, distributions.Gaussian if logged else distributions.Delta)


def test_samples_come_from_the_prior_of_the_configuration(key):
    made = config(**{"model.image_shape": (4, 4, 1), "model.prior.std": 2.0})
    model = build.make_model(made)
    variables = models.init(model, jax.random.key(0))
    z = np.asarray(sampling.latents(model, variables, jax.random.clone(key), 20_000))
    np.testing.assert_allclose(z.std(0), 2.0, rtol=0.03)
    cold = np.asarray(sampling.latents(model, variables, jax.random.clone(key), 20_000, temperature=0.5))
    np.testing.assert_allclose(cold, 0.5 * z, rtol=1e-5)
    images = sampling.sample(model, variables, jax.random.clone(key), 16)
    np.testing.assert_array_equal(images, sampling.decode(model, variables, z[:16]))


def test_penalties_compare_with_the_prior_that_samples_come_from(key):
    made = wae(**{"model.image_shape": (4, 4, 1), "model.prior.std": 2.0})
    _, penalty = build.make_objective(made, 100).keywords["penalties"]["mmd"]
    z = np.random.default_rng(1).normal(size=(9, 2)).astype(np.float32)
    p = 2.0 * np.asarray(jax.random.normal(random.fold_in_name(key, "prior"), (9, 2)), np.float64)
    sizes = 2 * 2 * 4.0 * np.array([0.1, 0.2, 0.5, 1, 2, 5, 10])

    def kernel(a, b):
        square = np.square(a[:, None] - b[None]).sum(-1)
        return (sizes / (sizes + square[..., None])).sum(-1)

    off = ~np.eye(9, dtype=bool)
    expected = kernel(z, z)[off].mean() + kernel(p, p)[off].mean() - 2 * kernel(z, p).mean()
    np.testing.assert_allclose(jax.jit(penalty)(key, z, None), expected, rtol=1e-4)


def test_the_kl_of_an_elbo_is_to_the_prior_of_the_configuration(key):
    made = config(**{"model.image_shape": (4, 4, 1), "model.prior.std": 2.0})
    model, objective = build.make_model(made), build.make_objective(made, 100)
    variables = models.init(model, jax.random.key(0))
    batch = {"image": jnp.asarray(IMAGES[:5], jnp.float32) / 255}
    run = functools.partial(models.apply_objective, objective, model, variables, batch, key, 0, training=False)
    (_, metrics), _ = run()
    posterior = jax.device_get(model.apply(variables, batch["image"], method="encode"))
    var, square = np.exp(posterior.logvar.astype(np.float64)), np.square(posterior.mean.astype(np.float64))
    expected = 0.5 * (np.log(4.0 / var) + (var + square) / 4.0 - 1).sum(-1).mean()
    assert float(metrics["kl"]) == pytest.approx(expected, rel=1e-5)
