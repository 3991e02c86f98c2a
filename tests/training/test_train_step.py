"""The pure step against gradients taken by hand, and what it does with a loss that is not finite."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax import models
from vae_jax.losses import objectives, reconstruction
from vae_jax.training import train_state, train_step

LEARNING_RATE = 0.1


@pytest.fixture(scope="module")
def model():
    return models.VAE((8, 8, 1), latent_dim=2, hidden_dims=(4, 8))


@pytest.fixture(scope="module")
def variables(model):
    return models.init(model, jax.random.key(1))


objective = functools.partial(objectives.elbo_loss, reconstruction=reconstruction.gaussian)


def make(model, variables, *, ema_decay=0.0, loss=objective):
    tx = optax.sgd(LEARNING_RATE)
    state = train_state.create_state(variables, tx, jax.random.key(2), ema=ema_decay > 0)
    schedule = optax.constant_schedule(LEARNING_RATE)
    return state, train_step.make_train_step(model, loss, tx, schedule, ema_decay=ema_decay)


def batch(seed=0, size=6):
    return {"image": jax.random.uniform(jax.random.key(seed), (size, 8, 8, 1))}


def test_a_step_is_the_gradient_of_the_objective_under_the_steps_key(model, variables):
    state, step_fn = make(model, variables, ema_decay=0.9)
    state = state.replace(step=jnp.asarray(5, jnp.int32))
    new, metrics = jax.jit(step_fn)(state, batch())

    def loss_fn(params):  # written out anew, through flax alone
        bound = functools.partial(objective, batch=batch(), key=jax.random.fold_in(jax.random.key(2), 5), step=5)
        run = nn.apply(lambda vae: bound(vae)[0], model.clone(training=True), mutable=["batch_stats", "passes"])
        return run({"params": params, "batch_stats": variables["batch_stats"]})

    (loss, updated), grads = jax.jit(jax.value_and_grad(loss_fn, has_aux=True))(variables["params"])
    expected = jax.tree.map(lambda p, g: p - LEARNING_RATE * g, variables["params"], grads)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, new.params, expected)
    jax.tree.map(close, new.collections["batch_stats"], updated["batch_stats"])
    jax.tree.map(lambda e, p, old: close(e, 0.9 * old + 0.1 * p), new.ema_params, expected, variables["params"])
    close(metrics["loss"], loss)
    close(metrics["grad_norm"], np.sqrt(sum(float((g**2).sum()) for g in jax.tree.leaves(grads))))
    assert int(new.step) == 6
    assert metrics["learning_rate"] == np.float32(LEARNING_RATE)


def test_noise_differs_by_step_and_not_by_call(model, variables):
    state, step_fn = make(model, variables)
    step = jax.jit(step_fn)
    first, again, later = (
        float(step(state.replace(step=jnp.asarray(at, jnp.int32)), batch())[1]["distortion"]) for at in (0, 0, 1)
    )
    assert first == again != later


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_changes_nothing_but_the_step(what, model, variables):
    def poisoned(vae, batch, key, step):
        loss, metrics = objective(vae, batch, key, step)
        if what == "loss":
            return jnp.where(step == 0, jnp.nan, loss), metrics
        return loss + jnp.sqrt(jnp.where(step == 0, 0.0, 1.0) * metrics["kl"]), metrics  # of an infinite slope at 0

    state, step_fn = make(model, variables, ema_decay=0.9, loss=poisoned)
    step = jax.jit(step_fn)
    new, metrics = step(state, batch())
    assert not metrics["finite"]
    assert what == "loss" or np.isfinite(metrics["loss"])
    kept = lambda tree: (tree.params, tree.collections, tree.opt_state, tree.ema_params)  # noqa: E731
    jax.tree.map(np.testing.assert_array_equal, kept(new), kept(state))
    assert int(new.step) == 1
    assert step(new, batch())[1]["finite"]


def test_a_scanned_call_is_its_steps_one_by_one(model, variables):
    state, step_fn = make(model, variables)

    def prepare(images, key):
        return images.astype(jnp.float32) / 255.0 + 0.01 * jax.random.uniform(key, images.shape)

    call = jax.jit(train_step.make_train_call(step_fn, prepare))
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8, 1)).astype(np.uint8)
    scanned, metrics = call(state, {"image": images})
    single, losses = state, []
    for part in images:
        single, one = call(single, {"image": part[None]})
        losses.append(one["loss"][0])
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), scanned.params, single.params)
    assert int(scanned.step) == 3
