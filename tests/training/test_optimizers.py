"""Learning rates and updates by hand."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.configs import base
from vae_jax.training import optimizers

PLAYERS = {"vae": ("weight",)}
PARAMS = {"weight": jnp.array([1.0, -2.0], jnp.float32)}
GRADIENT = {"weight": jnp.array([3.0, 4.0], jnp.float32)}


def config(**fields):
    made = base.get_config()
    made.update_from_flattened_dict({"data.source": "digits", "optimizer.learning_rate": 0.5} | fields)
    return made


def rates(steps, **fields):
    schedule = optimizers.make_schedule(config(**fields), 10.0, 100)
    return [float(schedule(step)) for step in steps]


def test_a_constant_rate_is_one():
    assert rates([0, 7, 1000]) == [0.5, 0.5, 0.5]


def test_an_exponential_decay_steps_down_once_an_epoch():
    fields = {"optimizer.schedule": "exponential", "optimizer.decay_per_epoch": 0.9}
    np.testing.assert_allclose(rates([0, 9, 10, 19, 25], **fields), [0.5, 0.5, 0.45, 0.45, 0.405], rtol=1e-6)


def test_a_cosine_ends_at_zero_at_the_last_step():
    expected = [0.25 * (1 + math.cos(math.pi * step / 100)) for step in (0, 25, 50, 100)]
    np.testing.assert_allclose(rates([0, 25, 50, 100], **{"optimizer.schedule": "cosine"}), expected, atol=1e-7)


def test_stages_are_three_times_as_long_each_and_slow_tenfold_in_seven():
    steps = [0, 9, 10, 39, 40, 129, 130, 10 * 1093, 10 * 3279, 10 * 5000]
    stage = [0, 0, 1, 1, 2, 2, 3, 7, 7, 7]
    np.testing.assert_allclose(
        rates(steps, **{"optimizer.schedule": "stages"}), [0.5 * 10 ** (-i / 7) for i in stage], rtol=1e-5
    )


def test_warm_up_is_a_factor_that_grows_linearly_from_zero():
    fields = {"optimizer.schedule": "exponential", "optimizer.decay_per_epoch": 0.9, "optimizer.warmup_steps": 20}
    np.testing.assert_allclose(rates([0, 5, 10, 20, 30], **fields), [0, 0.125, 0.225, 0.405, 0.3645], rtol=1e-6)


def update(gradient=GRADIENT, **fields):
    made = config(**fields)
    tx = optimizers.make_optimizer(made, optimizers.make_schedule(made, 10.0, 100), PLAYERS)
    return np.asarray(tx.update(gradient, tx.init(PARAMS), PARAMS)[0]["weight"])


def test_updates_are_those_of_the_optimisers():
    np.testing.assert_allclose(update(**{"optimizer.name": "sgd"}), [-1.5, -2.0])
    np.testing.assert_allclose(update(), [-0.5, -0.5], rtol=1e-5)  # Adam's first step is the rate, in sign
    wide = update(**{"optimizer.eps": 1.0})
    np.testing.assert_allclose(wide, [-0.5 * 3 / 4, -0.5 * 4 / 5], rtol=1e-5)
    decayed = update(**{"optimizer.name": "adamw", "optimizer.weight_decay": 0.1, "optimizer.eps": 1.0})
    np.testing.assert_allclose(decayed, wide - 0.5 * 0.1 * np.array([1.0, -2.0]), rtol=1e-5)
    # One after the other a schedule's, not its first value's.
    later = config(**{"optimizer.name": "sgd", "optimizer.schedule": "cosine"})
    tx = optimizers.make_optimizer(later, optimizers.make_schedule(later, 10.0, 1), PLAYERS)
    _, state = tx.update(GRADIENT, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(tx.update(GRADIENT, state, PARAMS)[0]["weight"], [0.0, 0.0], atol=1e-7)


def test_gradients_are_clipped_by_their_global_norm_before_the_update():
    np.testing.assert_allclose(update(**{"optimizer.name": "sgd", "optimizer.clip_norm": 1.0}), [-0.3, -0.4], rtol=1e-6)
    np.testing.assert_allclose(update(**{"optimizer.name": "sgd", "optimizer.clip_norm": 9.0}), [-1.5, -2.0])
    # Adam sees the clipped gradient, and its step is not clipped.
    small = update(**{"optimizer.clip_norm": 1e-3, "optimizer.eps": 1e-3})
    np.testing.assert_allclose(small, [-0.5 * 0.6 / 1.6, -0.5 * 0.8 / 1.8], rtol=1e-4)


def test_a_critic_has_its_own_adam():
    made = config(**{"optimizer.critic.learning_rate": 0.1, "optimizer.name": "sgd"})
    players = {"vae": ("encoder",), "critic": ("critic",)}
    tx = optimizers.make_optimizer(made, optimizers.make_schedule(made, 10.0, 100), players)
    params = {"encoder": PARAMS, "critic": PARAMS}
    state = tx.init(params)
    for sign in (1.0, -1.0):
        adversary = {"weight": sign * GRADIENT["weight"]}
        updates, state = tx.update({"encoder": GRADIENT, "critic": adversary}, state)
    # Two steps of Adam with b1 = 0.5 and b2 = 0.9 on gradients g and -g, as written in its paper.
    mean = (0.5 * 0.5 - 0.5) / (1 - 0.5**2)
    np.testing.assert_allclose(updates["critic"]["weight"], [-0.1 * mean] * 2, rtol=1e-4)
    np.testing.assert_allclose(updates["encoder"]["weight"], [-1.5, -2.0])


@pytest.mark.parametrize("step", [1, 100, 200])
@pytest.mark.parametrize("schedule", ["constant", "exponential", "stages"])
def test_a_schedule_that_does_not_follow_the_length_does_not_jump(schedule, step):
    stored, asked = (config(num_steps=steps, **{"optimizer.schedule": schedule}) for steps in (200, 400))
    assert optimizers.describe_jump(stored, asked, step, 640) is None


def test_a_cosine_that_is_extended_jumps():
    stored, asked = (config(num_steps=steps, **{"optimizer.schedule": "cosine"}) for steps in (200, 400))
    rates = [0.25 * (1 + math.cos(math.pi * 199 / length)) for length in (200, 400)]
    line = optimizers.describe_jump(stored, asked, 200, 640)
    assert f"from {rates[0]:.2g} to {rates[1]:.2g} at step 200" in line and "200 steps and is now over 400" in line
    assert "\n" not in line and "--init_from" in line
    assert optimizers.describe_jump(stored, stored, 200, 640) is None
    assert optimizers.describe_jump(stored, asked, 0, 640) is None  # nothing is trained yet


def test_a_cosine_over_epochs_follows_the_number_of_images():
    stored, asked = (config(num_epochs=epochs, **{"optimizer.schedule": "cosine"}) for epochs in (20, 40))
    assert "over 200 steps and is now over 400" in optimizers.describe_jump(stored, asked, 200, 640)
