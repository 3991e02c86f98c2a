"""Which values a configuration's fields may take."""

import pytest

from vae_jax import errors
from vae_jax.config import rules, serialization
from vae_jax.configs import base, digits


def test_every_base_field_has_a_rule_or_is_a_functions_keyword():
    keywords = tuple(f"{section}." for section in rules.SECTIONS)
    fields = {name for name in serialization.flatten(base.get_config()) if not name.startswith(keywords)}
    assert fields - set(rules.SECTIONS) == set(rules.RULES)


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
    config = digits.get_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(errors.UserError, match=rf"config\.{field} must"):
        rules.validate(config)


def test_defaults_are_valid_and_a_typo_names_its_neighbour():
    config = digits.get_config()
    rules.validate(config)
    with config.unlocked():
        config.optimizer.learning_rat = 1.0
    with pytest.raises(errors.UserError, match="did you mean optimizer.learning_rate"):
        rules.validate(config)
