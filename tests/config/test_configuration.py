import json

import pytest

from configs import base
from vae_jax import errors
from vae_jax.config import configuration


def digits():
    config = base.get_config()
    config.data.source = "digits"
    return config


def test_json_round_trip_keeps_tuples_and_takes_a_number_of_steps():
    config = digits()
    back = configuration.from_json(json.loads(json.dumps(configuration.to_json(config))))
    assert configuration.to_json(back) == configuration.to_json(config)
    assert back.model.hidden_dims == (32, 64, 128, 256, 512)
    with back.unlocked():
        back.num_steps = 3
    assert back.num_steps == 3


@pytest.mark.parametrize("name", configuration.ADDED)
def test_a_run_older_than_a_field_has_the_value_it_was_made_with(name):
    section, _, field = name.rpartition(".")
    tree = configuration.to_json(digits())
    assert tree[section].pop(field) is not None
    back = configuration.from_run(tree)
    configuration.validate(back)
    assert configuration.flatten(back)[name] == configuration.ADDED[name]
    tree[section][field] = 0.5
    assert configuration.flatten(configuration.from_run(tree))[name] == 0.5  # a field that is there stays
    tree[section] = 3
    assert configuration.to_json(configuration.from_run(tree))[section] == 3  # for validate to refuse


def test_every_base_field_has_a_rule_or_is_the_objectives():
    flat = configuration.flatten(base.get_config())
    free = {name for name in flat if name.startswith("objective.")}
    assert set(flat) - free == set(configuration.RULES) - free


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data.batch_size", 0),
        ("optimizer.learning_rate", -1.0),
        ("optimizer.learning_rate", 0.0),
        ("optimizer.learning_rate", float("nan")),
        ("optimizer.learning_rate", float("inf")),
        ("optimizer.weight_decay", float("inf")),
        ("objective.rate.beta", float("nan")),
        ("model.hidden_dims", ()),
        ("model.hidden_dims", (32, 2.5)),
        ("model.latent_dim", 0),
        ("num_steps", -5),
        ("precision", "float16"),
        ("data.range", (0.0, 255.0)),
        ("data.image_size", (64,)),
        ("ema_decay", 1.0),
        ("data.valid_fraction", 1.0),
        ("seed", -1),
        ("data.source", ""),
        ("parallel", "threads"),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    config = digits()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(errors.UserError, match=rf"config\.{field} must"):
        configuration.validate(config)


def test_defaults_are_valid_and_a_typo_names_its_neighbour():
    config = digits()
    configuration.validate(config)
    with config.unlocked():
        config.optimizer.learning_rat = 1.0
    with pytest.raises(errors.UserError, match="did you mean optimizer.learning_rate"):
        configuration.validate(config)


def test_contradictions_name_fields_and_allow_what_may_change():
    stored, asked = digits(), digits()
    free = {f"{what}_every": 3 for what in ("log", "eval", "checkpoint", "image")} | {"num_epochs": 99, "num_steps": 7}
    free |= {"keep": 9, "max_skips": 2, "data.dir": "/elsewhere", "data.cache_dir": "/kept", "data.placement": "host"}
    asked.update_from_flattened_dict(free)
    assert configuration.contradictions(stored, asked) == [] and set(free) == set(configuration.MAY_CHANGE)
    asked.model.latent_dim = 3
    asked.objective.rate.beta = 2.0
    asked.data.valid_fraction = 0.2
    lines = configuration.contradictions(stored, asked)
    assert [line.split()[0] for line in lines] == ["data.valid_fraction", "model.latent_dim", "objective.rate.beta"]
    assert "128 there and 3 here" in lines[1]
