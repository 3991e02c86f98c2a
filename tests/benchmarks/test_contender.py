"""What the benchmarks time is the CelebA recipe's own step."""

import pathlib
import subprocess
import sys

import pytest

from benchmarks import contender
from vae_jax.config import build
from vae_jax.configs import celeba
from vae_jax.data import batches
from vae_jax.training import optimizers

HOME = pathlib.Path(contender.__file__).resolve().parents[1]


def test_the_recipe_is_that_of_its_config():
    config = celeba.get_config()
    config.model.image_shape = contender.IMAGE_SHAPE
    model, objective, schedule, prepare = contender.make_parts("float32")
    assert model == build.make_model(config)
    theirs = build.make_objective(config, 160_000)
    assert objective.func is theirs.func
    assert objective.keywords["rate"].keywords["beta"] == pytest.approx(theirs.keywords["rate"].keywords["beta"])
    assert objective.keywords["reconstruction"].keywords["sigma"] == theirs.keywords["reconstruction"].keywords["sigma"]
    assert (contender.LEARNING_RATE, contender.EPS) == (config.optimizer.learning_rate, config.optimizer.eps)
    expected = optimizers.make_schedule(config, 1000.0, 10_000)
    assert [float(schedule(step)) for step in (0, 999, 1000)] == [float(expected(step)) for step in (0, 999, 1000)]
    assert prepare.keywords.items() <= batches.make_prepare(model, flip=config.data.flip).keywords.items()


def test_every_feed_runs_the_same_number_of_steps(monkeypatch):
    monkeypatch.setattr(contender, "IMAGE_SHAPE", (8, 8, 3))
    monkeypatch.setattr(contender, "HIDDEN_DIMS", (4,))
    defaults = contender.make_parts.__kwdefaults__
    monkeypatch.setattr(contender.make_parts, "__kwdefaults__", defaults | {"image_shape": (8, 8, 3)})
    seen = []
    original = contender.prepare_jax

    def counted(*arguments, **given):
        runner, state = original(*arguments, **given)

        def call(state, raw):
            seen.append(raw["image"].shape)
            return runner.call(state, raw)

        return runner._replace(call=call), state

    monkeypatch.setattr(contender, "prepare_jax", counted)
    for feed in ("batches", "device", "host"):
        contender.make_jax(8, "float32", steps_per_call=2, feed=feed)(4)
    assert seen == [(2, 8, 8, 8, 3)] * 6


def test_a_bare_machine_needs_no_configuration():
    script = """
import sys
for name in ("ml_collections", "tensorboardX", "tensorflow_datasets", "sklearn"):
    sys.modules[name] = None
from benchmarks import contender, device
contender.make_parts("float32")
import vae_jax.training.feed, vae_jax.training.train_step
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=HOME)
