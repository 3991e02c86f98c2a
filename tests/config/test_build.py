"""What is built from a configuration: lengths by hand, and the mistakes that are refused."""

import sys

import pytest

from vae_jax import errors
from vae_jax.config import build, rules
from vae_jax.configs import base
from vae_jax.data import batches


def config(**fields):
    made = base.get_config()
    made.update_from_flattened_dict({"data.source": "digits", "optimizer.learning_rate": 0.5} | fields)
    return made


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
    rules.validate(made)
    with pytest.raises(errors.UserError, match=message):
        build.make_objective(made, 100)


def test_a_model_takes_images_as_the_data_say():
    made = config(**{"data.flip": True, "data.range": (-1.0, 1.0), "model.image_shape": (8, 8, 1)})
    prepare = batches.make_prepare(build.make_model(made), flip=made.data.flip)
    assert prepare.keywords == {"flip": True, "range": (-1.0, 1.0), "binarize": "none", "dequantize": False}
    made = config(**{"data.binarize": "threshold", "model.image_shape": (8, 8, 1)})
    prepare = batches.make_prepare(build.make_model(made), flip=False)
    assert prepare.keywords == {"flip": False, "range": (0.0, 1.0), "binarize": "threshold", "dequantize": False}
