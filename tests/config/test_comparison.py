"""What a resumed run may change, and what it may not."""

from vae_jax.config import comparison
from vae_jax.configs import celeba, digits


def test_contradictions_name_fields_and_allow_what_may_change():
    stored, asked = digits.get_config(), digits.get_config()
    free = {f"{what}_every": 3 for what in ("log", "eval", "checkpoint", "image")} | {"num_epochs": 99, "num_steps": 7}
    free |= {
        "keep": 9,
        "max_skips": 2,
        "data.dir": "/elsewhere",
        "data.cache_dir": "/kept",
        "data.placement": "host",
        "data.label_names": ("a",),
    }
    asked.update_from_flattened_dict(free)
    assert comparison.contradictions(stored, asked) == [] and set(free) == set(comparison.MAY_CHANGE)
    asked.model.latent_dim = 3
    asked.objective.rate.beta = 2.0
    asked.data.valid_fraction = 0.2
    lines = comparison.contradictions(stored, asked)
    assert [line.split()[0] for line in lines] == ["data.valid_fraction", "model.latent_dim", "objective.rate.beta"]
    assert "8 there and 3 here" in lines[1]


def test_a_run_keeps_a_default_that_has_changed_since():
    stored, asked = celeba.get_config(), celeba.get_config()
    stored.update_from_flattened_dict({"data.duplicates": "keep", "optimizer.eps": 1e-8})
    config, lines = comparison.keep_old_defaults(stored, asked)
    assert comparison.contradictions(stored, config) == [] and asked.data.duplicates == "group"
    assert [line.split()[0] for line in lines] == ["config.data.duplicates", "config.optimizer.eps"]


def test_a_value_that_is_not_the_new_default_is_refused():
    stored, asked = celeba.get_config(), celeba.get_config()
    stored.optimizer.eps, asked.optimizer.eps = 1e-8, 1e-3
    config, lines = comparison.keep_old_defaults(stored, asked)
    assert lines == [] and len(comparison.contradictions(stored, config)) == 1
