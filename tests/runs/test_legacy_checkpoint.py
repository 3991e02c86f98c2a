"""Trees of the layout before collections and players, made by hand, as today's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.runs import legacy_checkpoint

OLD = {
    "step": np.int32(3),
    "params": {"encoder": {"mean": np.ones(2), "logvar": np.zeros(2)}, "discriminator": {"kernel": np.full(3, 5.0)}},
    "batch_stats": {"encoder": {"var": np.ones(4)}},
    "opt_state": [{"discriminator": {"mu": np.zeros(3)}}, ({"encoder": np.ones(1)},)],
    "key": np.array([1, 2], np.uint32),
}


def test_the_old_layout_is_told_by_its_statistics():
    assert legacy_checkpoint.is_legacy(OLD)
    assert not legacy_checkpoint.is_legacy({"step": 0, "params": {}, "collections": {}})


def test_statistics_are_a_collection_and_the_discriminator_is_the_critic():
    new = legacy_checkpoint.translate(OLD)
    assert set(new) == {"step", "params", "collections", "opt_state", "key"}
    assert new["collections"] == {"batch_stats": OLD["batch_stats"]}
    assert set(new["params"]) == {"encoder", "critic"}
    assert new["params"]["critic"]["kernel"] is OLD["params"]["discriminator"]["kernel"]
    assert "critic" in new["opt_state"][0] and "encoder" in new["opt_state"][1][0]
    assert "discriminator" in OLD["params"]  # nothing was changed in place
    assert legacy_checkpoint.translate(OLD | {"batch_stats": {}})["collections"] == {}


def test_a_log_variance_is_left_out_where_the_model_has_none():
    deterministic, gaussian = {"encoder": {"mean": 0}}, {"encoder": {"mean": 0, "logvar": 0}}
    stored = OLD["params"]
    assert set(legacy_checkpoint.without_unused(stored, deterministic)["encoder"]) == {"mean"}
    assert legacy_checkpoint.without_unused(stored, gaussian) is stored
    assert "logvar" in stored["encoder"]


def test_arrays_are_fitted_to_a_state_by_the_names_of_their_paths():
    like = {
        "params": {"encoder": {"mean": jnp.zeros(2)}, "critic": {"kernel": jnp.zeros(3)}},
        "collections": {"batch_stats": {"encoder": {"var": jnp.zeros(4)}}},
        "key": jax.random.key(0),
    }
    state = legacy_checkpoint.fit(legacy_checkpoint.translate(OLD), like)
    assert jax.tree.structure(state) == jax.tree.structure(like)
    np.testing.assert_array_equal(state["params"]["critic"]["kernel"], [5.0] * 3)
    np.testing.assert_array_equal(state["collections"]["batch_stats"]["encoder"]["var"], [1.0] * 4)
    np.testing.assert_array_equal(jax.random.key_data(state["key"]), [1, 2])
    with pytest.raises(ValueError, match="there is no params/decoder in it"):
        legacy_checkpoint.fit(legacy_checkpoint.translate(OLD), like | {"params": {"decoder": jnp.zeros(1)}})
