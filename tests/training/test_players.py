"""Objectives of several players: each loss moves its own player's parameters, by gradients taken by hand."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax import models
from vae_jax.losses import factor_loss, reconstruction
from vae_jax.training import train_state, train_step

RATE = 0.1
IMAGES = np.random.default_rng(0).uniform(size=(6, 4, 4, 1)).astype(np.float32)
FACTOR = functools.partial(factor_loss, reconstruction=reconstruction.gaussian, gamma=7.0)


@pytest.fixture(scope="module")
def model():
    return models.VAE((4, 4, 1), 2, (3,), critic=models.CodeCritic((5, 4)), activation="silu")


@pytest.fixture(scope="module")
def state(model):
    return train_state.create_state(
        models.init(model, jax.random.key(0)), optax.sgd(RATE), jax.random.key(1), ema=False
    )


def make(model, objective):
    return jax.jit(train_step.make_train_step(model, objective, optax.sgd(RATE), optax.constant_schedule(RATE)))


def gradients(model, state, objective, player):
    """The gradient of one player's loss with respect to all parameters, through flax alone."""
    key = jax.random.fold_in(jax.random.key(1), 0)

    def loss(params):
        run = nn.apply(
            lambda vae: objective(vae, {"image": IMAGES}, key, 0)[0][player],
            model.clone(training=True),
            mutable=["batch_stats", "passes"],
        )
        return run({"params": params, **state.collections})

    return jax.jit(jax.grad(loss, has_aux=True))(state.params)


def test_a_step_of_factor_vae_is_two_separate_gradients(model, state):
    new, metrics = make(model, FACTOR)(state, {"image": IMAGES})
    ours, updated = gradients(model, state, FACTOR, "vae")
    critics, _ = gradients(model, state, FACTOR, "critic")
    assert any(np.abs(leaf).max() > 1e-4 for leaf in jax.tree.leaves(ours["critic"]))  # what no step may use
    assert any(np.abs(leaf).max() > 1e-4 for leaf in jax.tree.leaves(critics["encoder"]))
    expected = {group: (critics if group == "critic" else ours)[group] for group in state.params}
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda p, g, n: close(n, p - RATE * g), state.params, expected, new.params)
    jax.tree.map(close, new.collections["batch_stats"], updated["batch_stats"])
    norm = np.sqrt(sum(float(np.square(leaf).sum()) for leaf in jax.tree.leaves(expected)))
    close(metrics["grad_norm"], norm)


@pytest.mark.parametrize("player", ["vae", "critic"])
def test_no_loss_moves_another_players_parameters(model, state, player):
    """A loss of all parameters, which is one player's alone, leaves the others' as they are."""

    def objective(vae, batch, key, step):
        z = vae.encode(batch["image"]).mean
        total = jnp.square(vae.decode(z)).sum() + jnp.square(vae.discriminate(z)).sum()
        losses = {name: jnp.where(name == player, 1.0, 0.0) * total for name in ("vae", "critic")}
        return losses, {"loss": total}

    new, _ = make(model, objective)(state, {"image": IMAGES})
    moved = {
        group: max(
            float(np.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (new.params[group], old)), strict=True)
        )
        for group, old in state.params.items()
    }
    for group, distance in moved.items():
        assert (distance > 0) == (group in model.players[player]), group


def test_the_players_own_every_parameter_once(model, state):
    assert train_step.players_of(model, state.params) == {"vae": ("encoder", "decoder"), "critic": ("critic",)}

    class OfOne:
        pass

    assert train_step.players_of(OfOne(), {"a": 0, "b": 0}) == {"vae": ("a", "b")}
    OfOne.players = {"vae": ("a",), "critic": ("a", "b")}
    with pytest.raises(ValueError, match="own the parameters"):
        train_step.players_of(OfOne(), {"a": 0, "b": 0})
    OfOne.players = {"vae": ("a",)}
    with pytest.raises(ValueError, match=r"the model has \['a', 'b'\]"):
        train_step.players_of(OfOne(), {"a": 0, "b": 0})


def test_an_objective_of_other_players_is_refused(model, state):
    plain = models.VAE((4, 4, 1), 2, (3,))
    alone = train_state.create_state(
        models.init(plain, jax.random.key(0)), optax.sgd(RATE), jax.random.key(1), ema=False
    )

    def objective(vae, batch, key, step):
        loss = vae.encode(batch["image"]).mean.sum()
        return {"vae": loss, "critic": loss}, {"loss": loss}

    with pytest.raises(
        ValueError, match=r"the objective trains \['critic', 'vae'\], and the model's players are \['vae'\]"
    ):
        make(plain, objective)(alone, {"image": IMAGES})
