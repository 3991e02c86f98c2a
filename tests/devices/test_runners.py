"""One device, eight under jit and eight under pmap compute the same step."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import vae_jax
from vae_jax import devices, errors, models
from vae_jax.config import build
from vae_jax.configs import base, digits, presets
from vae_jax.data import batches
from vae_jax.losses import objectives, rate, reconstruction
from vae_jax.training import train_state, train_step


def spread(key, z, posterior):
    """A penalty on the whole batch: not the mean of its shards'."""
    return jnp.square(jnp.cov(z, rowvar=False)).sum()


objective = functools.partial(
    objectives.elbo_loss,
    reconstruction=reconstruction.gaussian,
    rate=functools.partial(rate.beta, beta=2.0),
    penalties={"spread": (3.0, spread)},
)


def train(parallel_name, num_devices, num_steps=2):
    """SGD, so that parameters can be compared: Adam turns the rounding of a zero gradient into whole steps."""
    model = models.VAE((8, 8, 1), latent_dim=2, hidden_dims=(4,))
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:num_devices]), (devices.AXIS,))
    tx, schedule = optax.sgd(1e-3), optax.constant_schedule(1e-3)
    state = train_state.create_state(models.init(model, jax.random.key(0)), tx, jax.random.key(1), ema=False)
    if parallel_name == "pmap":
        model, loss, axis = model.clone(axis_name=devices.AXIS), devices.sliced(objective), devices.AXIS
    else:
        loss, axis = objective, None
    step_fn = train_step.make_train_step(model, loss, tx, schedule, axis_name=axis)
    call = train_step.make_train_call(step_fn, lambda images, key: images.astype(jnp.float32) / 255.0)
    runner = {"jit": devices.jit_runner, "pmap": devices.pmap_runner}[parallel_name](call, mesh)
    state, logged = runner.place(state), []
    for step in range(num_steps):
        images = np.random.default_rng(step).integers(0, 256, (1, 16, 8, 8, 1)).astype(np.uint8)
        state, metrics = runner.call(state, {"image": jax.device_put(images, runner.raw_sharding)})
        logged.append(jax.device_get(metrics))
    return jax.device_get(runner.plain(state).replace(key=None)), logged


@pytest.fixture(scope="module")
def alone():
    return train("jit", 1)


@pytest.mark.parametrize("name", ["jit", "pmap"])
def test_eight_devices_equal_one(alone, name):
    state, logged = train(name, 8)
    for metrics, expected in zip(logged, alone[1], strict=True):
        assert metrics.keys() == expected.keys()
        for term in metrics:
            np.testing.assert_allclose(metrics[term], expected[term], rtol=1e-5, err_msg=term)
    for field in ("params", "collections"):
        tree, other = getattr(state, field), getattr(alone[0], field)
        largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(other))
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-5 * largest), tree, other)


def gradients_of_preset(preset, parallel_name, num_devices):
    """Loss, metrics, new statistics and the gradient of one step, the latter as SGD's step of 1.

    Of a smooth activation: rounding puts an input of leaky_relu near zero on the other side of its kink.
    """
    config = digits.get_config(preset)
    config.model.update({"image_shape": (8, 8, 1), "latent_dim": 2, "hidden_dims": (4,), "activation": "silu"})
    config.model.critic.hidden_dims = (8,)
    model, loss, axis = build.make_model(config), build.make_objective(config, 1000), None
    tx, schedule = optax.sgd(1.0), optax.constant_schedule(1.0)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:num_devices]), (devices.AXIS,))
    before = train_state.create_state(models.init(model, jax.random.key(0)), tx, jax.random.key(1), ema=False)
    if parallel_name == "pmap":
        model, loss, axis = model.clone(axis_name=devices.AXIS), devices.sliced(loss), devices.AXIS
    prepare = functools.partial(batches.prepare, range=tuple(config.data.range), dequantize=config.data.dequantize)
    call = train_step.make_train_call(train_step.make_train_step(model, loss, tx, schedule, axis_name=axis), prepare)
    runner = {"jit": devices.jit_runner, "pmap": devices.pmap_runner}[parallel_name](call, mesh)
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 8, 8, 1)).astype(np.uint8)
    state, metrics = runner.call(runner.place(before), {"image": devices.put(images, runner.raw_sharding)})
    after = jax.device_get(runner.plain(state).replace(key=None))
    gradient = jax.tree.map(lambda new, old: new - np.asarray(old), after.params, before.params)
    return jax.device_get(metrics), after.collections, gradient


def test_a_whole_run_under_pmap_evaluates_draws_and_saves_what_jit_does(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1)).astype(np.uint8)
    changes = {"num_steps": 2, "data.batch_size": 8, "model.latent_dim": 2, "model.hidden_dims": (4,)}
    evals = []
    for name in ("jit", "pmap"):
        config = base.get_config()
        config.update_from_flattened_dict(changes | {"parallel": name})
        vae_jax.train(config, tmp_path / name, images=images)
        lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        evals.append([line for line in lines if line["split"] == "eval"][-1])
        assert list((tmp_path / name / "images").glob("samples_*.png"))
        vae_jax.restore(tmp_path / name)
    assert evals[1]["loss"] == pytest.approx(evals[0]["loss"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("preset", sorted(presets.PRESETS))
def test_every_preset_on_eight_devices_equals_one(preset):
    alone = gradients_of_preset(preset, "jit", 1)
    for name in ("jit", "pmap"):
        for tree, expected in zip(gradients_of_preset(preset, name, 8), alone, strict=True):
            largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
            jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-5 * largest), tree, expected)


def test_a_batch_that_does_not_divide_names_the_sizes_that_do():
    mesh = devices.make_mesh()
    assert mesh.size == 8
    devices.check_devices("jit", 16, mesh)
    with pytest.raises(errors.UserError, match="use 8 or 16"):
        devices.check_devices("jit", 12, mesh)
    with pytest.raises(errors.UserError, match="use 8$"):
        devices.check_devices("pmap", 3, mesh)


def test_pmap_is_refused_for_several_processes(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(errors.UserError, match="use jit for several processes"):
        devices.check_devices("pmap", 16, devices.make_mesh())
