"""What a resumed run may change, and what it may not."""

from vae_jax.config import comparison
from vae_jax.configs import digits


def test_contradictions_name_fields_and_allow_what_may_change():
    stored, asked = digits.get_config(), digits.get_config()
    free = {f"{what}_every": 3 for what in ("log", "eval", "checkpoint", "image")} | {"num_epochs": 99, "num_steps": 7}
    free |= {"keep": 9, "max_skips": 2, "data.dir": "/elsewhere", "data.cache_dir": "/kept", "data.placement": "host"}
    asked.update_from_flattened_dict(free)
    assert comparison.contradictions(stored, asked) == [] and set(free) == set(comparison.MAY_CHANGE)
    asked.model.latent_dim = 3
    asked.objective.rate.beta = 2.0
    asked.data.valid_fraction = 0.2
    lines = comparison.contradictions(stored, asked)
    assert [line.split()[0] for line in lines] == ["data.valid_fraction", "model.latent_dim", "objective.rate.beta"]
    assert "8 there and 3 here" in lines[1]
