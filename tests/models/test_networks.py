"""Networks of one's own: plain linen modules in the towers' places, in training and in evaluation."""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax import errors, losses, models
from vae_jax.losses import reconstruction
from vae_jax.models import networks
from vae_jax.training import train_state, train_step

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).uniform(size=(6, *SHAPE)).astype(np.float32)
ELBO = functools.partial(losses.elbo_loss, reconstruction=reconstruction.gaussian)


class Plain(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.tanh(nn.Dense(7)(x.reshape(len(x), -1)))


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.BatchNorm(use_running_average=not train, momentum=0.5)(nn.Dense(7)(x.reshape(len(x), -1)))


class Dropping(nn.Module):
    @nn.compact
    def __call__(self, x, *, deterministic):
        return nn.Dropout(0.5, deterministic=deterministic)(nn.Dense(200)(x.reshape(len(x), -1)))


class Decoder(nn.Module):
    channels: int = 1

    @nn.compact
    def __call__(self, z):
        return nn.Dense(16 * self.channels)(z).reshape(len(z), 4, 4, self.channels)


def fresh(**networks_of_ones_own):
    model = models.VAE(SHAPE, 3, (4,), **networks_of_ones_own)
    return model, models.init(model, jax.random.key(0))


def step(model, variables):
    tx = optax.sgd(0.1)
    state = train_state.create_state(variables, tx, jax.random.key(1), ema=False)
    return state, jax.jit(train_step.make_train_step(model, ELBO, tx, optax.constant_schedule(0.1)))


def encode(model, variables, **keywords):
    return models.apply(lambda vae: vae.encode(IMAGES), model, variables, **keywords)


@pytest.mark.parametrize("name", networks.MODE_ARGUMENTS)
@pytest.mark.parametrize("training", [False, True])
def test_a_network_is_told_its_mode_by_the_name_that_it_uses(name, training):
    scope = {}
    exec(f"class Mine:\n    def __call__(self, x, {name}):\n        return x, {name}\n", scope)
    told = networks.call(scope["Mine"](), 5, training=training)
    assert told == (5, training != (name == "deterministic"))


def test_a_network_without_state_trains_and_evaluates_alike():
    model, variables = fresh(encoder=Plain(), decoder=Decoder())
    assert set(variables) == {"params"} and set(variables["params"]) == {"encoder", "head", "decoder"}
    assert model.players == {"vae": ("encoder", "head", "decoder")}
    hidden = variables["params"]["encoder"]["Dense_0"]
    features = np.tanh(IMAGES.reshape(6, 16) @ np.asarray(hidden["kernel"]) + np.asarray(hidden["bias"]))
    head = variables["params"]["head"]["mean"]
    posterior, collections = encode(model, variables)
    np.testing.assert_allclose(
        posterior.mean, features @ np.asarray(head["kernel"]) + np.asarray(head["bias"]), rtol=1e-4, atol=1e-5
    )
    assert collections == {}
    np.testing.assert_array_equal(encode(model, variables, training=True)[0].mean, posterior.mean)
    state, step_fn = step(model, variables)
    new, metrics = step_fn(state, {"image": IMAGES})
    assert new.collections == {} and metrics["finite"]
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), new.params, state.params)
    assert all(jax.tree.leaves(moved))


def test_a_networks_batch_norm_has_running_statistics():
    model, variables = fresh(encoder=Normalised(), decoder=Decoder())
    assert set(variables) == {"params", "batch_stats"}
    linear = variables["params"]["encoder"]["Dense_0"]
    hidden = IMAGES.reshape(6, 16) @ np.asarray(linear["kernel"]) + np.asarray(linear["bias"])
    state, step_fn = step(model, variables)
    new, _ = step_fn(state, {"image": IMAGES})
    statistics = new.collections["batch_stats"]["encoder"]["BatchNorm_0"]
    np.testing.assert_allclose(statistics["mean"], 0.5 * hidden.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics["var"], 0.5 + 0.5 * hidden.var(0), rtol=1e-4)
    shifted = jax.tree.map(lambda leaf: leaf + 3.0, variables["batch_stats"])
    moved = variables | {"batch_stats": shifted}
    assert (encode(model, moved)[0].mean != encode(model, variables)[0].mean).all()
    in_training = [encode(model, v, training=True)[0].mean for v in (moved, variables)]
    np.testing.assert_array_equal(*in_training)


def test_a_networks_dropout_has_a_key_of_each_step_and_none_in_evaluation():
    model, variables = fresh(encoder=Dropping(), decoder=Decoder())
    evaluated = [encode(model, variables)[0].mean for _ in range(2)]
    np.testing.assert_array_equal(*evaluated)

    def objective(vae, batch, key, step):
        mean = vae.encode(batch["image"]).mean
        return mean.sum(), {"mean": mean}

    def run(seed, training):
        result = models.apply_objective(
            objective, model, variables, {"image": IMAGES}, jax.random.key(seed), 0, training=training
        )
        return np.asarray(result[0][1]["mean"])

    np.testing.assert_array_equal(run(0, training=False), evaluated[0])
    np.testing.assert_array_equal(run(0, training=True), run(0, training=True))
    assert (run(0, training=True) != run(1, training=True)).any() and (run(0, training=True) != evaluated[0]).any()
    state, step_fn = step(model, variables)
    assert step_fn(state, {"image": IMAGES})[1]["finite"]


def test_a_decoder_of_another_shape_is_refused_in_one_line():
    expected = (
        "the decoder Decoder returned an array of shape (2, 4, 4, 3) where the gaussian likelihood needs (2, 4, 4, 1)"
    )
    with pytest.raises(errors.UserError, match=re.escape(expected)) as caught:
        fresh(decoder=Decoder(3))
    assert "\n" not in str(caught.value)


def test_a_head_of_ones_own_makes_the_distribution():
    class Head(nn.Module):
        @nn.compact
        def __call__(self, features):
            from vae_jax.distributions import Gaussian

            mean = nn.Dense(3)(features)
            return Gaussian(mean, jnp.zeros_like(mean))

    model, variables = fresh(encoder=Plain(), latents=Head())
    assert set(variables["params"]) == {"encoder", "latents", "decoder"}
    posterior, _ = encode(model, variables)
    assert not posterior.logvar.any() and posterior.mean.shape == (6, 3)
    state, step_fn = step(model, variables)
    assert step_fn(state, {"image": IMAGES})[1]["finite"]


def test_what_is_no_module_is_refused():
    with pytest.raises(errors.UserError, match="encoder must be a flax.linen module, not <function"):
        models.VAE(SHAPE, 3, (4,), encoder=lambda x: x)
