import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import errors, losses, models
from vae_jax.distributions import LIKELIHOODS, Likelihood, kl_divergence, standard_normal
from vae_jax.models import heads

SEED = models.VAE((64, 64, 3), 128, (32, 64, 128, 256, 512))
SHAPES = [(28, 28, 1), (32, 32, 3), (96, 80, 3), (8, 8, 1), (218, 178, 3)]
ELBO = functools.partial(losses.elbo_loss, reconstruction=LIKELIHOODS["gaussian"].function)


def shapes(model):
    return jax.eval_shape(functools.partial(models.init, model), jax.random.key(0))


def random_variables(model, seed=0):
    """Variables of the model's shapes, drawn by numpy: `init` has a draw for each layer to compile."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.uniform(-0.3, 0.3, leaf.shape).astype(leaf.dtype), shapes(model))


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def autoencode(vae, batch, key, step):
    """An objective without noise, which compiles sooner than one with."""
    posterior = vae.encode(batch["image"])
    error = jnp.square(vae.decode(posterior.mean) - batch["image"])
    loss = error.sum() + kl_divergence(posterior, standard_normal(posterior.mean)).sum()
    return loss, {"loss": loss}


@pytest.fixture(scope="module")
def tiny():
    """(model, variables, batch) at a size that compiles quickly."""
    model = models.VAE((7, 6, 2), 3, (4, 5))
    return model, models.init(model, jax.random.key(0)), {"image": random_images(5, 7, 6, 2)}


def test_parameter_counts_are_the_seeds():
    tree = shapes(SEED)
    assert models.num_values(tree["params"]) == 3_937_635
    assert models.num_values(tree["batch_stats"]) == 3_008


def test_init_is_deterministic_and_starts_statistics_at_the_standard_normal(tiny, key):
    model, variables, _ = tiny
    again = models.init(model, jax.random.key(0))
    assert jax.tree.all(jax.tree.map(np.array_equal, variables, again))
    statistics = variables["batch_stats"]["decoder"]["up_1"]["norm"]
    np.testing.assert_array_equal(statistics["mean"], np.zeros(4))
    np.testing.assert_array_equal(statistics["var"], np.ones(4))


@pytest.mark.parametrize("image_shape", [*SHAPES, (1, 1, 1), (5, 1, 2)])
def test_every_size_comes_back_at_full_depth(image_shape):
    """The default five levels, by shapes alone: on 8x8 two of them work on a 1x1 map."""
    model = models.VAE(image_shape)
    posterior, pred = jax.eval_shape(
        lambda variables, x: (model.apply(variables, x, method="encode"), model.apply(variables, x)),
        shapes(model),
        jnp.zeros((2, *image_shape)),
    )
    assert posterior.mean.shape == posterior.logvar.shape == (2, 128)
    assert pred.shape == (2, *image_shape)


@pytest.mark.parametrize(
    ("image_shape", "hidden_dims"), [*((shape, (3, 4)) for shape in SHAPES), ((8, 8, 1), (2, 2, 2, 2, 2))]
)
def test_every_size_trains(image_shape, hidden_dims, key):
    model = models.VAE(image_shape, 3, hidden_dims)
    variables = random_variables(model)
    batch = {"image": random_images(3, *image_shape)}

    @jax.jit
    def loss_and_gradients(params):
        def loss(params):
            new = variables | {"params": params}
            return models.apply_objective(autoencode, model, new, batch, key, 0, training=True)[0]

        return jax.value_and_grad(loss, has_aux=True)(params)

    (loss, _), gradients = loss_and_gradients(variables["params"])
    assert np.isfinite(loss)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    for part in ("encoder", "decoder"):
        kernels = [g for path, g in jax.tree.leaves_with_path(gradients[part]) if "kernel" in str(path)]
        assert all(np.abs(kernel).max() > 0 for kernel in kernels)


@pytest.mark.parametrize("data_range", [(0, 1), (-1, 1)])
def test_output_stays_in_the_range_of_the_data(data_range, tiny, key):
    _, variables, _ = tiny
    model = models.VAE((7, 6, 2), 3, (4, 5), data_range=data_range)
    z = 3 * jax.random.normal(key, (4, 3))
    raw = model.clone(output_activation="identity").apply(variables, z, method="decode")
    pred = model.apply(variables, z, method="decode")
    raw = np.asarray(raw, np.float64)
    expected = 1 / (1 + np.exp(-raw)) if data_range == (0, 1) else np.tanh(raw)
    np.testing.assert_allclose(pred, expected, atol=1e-6)
    np.testing.assert_array_equal(model.picture(pred), pred)
    tanh = model.clone(output_activation="tanh").apply(variables, z, method="decode")
    np.testing.assert_allclose(tanh, np.tanh(raw), atol=1e-6)


def test_bernoulli_decodes_to_logits_and_pictures_probabilities(tiny, key):
    _, variables, _ = tiny
    model = models.VAE((7, 6, 2), 3, (4, 5), likelihood="bernoulli")
    z = jax.random.normal(key, (4, 3))
    logits = model.apply(variables, z, method="decode")
    np.testing.assert_array_equal(
        logits, model.clone(likelihood="gaussian", output_activation="identity").apply(variables, z, method="decode")
    )
    np.testing.assert_allclose(model.picture(logits), 1 / (1 + np.exp(-np.asarray(logits))), atol=1e-6)


def test_a_likelihood_brings_its_own_channels_and_parameters(monkeypatch, key):
    likelihood = Likelihood(
        function=lambda pred, x: jnp.zeros(x.shape[0]),
        channels=lambda channels: 4 * channels,
        activation=lambda raw, data_range, extra: {"raw": raw, **extra},
        parameters={"log_sigma": -1.5},
    )
    monkeypatch.setitem(LIKELIHOODS, "odd", likelihood)
    model = models.VAE((4, 4, 3), 2, (3,), likelihood="odd")
    variables = models.init(model, key)
    pred = model.apply(variables, jnp.zeros((2, 2)), method="decode")
    assert pred["raw"].shape == (2, 4, 4, 12)
    assert pred["log_sigma"].shape == () and pred["log_sigma"] == -1.5
    with pytest.raises(errors.UserError, match="brings its own"):
        model.clone(output_activation="tanh")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"image_shape": (8, 8)}, "image_shape must be (height, width, channels), not (8, 8)"),
        ({"image_shape": (8, 0, 3)}, "image_shape must hold positive integers, not (8, 0, 3)"),
        ({"image_shape": (8, 8.5, 3)}, "image_shape must hold positive integers"),
        ({"hidden_dims": ()}, "hidden_dims must hold positive integers, not ()"),
        ({"hidden_dims": (8, -1)}, "hidden_dims must hold positive integers, not (8, -1)"),
        ({"latent_dim": 0}, "latent_dim must be a positive integer, not 0"),
        ({"latent_dim": 2.0}, "latent_dim must be a positive integer, not 2.0"),
        ({"image_shape": 64}, "image_shape must hold positive integers, not 64"),
        ({"likelihood": "gauss"}, "unknown likelihood 'gauss': choose one of gaussian, "),
        ({"norm": "layer"}, "unknown norm 'layer': choose one of batch, group, none"),
        ({"activation": "mish"}, "unknown activation 'mish': choose one of leaky_relu, "),
        ({"precision": "float16"}, "unknown precision 'float16': choose one of float32, tf32, bfloat16"),
        ({"output_activation": "relu"}, "unknown output_activation 'relu': choose one of None, identity, "),
        ({"data_range": (0, 255)}, "data_range must be (0, 1) or (-1, 1), not (0.0, 255.0)"),
        ({"likelihood": "bernoulli", "data_range": (-1, 1)}, "needs pixels in (0, 1): set data.range=(0, 1)"),
        ({"likelihood": "bernoulli", "output_activation": "tanh"}, "does not fit the bernoulli likelihood"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(kwargs, message):
    with pytest.raises(errors.UserError, match=re.escape(message)) as caught:
        models.VAE(**{"image_shape": (8, 8, 3), **kwargs})
    assert "\n" not in str(caught.value)


def test_arrays_of_another_shape_are_refused(tiny, without_shape_checks):
    model, variables, _ = tiny
    with pytest.raises(ValueError, match=re.escape("[B, *(7, 6, 2)], not an array of shape (5, 7, 6, 1)")):
        model.apply(variables, jnp.zeros((5, 7, 6, 1)), method="encode")
    with pytest.raises(ValueError, match=re.escape("not an array of shape (7, 6, 2)")):
        model.apply(variables, jnp.zeros((7, 6, 2)), method="encode")
    with pytest.raises(ValueError, match=re.escape("latents [B, 3], not an array of shape (2, 5, 3)")):
        model.apply(variables, jnp.zeros((2, 5, 3)), method="decode")


def test_log_variance_is_clipped(tiny):
    model, variables, batch = tiny
    head = variables["params"]["encoder"]["logvar"]
    wild = head | {"bias": jnp.array([1e4, -1e4, 0.0])}
    encoder = variables["params"]["encoder"] | {"logvar": wild}
    wild = variables | {"params": variables["params"] | {"encoder": encoder}}
    logvar = model.apply(wild, batch["image"], method="encode").logvar
    np.testing.assert_array_equal(logvar[:, 0], np.full(5, 20.0))
    np.testing.assert_array_equal(logvar[:, 1], np.full(5, -30.0))


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_every_precision_comes_out_in_float32(precision, tiny, key):
    model, variables, batch = tiny
    exact = model.apply(variables, batch["image"], method="encode")
    low = model.clone(precision=precision)
    posterior = low.apply(variables, batch["image"], method="encode")
    assert posterior.mean.dtype == posterior.logvar.dtype == jnp.float32
    np.testing.assert_allclose(posterior.mean, exact.mean, atol=0.03)
    pred, updated = low.clone(training=True).apply(variables, batch["image"], mutable=["batch_stats"])
    assert pred.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(updated)} == {jnp.dtype("float32")}
    if precision == "bfloat16":
        assert not np.array_equal(posterior.mean, exact.mean)


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", "HIGHEST"), ("tf32", "DEFAULT"), ("bfloat16", "DEFAULT")]
)
def test_precision_is_that_of_every_product(precision, expected, tiny):
    model, variables, batch = tiny
    program = str(jax.make_jaxpr(model.clone(precision=precision).apply)(variables, batch["image"]))
    asked = re.findall(r"precision=\(?Precision\.(\w+)", program)  # in nested programs too
    assert len(asked) == 3 + 5  # linear layers, convolutions
    assert set(asked) == {expected}
    dtype = "bfloat16" if precision == "bfloat16" else "float32"
    assert set(re.findall(r"preferred_element_type=(\w+)", program)) <= {dtype, "None"}


def encode_twice(vae, batch, key, step, *, second):
    """An objective whose later passes see images ten times as bright, unless `second` is False."""
    posterior = vae.encode(batch["image"])
    pred = vae.decode(posterior.mean)
    if second:
        again = vae.encode(10 * batch["image"])
        pred = pred + vae.decode(again.mean + 1)
    return pred.mean(), {"loss": pred.mean()}


@pytest.mark.parametrize("training", [False, True])
def test_only_the_first_pass_updates_the_statistics(training, tiny, key):
    model, variables, batch = tiny
    results = {}
    for second in (False, True):
        objective = functools.partial(encode_twice, second=second)
        results[second] = models.apply_objective(objective, model, variables, batch, key, 0, training=training)
    once, twice = results[False][1], results[True][1]
    assert jax.tree.structure(twice) == jax.tree.structure(models.collections_of(variables))
    assert jax.tree.all(jax.tree.map(np.array_equal, once, twice))
    unchanged = jax.tree.map(np.array_equal, twice["batch_stats"], variables["batch_stats"])
    assert not any(jax.tree.leaves(unchanged)) if training else jax.tree.all(unchanged)
    (loss, metrics), (other, _) = results[True][0], results[False][0]
    assert loss.shape == () and loss == metrics["loss"] != other


def test_an_objective_that_only_encodes_keeps_the_decoders_statistics(tiny, key):
    model, variables, batch = tiny

    def objective(vae, batch, key, step):
        return vae.encode(batch["image"]).mean.sum(), {}

    _, collections = models.apply_objective(objective, model, variables, batch, key, 0, training=True)
    statistics, old = collections["batch_stats"], variables["batch_stats"]
    assert jax.tree.structure(statistics) == jax.tree.structure(old)
    assert jax.tree.all(jax.tree.map(np.array_equal, statistics["decoder"], old["decoder"]))


def test_training_normalises_by_the_batch(tiny, key):
    model, variables, batch = tiny
    shifted = jax.tree.map(lambda leaf: leaf + 3.0, variables["batch_stats"])
    moved = variables | {"batch_stats": shifted}
    losses_of = {
        training: [
            models.apply_objective(ELBO, model, v, batch, key, 0, training=training)[0][0] for v in (variables, moved)
        ]
        for training in (False, True)
    }
    assert losses_of[True][0] == losses_of[True][1]
    assert losses_of[False][0] != losses_of[False][1]


@pytest.mark.parametrize("norm", ["group", "none"])
def test_other_norms_have_no_statistics(norm, key):
    model = models.VAE((4, 4, 1), 2, (4, 4), norm=norm, activation="silu")
    variables = random_variables(model)
    assert set(variables) == {"params"}
    batch = {"image": random_images(3, 4, 4, 1)}

    @functools.partial(jax.jit, static_argnames="training")
    def run(variables, training):
        return models.apply_objective(autoencode, model, variables, batch, key, 0, training=training)

    (trained, _), statistics = run(variables, training=True)
    (evaluated, _), unchanged = run(variables, training=False)
    assert statistics == unchanged == {}
    assert trained == evaluated
    assert np.isfinite(trained)


def test_parameter_table_counts_every_layer(tiny):
    model, variables, _ = tiny
    table = models.parameter_table(variables)
    assert table == models.parameter_table(shapes(model))
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    (line,) = [line for line in lines if line.startswith("encoder/down_0/conv ")]
    assert "kernel 3x3x2x4" in line and line.endswith(" 76")
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[1:]]
    assert sum(counts[:-2]) == counts[-2] == models.num_values(variables["params"])
    assert counts[-1] == models.num_values(variables["batch_stats"]) == 2 * (4 + 5 + 4 + 4)


def test_logvar_range_is_documented():
    assert heads.LOGVAR_RANGE == (-30.0, 20.0)
