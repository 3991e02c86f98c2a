"""What a run is made of: what it says of its scale, and which of its images are mirrored."""

import numpy as np
import pytest
from ml_collections import config_dict

import vae_jax
from vae_jax.configs import base, celeba, digits
from vae_jax.data import batches
from vae_jax.training import setup


def resolved(config, shape):
    config.model.image_shape = shape
    return config


def test_beta_is_said_on_every_scale_it_is_quoted_on():
    default = resolved(celeba.get_config(), (64, 64, 3))
    assert setup._describe_scale(default) == (
        "beta 5.4356 (nats, sigma 1) = kld_weight 0.0008847 = beta 1.359 for pixels in [0, 1]"
    )
    wide = resolved(base.get_config(), (2, 3, 2))
    wide.objective.reconstruction.sigma = 0.5
    wide.objective.rate.beta = 6.0
    # 6 beside SSE / (2 * 0.25) is 1.5 beside SSE / 2, and 1.5 * 2 / 12 beside the mean.
    assert setup._describe_scale(wide) == ("beta 6 (nats, sigma 0.5) = kld_weight 0.25 = beta 1.5 for pixels in [0, 1]")
    assert setup._describe_scale(resolved(digits.get_config(), (8, 8, 1))) == "beta 0.3 (nats)"
    assert setup._describe_scale(resolved(digits.get_config("capacity"), (8, 8, 1))) == "rate: capacity"


def test_a_scheduled_beta_has_no_one_value_to_say():
    config = resolved(base.get_config(), (8, 8, 1))
    schedule = {"schedule": "linear_schedule", "init_value": 0.0, "end_value": 2.0, "transition_steps": 10}
    config.objective.rate = config_dict.ConfigDict({"name": "beta", "beta": schedule})
    assert setup._describe_scale(config) == "rate: beta"


@pytest.mark.parametrize("flip", [True, False])
def test_training_images_alone_are_mirrored(flip, tmp_path, monkeypatch):
    made, make = [], batches.make_prepare
    monkeypatch.setattr(batches, "make_prepare", lambda model, flip: made.append(flip) or make(model, flip=flip))
    config = base.get_config()
    config.update_from_flattened_dict(
        {"num_steps": 0, "data.source": "digits", "data.batch_size": 8, "data.flip": flip, "model.hidden_dims": (2,)}
    )
    vae_jax.train(config, tmp_path, images=np.zeros((40, 4, 4, 1), np.uint8))
    assert made[0] == flip and len(made) > 1 and not any(made[1:])  # for the training step; for everything else
