import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import errors, models
from vae_jax.distributions import kl_divergence, standard_normal
from vae_jax.interop import pytorch
from vae_jax.losses import reconstruction

FIXTURE = pathlib.Path(__file__).parents[1] / "fixtures" / "parity.npz"
needs_torch = functools.partial(pytest.importorskip, reason="needs PyTorch: pip install vae_jax[parity]")


def section(recorded, prefix):
    return {name.removeprefix(prefix): recorded[name] for name in recorded if name.startswith(prefix)}


@pytest.fixture(scope="module")
def recorded():
    with np.load(FIXTURE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def state_dict(recorded):
    return section(recorded, "state/")


def run(model, variables, x, eps, training):
    """What `pytorch_twin.evaluate` returns, of ours: outputs, gradients of mean(distortion + KL), statistics."""

    def objective(vae, batch, key, step):
        posterior = vae.encode(batch["image"])
        pred = vae.decode(posterior.mean + jnp.exp(0.5 * posterior.logvar) * eps)
        distortion = reconstruction.gaussian(pred, batch["image"], sigma=1.0)
        kl = kl_divergence(posterior, standard_normal(posterior.mean)).sum(-1)
        outputs = {"mean": posterior.mean, "logvar": posterior.logvar, "pred": pred}
        return (distortion + kl).mean(), outputs | {"distortion": distortion, "kl": kl}

    @jax.jit
    def outputs_and_gradients(params, batch_stats):
        def loss(params):
            variables = {"params": params, "batch_stats": batch_stats}
            (loss, outputs), statistics = models.apply_objective(
                objective, model, variables, {"image": x}, jax.random.key(0), 0, training=training
            )
            return loss, (outputs, statistics["batch_stats"])

        (_, (outputs, statistics)), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        return outputs, statistics["batch_stats"], gradients

    return outputs_and_gradients(variables["params"], variables["batch_stats"])


def assert_parity(state_dict, recorded, x, eps, training):
    """Ours equals the recording of PyTorch: outputs and statistics to 1e-5 of the largest, gradients likewise."""
    model, variables = pytorch.from_pytorch(state_dict)
    outputs, statistics, gradients = run(model, variables, x, eps, training)
    for name, value in outputs.items():
        assert_close(value, recorded[name], name)
    # Gradients and statistics are carried over as weights are. A convolution's bias before BatchNorm has a true
    # gradient of zero, so gradients are measured against the largest of all.
    theirs = state_dict | section(recorded, "stats/")
    expected = pytorch.from_pytorch(theirs | section(recorded, "grad/"))[1]
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected["params"]))
    for path, value in jax.tree.leaves_with_path(gradients):
        wanted = functools.reduce(lambda tree, entry: tree[entry.key], path, expected["params"])
        assert np.abs(value - wanted).max() <= 1e-5 * largest, (path, np.abs(value - wanted).max() / largest)
    assert jax.tree.structure(statistics) == jax.tree.structure(expected["batch_stats"])
    jax.tree.map(functools.partial(assert_close, name="statistics"), statistics, expected["batch_stats"])


def assert_close(value, expected, name):
    error = np.abs(np.asarray(value) - expected).max() / np.abs(expected).max()
    assert error <= 1e-5, (name, error)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_small_net_equals_recorded_pytorch(mode, recorded, state_dict):
    outputs = section(recorded, f"{mode}/")
    assert_parity(state_dict, outputs, recorded["x"], recorded["eps"], training=mode == "train")


def test_recording_is_of_a_trained_looking_net(recorded, state_dict):
    """Running statistics are off their initial values and training moves them, or parity would say little."""
    model, variables = pytorch.from_pytorch(state_dict)
    assert models.num_values(variables["params"]) == 15_239
    assert (model.image_shape, model.latent_dim, model.hidden_dims) == ((16, 16, 3), 6, (8, 16, 32))
    old, new = section(state_dict, "encoder.0.1."), section(recorded, "train/stats/encoder.0.1.")
    assert np.abs(old["running_mean"]).max() > 0.01
    assert np.abs(new["running_mean"] - old["running_mean"]).max() > 1e-4


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_full_size_equals_pytorch_itself(mode):
    needs_torch("torch")
    import pytorch_twin

    twin = pytorch_twin.make((64, 64, 3), 128, (32, 64, 128, 256, 512))
    x, eps = pytorch_twin.draw(twin, 2, mode == "train")
    state_dict = pytorch_twin.state(twin)
    assert_parity(state_dict, pytorch_twin.evaluate(twin, x, eps, mode == "train"), x, eps, mode == "train")


def test_a_rectangle_equals_pytorch_itself():
    """A bottleneck of 2x3 tells height from width in every permutation."""
    needs_torch("torch")
    import pytorch_twin
    import torch

    twin = pytorch_twin.make((8, 12, 1), 3, (4, 5)).eval()
    model, variables = pytorch.from_pytorch(twin.float().state_dict(), image_shape=(8, 12, 1))
    x = np.random.default_rng(0).uniform(-1, 1, (2, 8, 12, 1)).astype(np.float32)
    with torch.no_grad():
        mean, _ = twin.encode(torch.from_numpy(x).permute(0, 3, 1, 2))
        pred = twin.decode(mean).permute(0, 2, 3, 1)
    assert_close(model.apply(variables, x, method="encode").mean, mean.numpy(), "mean")
    assert_close(model.apply(variables, x), pred.numpy(), "pred")


