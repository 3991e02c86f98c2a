"""A configuration as JSON and back."""

import json

from vae_jax.config import serialization
from vae_jax.configs import base


def test_json_round_trip_keeps_tuples_and_takes_a_number_of_steps():
    config = base.get_config()
    back = serialization.from_json(json.loads(json.dumps(serialization.to_json(config))))
    assert serialization.to_json(back) == serialization.to_json(config)
    assert back.model.hidden_dims == (32, 64, 128, 256, 512)
    with back.unlocked():
        back.num_steps = 3
    assert back.num_steps == 3
