"""Configurations that older versions of the code stored, read with today's fields."""

import pytest

from vae_jax.config import rules, serialization, upgrades
from vae_jax.configs import digits


@pytest.mark.parametrize("name", upgrades.ADDED)
def test_a_run_older_than_a_field_has_the_value_it_was_made_with(name):
    section, _, field = name.rpartition(".")
    tree = serialization.to_json(digits.get_config())
    assert tree[section].pop(field) is not None
    back = serialization.from_run(tree)
    rules.validate(back)
    assert serialization.flatten(back)[name] == upgrades.ADDED[name]
    tree[section][field] = 0.5
    assert serialization.flatten(serialization.from_run(tree))[name] == 0.5  # a field that is there stays
    tree[section] = 3
    assert serialization.to_json(serialization.from_run(tree))[section] == 3  # for validate to refuse
