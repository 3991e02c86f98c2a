"""What is given from Python in a configuration's place: recorded by name, and asked for again."""

import functools
import json

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

import main
import vae_jax
from vae_jax import errors, losses, models
from vae_jax.config import given, serialization
from vae_jax.configs import base
from vae_jax.losses import rate, reconstruction

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1)).astype(np.uint8)
LABELS = np.arange(40) % 3
OBJECTIVE = functools.partial(losses.elbo_loss, reconstruction=reconstruction.laplace)
OTHER = functools.partial(losses.elbo_loss, reconstruction=reconstruction.gaussian)


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(5)(x.reshape(len(x), -1))


MODEL = models.VAE((4, 4, 1), 2, (2,), encoder=Encoder())


def train(workdir, num_steps=2, **values):
    config = base.get_config()
    fields = {"num_steps": num_steps, "data.source": "digits", "data.batch_size": 8, "model.hidden_dims": (2,)}
    config.update_from_flattened_dict(fields | {"data.image_size": (4, 4), "model.latent_dim": 2})
    return vae_jax.train(config, workdir, **values)


def refusal(function, *arguments, **keywords):
    with pytest.raises(errors.UserError) as caught:
        function(*arguments, **keywords)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run to which everything was given."""
    path = tmp_path_factory.mktemp("given")
    train(path, objective=OBJECTIVE, model=MODEL, images=IMAGES, labels=LABELS)
    return path


def test_everything_given_is_recorded_by_name(workdir):
    recorded = json.loads((workdir / "config.json").read_text())["given"]
    assert recorded["objective"] == (
        "vae_jax.losses.objectives:elbo_loss(reconstruction=vae_jax.distributions.densities:laplace)"
    )
    assert recorded["model"].startswith("vae_jax.models.vae:VAE(image_shape=(4, 4, 1), latent_dim=2, hidden_dims=(2), ")
    assert "test_given:Encoder()" in recorded["model"]
    assert recorded["images"].startswith("uint8 [40, 4, 4, 1] crc32 ")
    assert recorded["labels"].startswith("int64 [40] crc32 ")


@pytest.mark.parametrize("lacking", ["objective", "model", "images", "labels"])
def test_a_resume_that_lacks_what_was_given_says_so(workdir, lacking):
    values = {"objective": OBJECTIVE, "model": MODEL, "images": IMAGES, "labels": LABELS}
    del values[lacking]
    line = refusal(train, workdir, 4, **values)
    assert f"was trained with {lacking} given from Python" in line and f"{lacking}=..." in line


@pytest.mark.parametrize(
    ("field", "other"),
    [("objective", OTHER), ("model", MODEL.clone(prior_std=2.0)), ("images", IMAGES[::-1]), ("labels", LABELS + 1)],
)
def test_a_resume_with_another_says_so(workdir, field, other):
    values = {"objective": OBJECTIVE, "model": MODEL, "images": IMAGES, "labels": LABELS, field: other}
    assert f"was trained with {field} " in refusal(train, workdir, 4, **values)


def test_a_run_to_which_nothing_was_given_refuses_what_is_given_later(tmp_path):
    train(tmp_path)
    assert "was trained with objective of its configuration, and " in refusal(train, tmp_path, 4, objective=OTHER)


def test_the_same_again_goes_on(workdir):
    state = train(workdir, 3, objective=OBJECTIVE, model=MODEL, images=IMAGES, labels=LABELS)
    assert int(state.step) == 3


def test_a_restore_without_the_model_says_so_and_with_it_works(workdir):
    assert "was trained with model given from Python" in refusal(vae_jax.restore, workdir)
    model, variables, config = vae_jax.restore(workdir, model=MODEL)
    assert vae_jax.encode(model, variables, IMAGES[:3]).mean.shape == (3, 2)
    assert config.given.model


def test_an_evaluation_without_the_objective_says_so(tmp_path, capsys):
    train(tmp_path, objective=OBJECTIVE)
    capsys.readouterr()
    assert main.main(["main.py", "--workdir", str(tmp_path), "--mode", "evaluate"]) == 2
    *before, said = capsys.readouterr().err.strip().splitlines()
    assert "trained with objective given from Python" in said and not any("objective" in line for line in before)
    assert not (tmp_path / "evaluation.json").exists()


def test_a_function_that_nobody_declared_a_density_has_no_elbo_and_ranks_checkpoints_by_its_loss(tmp_path):
    """The README's log-cosh."""

    def log_cosh(pred, x):
        difference = jnp.abs(pred - x)
        return (difference + jnp.log1p(jnp.exp(-2 * difference)) - jnp.log(2.0)).sum((-3, -2, -1))

    objective = functools.partial(
        losses.elbo_loss, reconstruction=log_cosh, rate=functools.partial(rate.beta, beta=0.1)
    )
    train(tmp_path, objective=objective, images=IMAGES)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {line["split"] for line in lines} == {"train", "eval"} and not any("elbo" in line for line in lines)
    (score,) = (json.loads(file.read_text()) for file in (tmp_path / "checkpoints").rglob("metrics/metrics"))
    assert score["score"] == pytest.approx(-[line for line in lines if line["split"] == "eval"][-1]["loss"], rel=1e-6)


def test_names_tell_objects_apart():
    assert given.name_of(None) == ""
    assert given.name_of(OBJECTIVE) != given.name_of(OTHER)
    penalties = {"mine": (2.0, reconstruction.laplace)}
    name = given.name_of(functools.partial(losses.elbo_loss, penalties=penalties))
    assert name == (
        "vae_jax.losses.objectives:elbo_loss(penalties={mine: (2.0, vae_jax.distributions.densities:laplace)})"
    )
    assert given.name_of(IMAGES) == given.name_of(IMAGES.copy()) != given.name_of(IMAGES[:-1])
    assert given.name_of(IMAGES) != given.name_of(255 - IMAGES)
    assert given.name_of(MODEL) == given.name_of(MODEL.clone()) != given.name_of(MODEL.clone(encoder=None))


def test_a_run_made_before_anything_was_recorded_takes_what_it_was_given_then():
    tree = serialization.to_json(base.get_config())
    tree["data"]["source"] = "array"
    del tree["given"]
    stored = serialization.from_run(tree)
    asked = stored.copy_and_resolve_references()
    given.record(asked, objective=OBJECTIVE, model=MODEL, images=IMAGES, labels=None)
    given.check_same(stored, asked, "runs/old")
    given.refuse_lacking(stored, "objective")
    with pytest.raises(errors.UserError, match="objective given from Python"):
        given.refuse_lacking(asked, "objective")