def trees_equal(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.all(jax.tree.map(np.array_equal, a, b))


def test_prefixes_and_counters_make_no_difference(state_dict):
    _, expected = pytorch.from_pytorch(state_dict)
    shape = jax.eval_shape(functools.partial(models.init, pytorch.from_pytorch(state_dict)[0]), jax.random.key(0))
    assert jax.tree.map(np.shape, expected) == jax.tree.map(lambda leaf: leaf.shape, shape)
    lightning = {f"model.{name}": value for name, value in state_dict.items()}
    assert trees_equal(pytorch.from_pytorch(lightning)[1], expected)
    assert trees_equal(pytorch.from_pytorch({"epoch": 3, "state_dict": lightning})[1], expected)
    counters = {name: value for name, value in state_dict.items() if "num_batches_tracked" not in name}
    assert len(counters) < len(state_dict)
    assert trees_equal(pytorch.from_pytorch(counters)[1], expected)


def test_tensors_make_no_difference(state_dict):
    torch = needs_torch("torch")
    _, expected = pytorch.from_pytorch(state_dict)
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in state_dict.items()}
    assert trees_equal(pytorch.from_pytorch(tensors)[1], expected)


def test_the_output_is_tanh_in_either_range(state_dict, key):
    z = jax.random.normal(key, (2, 6))
    for data_range in ((-1, 1), (0, 1), [0.0, 1.0]):
        model, variables = pytorch.from_pytorch(state_dict, data_range=data_range)
        assert model.data_range == tuple(data_range)
        raw = model.clone(output_activation="identity").apply(variables, z, method="decode")
        pred = model.apply(variables, z, method="decode")
        np.testing.assert_allclose(pred, np.tanh(raw), atol=1e-6)
        assert pred.min() < 0


def without(state_dict, name):
    return {key: value for key, value in state_dict.items() if key != name}


@pytest.mark.parametrize(
    "name", ["encoder.0.0.weight", "fc_mu.weight", "encoder.2.1.running_var", "decoder.1.0.bias", "final_layer.3.bias"]
)
def test_a_missing_key_is_named(name, state_dict):
    with pytest.raises(errors.UserError, match=f"no key '{name}'"):
        pytorch.from_pytorch(without(state_dict, name))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("encoder.0.0.weight", (8, 3, 4, 4)),
        ("encoder.1.0.weight", (16, 9, 3, 3)),
        ("fc_var.weight", (6, 64)),
        ("fc_mu.weight", (6,)),
        ("decoder_input.weight", (6, 128)),
        ("final_layer.3.weight", (1, 8, 3, 3)),
        ("decoder.0.1.running_mean", (8,)),
    ],
)
def test_a_misshapen_key_is_named(name, shape, state_dict):
    with pytest.raises(errors.UserError, match=f"'{name}' of the state dict has shape"):
        pytorch.from_pytorch(state_dict | {name: np.zeros(shape, np.float32)})


def test_an_unknown_key_is_named(state_dict):
    with pytest.raises(errors.UserError, match="a key 'embed_class.weight'"):
        pytorch.from_pytorch(state_dict | {"embed_class.weight": np.zeros(3)})


def test_an_image_shape_that_does_not_fit_is_refused(state_dict):
    assert pytorch.from_pytorch(state_dict, image_shape=(8, 32, 3))[0].image_shape == (8, 32, 3)
    for image_shape in [(16, 16, 1), (17, 16, 3), (32, 32, 3)]:
        with pytest.raises(errors.UserError, match="multiples of 8 and multiply to 256"):
            pytorch.from_pytorch(state_dict, image_shape=image_shape)
    odd = state_dict | {name: np.zeros((6, 64)) for name in ("fc_mu.weight", "fc_var.weight")}
    with pytest.raises(errors.UserError, match="no square map of 32 channels: give image_shape"):
        pytorch.from_pytorch(odd)


@pytest.mark.parametrize("prefix", ["module.", "model.module.", "_orig_mod.", "module._orig_mod.model."])
def test_prefixes_of_wrappers_are_accepted(state_dict, prefix):
    _, expected = pytorch.from_pytorch(state_dict)
    _, variables = pytorch.from_pytorch({f"{prefix}{key}": value for key, value in state_dict.items()})
    jax.tree.map(np.testing.assert_array_equal, variables, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300], ids=str)
@pytest.mark.parametrize("key", ["fc_mu.weight", "encoder.0.1.running_var", "final_layer.3.bias"])
def test_values_that_are_not_finite_are_refused_by_key(state_dict, key, value):
    array = np.array(state_dict[key], np.float64)
    array.flat[0] = value
    with pytest.raises(
        errors.UserError, match=f"'{key}' of the state dict holds 1 values of {array.size} that are not"
    ):
        pytorch.from_pytorch({**state_dict, key: array})
