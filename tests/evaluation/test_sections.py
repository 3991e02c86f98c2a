"""An evaluation from Python: the same as the command line's, pure, and absent with a reason where it means nothing."""

import json

import jax
import numpy as np
import pytest

import vae_jax
from vae_jax import errors, evaluation, models
from vae_jax.evaluation import interventions
from vae_jax.losses import elbo_loss, reconstruction
from vae_jax.runs import restore

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def run(workdir):
    return restore.restore(workdir, say=lambda line: None)


def evaluate(run, **keywords):
    return vae_jax.evaluate(run.model, run.variables, run.config, IMAGES, **({"num_samples": 2} | keywords))


def test_the_same_arguments_give_the_same_numbers_as_json_takes_them(run):
    first, second = evaluate(run, num_images=10), evaluate(run, num_images=10)
    assert first == second == json.loads(json.dumps(first, allow_nan=False))
    assert list(first) == ["metrics", "bound", "reconstruction", "latents", "aggregate", "generated"]
    assert first["bound"]["importance_weighted"]["num_images"] == first["aggregate"]["num_encodings"] == 10
    assert first["generated"]["features"]["name"].startswith("random") and "floor" not in first["generated"]


def test_another_key_is_other_noise_and_factors_add_a_section(run, monkeypatch):
    monkeypatch.setattr(interventions, "NUM_TRAIN", 50)
    monkeypatch.setattr(interventions, "NUM_TEST", 50)
    factors = np.arange(48).reshape(24, 2) % 3
    made = evaluate(run, key=jax.random.key(9), factors=factors)
    assert made["disentanglement"]["values_of_factors"] == [3, 3]
    assert made["bound"]["importance_weighted"]["bound"] != evaluate(run)["bound"]["importance_weighted"]["bound"]


def test_the_bound_of_one_sample_is_the_elbo_of_the_same_samples(run):
    weighted = evaluate(run, num_samples=1)["bound"]["importance_weighted"]
    assert weighted["bound"] == pytest.approx(weighted["elbo_of_these_images"], rel=1e-12)
    assert weighted["estimator"].startswith("importance-weighted")


def test_codes_without_noise_and_likenesses_have_reasons_in_place_of_numbers(run):
    model = run.model.clone(latents="deterministic")
    variables = models.init(model, jax.random.key(0))
    made = vae_jax.evaluate(model, variables, run.config, IMAGES, num_samples=2)
    assert "absent" in made["bound"] and "without a density" in made["aggregate"]["absent"]
    assert "kl" not in made["metrics"] and "kl_per_dimension" not in made["latents"]

    def ssim_loss(vae, batch, key, step):
        return elbo_loss(vae, batch, key, step, reconstruction=reconstruction.ssim)

    made = evaluate(run, objective=ssim_loss)
    assert "absent" in made["bound"] and "mutual_information" in made["aggregate"]


def test_a_prior_of_ones_own_has_a_set_of_samples(run):
    prior = vae_jax.distributions.Gaussian(np.full(3, 2.0, np.float32), np.zeros(3, np.float32))
    comparison = evaluation.Comparison(
        evaluation.random_features((8, 8, 1)), floor=IMAGES[::-1], prior=prior, prior_name="shifted"
    )
    made = evaluate(run, comparison=comparison)["generated"]
    assert {"samples", "samples of shifted", "floor", "reconstructions"} < made.keys()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(run, bad):
    leaves, tree = jax.tree.flatten(run.variables)
    broken = [np.asarray(leaf).copy() for leaf in leaves]
    broken[0].flat[0] = bad
    variables = jax.tree.unflatten(tree, broken)
    with pytest.raises(errors.UserError, match="not finite, in 1 of .* arrays"):
        vae_jax.evaluate(run.model, variables, run.config, IMAGES)


def test_outputs_that_are_not_finite_are_refused_by_name(run):
    huge = jax.tree.map(lambda leaf: np.full_like(leaf, 3e38), run.variables)
    with pytest.raises(errors.UserError, match="the code is not finite for 24 of 24 images"):
        vae_jax.evaluate(run.model, huge, run.config, IMAGES)
