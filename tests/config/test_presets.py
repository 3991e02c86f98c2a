"""Every preset with every config: it builds, binds and traces; the kinds, and under `slow` all, learn digits."""

import functools
import importlib
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import config_dict

from vae_jax import models
from vae_jax.config import build, rules
from vae_jax.configs import presets
from vae_jax.data import batches, sources
from vae_jax.training import optimizers, train_state, train_step

CONFIGS = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "binarized_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "celeba": (64, 64, 3),
    "folder": (64, 64, 3),
}
# One of each kind: per example, total correlation, MMD, optimal sigma, an adversary, several samples.
KINDS = ("vanilla", "beta_tc", "wae_mmd", "optimal_sigma", "factor", "iwae")
BATCH_SIZE = 32


def make_config(name, preset):
    config = importlib.import_module(f"vae_jax.configs.{name}").get_config(preset)
    with config.unlocked():
        config.model.image_shape = CONFIGS[name]
        config.model.critic.hidden_dims = (16, 16)
    rules.validate(config)
    return config


def make_step(config):
    model = build.make_model(config)
    objective = build.make_objective(config, 1000)
    schedule = optimizers.make_schedule(config, 10.0, 100)
    shapes = jax.eval_shape(functools.partial(models.init, model), jax.random.key(0))
    tx = optimizers.make_optimizer(config, schedule, train_step.players_of(model, shapes["params"]))

    def create(key):
        return train_state.create_state(models.init(model, key), tx, key, ema=False)

    return model, create, train_step.make_train_step(model, objective, tx, schedule)


# Every preset with digits and CelebA, two with the rest.
PAIRS = [(name, preset) for name in ("digits", "celeba") for preset in presets.PRESETS]
PAIRS += [(name, preset) for name in CONFIGS.keys() - {"digits", "celeba"} for preset in KINDS[:2]]
PAIRS.sort()


@pytest.mark.parametrize(("name", "preset"), PAIRS)
def test_every_preset_traces_with_every_config(name, preset):
    config = make_config(name, preset)
    config.model.hidden_dims = (4, 8)
    model, create, step_fn = make_step(config)
    state = jax.eval_shape(create, jax.random.key(0))
    images = jax.ShapeDtypeStruct((8, *CONFIGS[name]), jnp.float32)
    new, metrics = jax.eval_shape(step_fn, state, {"image": images})
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert {"loss", "distortion", "grad_norm"} <= metrics.keys()
    pictures = jax.eval_shape(
        lambda state: model.picture(
            model.apply(train_state.inference_variables(state), jnp.zeros((2, model.latent_dim)), method="decode")
        ),
        state,
    )
    assert pictures.shape == (2, *CONFIGS[name])


def learn(preset, *, num_steps, precision):
    """Train on digits; return the losses of every step, the noise of the objective included."""
    config = make_config("digits", preset)
    config.model.hidden_dims = (16, 32)
    config.precision = precision
    model, create, step_fn = make_step(config)
    images = sources.load(config.data).train["image"]
    prepare = batches.make_prepare(model, flip=False)
    call = jax.jit(train_step.make_train_call(step_fn, prepare), donate_argnums=0)
    state, losses = jax.jit(create)(jax.random.key(0)), []
    for step in range(num_steps):
        part = images[batches.indices(0, step, BATCH_SIZE, len(images))]
        state, metrics = call(state, {"image": part[None]})
        assert all(np.isfinite(value).all() for value in metrics.values()), step
        losses.append(float(metrics["distortion"][0]))
    return losses


@pytest.mark.parametrize("preset", KINDS)
def test_a_preset_of_each_kind_learns(preset):
    losses = learn(preset, num_steps=24, precision="float32")
    assert np.mean(losses[-6:]) < np.mean(losses[:6])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("preset", sorted(presets.PRESETS))
def test_every_preset_learns(preset, precision):
    losses = learn(preset, num_steps=200, precision=precision)
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) - abs(np.mean(losses[:20])) * 0.02


def test_factor_keeps_its_players_apart():
    """The critic learns under its own optimiser, and its presence moves nothing else of the tree."""
    config = make_config("digits", "factor")
    config.model.hidden_dims = (4,)
    config.optimizer.clip_norm = 1e-9  # the VAE all but stands still; the critic is not clipped with it
    config.optimizer.name = "sgd"
    _, create, step_fn = make_step(config)
    state = jax.jit(create)(jax.random.key(0))
    images = jax.random.uniform(jax.random.key(1), (16, 8, 8, 1))
    new, metrics = jax.jit(step_fn)(state, {"image": images})
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), new.params, state.params)
    assert max(jax.tree.leaves(moved["critic"])) == pytest.approx(1e-4, rel=1e-2)  # Adam's first step
    assert max(jax.tree.leaves({k: v for k, v in moved.items() if k != "critic"})) < 1e-9
    assert float(metrics["critic"]) == pytest.approx(math.log(2), abs=0.1)


def test_a_beta_of_a_schedule_comes_from_the_config():
    config = make_config("digits", "vanilla")
    schedule = {"schedule": "linear_schedule", "init_value": 0.0, "end_value": 2.0, "transition_steps": 10}
    config.objective.rate = config_dict.ConfigDict({"name": "beta", "beta": schedule})
    objective = build.make_objective(config, 100)
    rate = objective.keywords["rate"]
    assert float(rate(jnp.ones((3, 2)), 5)) == pytest.approx(1.0 * 2)
