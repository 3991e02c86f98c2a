"""Configurations that older versions of the code stored, read with today's fields."""

import copy
import json
import pathlib

import pytest

from vae_jax import errors
from vae_jax.config import build, given, rules, serialization, upgrades
from vae_jax.configs import digits, presets

OLD = pathlib.Path(__file__).parent.parent / "fixtures" / "run_67338c8"


def test_an_added_field_has_the_value_that_older_runs_were_made_with():
    apply = upgrades.added("model.latents.name", "gaussian")
    expected = {"model": {"norm": "batch", "latents": {"name": "gaussian"}}}
    assert apply({"model": {"norm": "batch"}}) == expected
    assert apply({"model": {"norm": "batch", "latents": {}}}) == expected
    assert apply({"model": {"latents": {"name": "delta"}}}) == {"model": {"latents": {"name": "delta"}}}


def test_a_moved_field_keeps_its_value():
    apply = upgrades.moved("objective.critic.rate", "optimizer.critic")
    tree = {"objective": {"critic": {"rate": 3, "dims": [4]}}, "seed": 1}
    before = copy.deepcopy(tree)
    expected = {"objective": {"critic": {"dims": [4]}}, "seed": 1, "optimizer": {"critic": 3}}
    assert apply(tree) == expected and tree == before
    assert apply(expected) == expected


def test_upgrades_are_applied_in_order(monkeypatch):
    def double(tree):
        return tree | {"b": 2 * tree["b"]}

    monkeypatch.setattr(upgrades, "UPGRADES", (upgrades.added("a", 1), upgrades.moved("a", "b"), double))
    assert upgrades.upgrade({}) == {"b": 2}


def test_a_run_without_held_out_images_of_its_own_was_made_with_a_tenth():
    tree = serialization.to_json(digits.get_config())
    assert tree["data"].pop("valid_fraction") == 0.1
    assert serialization.from_run(tree).data.valid_fraction == 0.1


def upgraded(tree):
    return serialization.from_run(json.loads(json.dumps(tree)))


def test_factors_discriminator_is_the_models_critic():
    tree = json.loads((OLD / "factor.json").read_text())
    config = upgraded(tree)
    assert config.model.critic.to_dict() == {"name": "code", "hidden_dims": (16, 16)}
    assert config.optimizer.critic.to_dict() == {"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9}
    assert "discriminator" not in config.objective and config.model.latents.name == "gaussian"
    tree["objective"]["name"] = "elbo"
    assert upgraded(tree).model.critic.name == "none"


@pytest.mark.parametrize(
    ("options", "latents"),
    [({}, "deterministic"), ({"deterministic": True}, "deterministic"), ({"deterministic": False}, "gaussian")],
)
def test_whether_a_waes_codes_have_noise_is_the_models(options, latents):
    tree = json.loads((OLD / "wae.json").read_text())
    tree["objective"]["options"] = options
    config = upgraded(tree)
    assert config.model.latents.name == latents and "deterministic" not in config.objective.options


def test_the_width_of_the_penalties_prior_is_the_models():
    tree = json.loads((OLD / "wae.json").read_text())
    assert upgraded(tree).model.prior.to_dict() == {"name": "standard_normal", "std": 1.0}
    tree["objective"]["penalties"]["mmd"]["prior_std"] = 2.0
    config = upgraded(tree)
    assert config.model.prior.std == 2.0 and "prior_std" not in config.objective.penalties.mmd


def test_todays_wae_with_noise_stays_one():
    config = digits.get_config("wae_mmd")
    config.model.latents.name = "gaussian"
    assert upgraded(serialization.to_json(config)).model.latents.name == "gaussian"


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_todays_configurations_stay_as_they_are(preset):
    tree = json.loads(json.dumps(serialization.to_json(digits.get_config(preset))))
    assert upgrades.upgrade(tree) == tree


@pytest.mark.parametrize("name", ["run/config", "factor", "wae"])
def test_configurations_of_67338c8_are_valid_and_build(name):
    config = serialization.from_run(json.loads((OLD / f"{name}.json").read_text()))
    rules.validate(config)
    build.make_model(config)
    build.make_objective(config, 1618)


@pytest.mark.parametrize("tree", [None, [], 3, {"data": 3}, {"data": None}, {"data": [1]}, {"data": "x"}])
def test_what_is_no_configuration_is_refused_in_one_line(tree):
    with pytest.raises(errors.UserError, match="not a run's configuration") as refusal:
        serialization.from_run(tree)
    assert "\n" not in str(refusal.value)


def test_what_an_older_run_was_given_from_python_is_unrecorded():
    config = upgraded(json.loads((OLD / "wae.json").read_text()))
    assert config.given.to_dict() == dict.fromkeys(given.HOW, given.UNRECORDED)
