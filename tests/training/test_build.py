"""What is built from a configuration: rates, updates and lengths by hand, and the mistakes that are refused."""

import math
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from vae_jax import configuration, errors
from vae_jax.training import build

PARAMS = {"weight": jnp.array([1.0, -2.0], jnp.float32)}
GRADIENT = {"weight": jnp.array([3.0, 4.0], jnp.float32)}


def config(**fields):
    made = base.get_config()
    made.update_from_flattened_dict({"data.source": "digits", "optimizer.learning_rate": 0.5} | fields)
    return made


def rates(steps, **fields):
    schedule = build.make_schedule(config(**fields), 10.0, 100)
    return [float(schedule(step)) for step in steps]


def test_a_constant_rate_is_one():
    assert rates([0, 7, 1000]) == [0.5, 0.5, 0.5]


def test_an_exponential_decay_steps_down_once_an_epoch():
    fields = {"optimizer.schedule": "exponential", "optimizer.decay_per_epoch": 0.9}
    np.testing.assert_allclose(rates([0, 9, 10, 19, 25], **fields), [0.5, 0.5, 0.45, 0.45, 0.405], rtol=1e-6)


def test_a_cosine_ends_at_zero_at_the_last_step():
    expected = [0.25 * (1 + math.cos(math.pi * step / 100)) for step in (0, 25, 50, 100)]
    np.testing.assert_allclose(rates([0, 25, 50, 100], **{"optimizer.schedule": "cosine"}), expected, atol=1e-7)


def test_warm_up_is_a_factor_that_grows_linearly_from_zero():
    fields = {"optimizer.schedule": "exponential", "optimizer.decay_per_epoch": 0.9, "optimizer.warmup_steps": 20}
    np.testing.assert_allclose(rates([0, 5, 10, 20, 30], **fields), [0, 0.125, 0.225, 0.405, 0.3645], rtol=1e-6)


def update(gradient=GRADIENT, **fields):
    made = config(**fields)
    tx = build.make_optimizer(made, build.make_schedule(made, 10.0, 100))
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
    tx = build.make_optimizer(later, build.make_schedule(later, 10.0, 1))
    _, state = tx.update(GRADIENT, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(tx.update(GRADIENT, state, PARAMS)[0]["weight"], [0.0, 0.0], atol=1e-7)


def test_gradients_are_clipped_by_their_global_norm_before_the_update():
    np.testing.assert_allclose(update(**{"optimizer.name": "sgd", "optimizer.clip_norm": 1.0}), [-0.3, -0.4], rtol=1e-6)
    np.testing.assert_allclose(update(**{"optimizer.name": "sgd", "optimizer.clip_norm": 9.0}), [-1.5, -2.0])
    # Adam sees the clipped gradient, and its step is not clipped.
    small = update(**{"optimizer.clip_norm": 1e-3, "optimizer.eps": 1e-3})
    np.testing.assert_allclose(small, [-0.5 * 0.6 / 1.6, -0.5 * 0.8 / 1.8], rtol=1e-4)


def test_a_discriminator_has_its_own_adam():
    made = config(**{"objective.name": "factor", "objective.discriminator.learning_rate": 0.1, "optimizer.name": "sgd"})
    tx = build.make_optimizer(made, build.make_schedule(made, 10.0, 100))
    params = {"encoder": PARAMS, "discriminator": PARAMS}
    state = tx.init(params)
    for sign in (1.0, -1.0):
        adversary = {"weight": sign * GRADIENT["weight"]}
        updates, state = tx.update({"encoder": GRADIENT, "discriminator": adversary}, state)
    # Two steps of Adam with b1 = 0.5 and b2 = 0.9 on gradients g and -g, as written in its paper.
    mean = (0.5 * 0.5 - 0.5) / (1 - 0.5**2)
    np.testing.assert_allclose(updates["discriminator"]["weight"], [-0.1 * mean] * 2, rtol=1e-4)
    np.testing.assert_allclose(updates["encoder"]["weight"], [-1.5, -2.0])


def test_a_run_is_as_many_steps_as_see_its_epochs():
    fields = {"num_epochs": 3, "data.batch_size": 8}
    assert build.count_steps(config(**fields), 50) == 19  # 150 / 8, and what is left over counts as a step
    assert build.count_steps(config(**fields), 48) == 18
    assert build.count_steps(config(num_steps=5, **fields), 50) == 5
    assert build.count_steps(config(num_steps=0, **fields), 50) == 0


def test_evaluation_reports_the_runs_objective_save_for_the_adversarys():
    plain = config(**{"objective.name": "iwae", "objective.num_samples": 3})
    assert build.make_eval_objective(plain, 100).func is build.make_objective(plain, 100).func
    adversarial = config(**{"objective.name": "factor", "objective.options": {"gamma": 3.0}})
    assert build.make_objective(adversarial, 100).keywords["gamma"] == 3.0
    assert build.make_eval_objective(adversarial, 100).func.__name__ == "elbo_loss"
    assert adversarial.objective.name == "factor"


def test_num_data_and_range_are_filled_in_and_what_the_config_says_stands():
    made = config(**{"data.range": (-1.0, 1.0)})
    made.objective.reconstruction = {"name": "ssim"}
    made.objective.penalties = {"tc": {"name": "total_correlation", "weight": 2.0}}
    keywords = build.make_objective(made, 77).keywords
    assert keywords["reconstruction"].keywords == {"data_range": (-1.0, 1.0)}
    weight, penalty = keywords["penalties"]["tc"]
    assert weight == 2.0 and penalty.keywords == {"num_data": 77}
    made.objective.penalties.tc.num_data = 5
    assert build.make_objective(made, 77).keywords["penalties"]["tc"][1].keywords == {"num_data": 5}


def penalised(**penalty):
    made = config()
    made.objective.penalties = {"mine": penalty}
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (penalised(name="dip_i"), "penalties.mine has no weight"),
        (penalised(weight=1.0), "penalties.mine names no function"),
        (penalised(name="dip_i", weight="much"), "mine.weight must be a number or a schedule, not 'much'"),
        (penalised(name="dip_i", weight=True), "mine.weight must be a number or a schedule, not True"),
        (penalised(name="dip_i", weight=1.0, diagnal=2.0), "dip_i takes no diagnal; it takes diagonal"),
        (penalised(name="dip_iii", weight=1.0), "did you mean dip_ii"),
        (penalised(name="dip_i", weight={"schedule": "linear", "init_value": 0.0}), "is not a schedule of optax"),
        (penalised(name="mine_that_fails:penalty", weight=1.0), "cannot be imported: ZeroDivisionError: division by"),
        (penalised(name="mine_that_fails_not:penalty", weight=1.0), "cannot be imported: ModuleNotFoundError"),
        (config(**{"objective.options": {"gamma": 1.0}}), "elbo takes no gamma"),
        (config(**{"objective.rate": {"name": "cyclical"}}), "cyclical needs period"),
    ],
)
def test_what_cannot_be_bound_is_refused_by_its_field(made, message, tmp_path, monkeypatch):
    (tmp_path / "mine_that_fails.py").write_text("penalty = 1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    configuration.validate(made)
    with pytest.raises(errors.UserError, match=message):
        build.make_objective(made, 100)


def test_training_flips_and_evaluation_does_not():
    made = config(**{"data.flip": True, "data.range": (-1.0, 1.0)})
    assert build.make_prepare(made, flip=False).keywords["flip"] is False
    assert build.make_prepare(made, flip=made.data.flip).keywords["flip"] is True
    assert build.make_prepare(made, flip=False).keywords["range"] == (-1.0, 1.0)
