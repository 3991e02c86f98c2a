"""FID's Inception-v3 with made weights, against PyTorch's modules and what they made of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import errors
from vae_jax.evaluation import inception

# Recorded from benchmarks/inception.py, torch 2.13: features 0, 1, 1000 and 2047 of both fixed pictures, and the mean.
RECORDED, MEAN = [[0.83777, 0.00095, 0.63868, 1.26177], [0.85375, 0.0, 0.62087, 1.57127]], 1.754035


@pytest.fixture(scope="module")
def weights():
    """Weights that keep activations of the order of 1 through all layers."""
    rng, made = np.random.default_rng(0), {}
    for name, shape in inception.parameters().items():
        noise = rng.standard_normal(shape, np.float32)
        if name.endswith("conv.weight"):
            made[name] = noise * np.float32(np.sqrt(2.0 / np.prod(shape[1:])))
        elif name.endswith(("bn.weight", "running_var")):
            made[name] = np.exp(0.2 * noise)
        else:
            made[name] = np.float32(0.1) * noise
    return made


@pytest.fixture(scope="module")
def activation(weights):
    params = {name: jnp.asarray(value) for name, value in weights.items()}
    return np.asarray(inception.activations(params, inception.fixed_images()))


@pytest.fixture(scope="module")
def file(weights, activation, tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "weights.npz"
    np.savez(path, **weights, activation=activation)
    return path


def test_activations_are_those_recorded_from_pytorch(activation):
    np.testing.assert_allclose(activation[:, [0, 1, 1000, 2047]], RECORDED, rtol=1e-3, atol=1e-4)
    assert activation.mean() == pytest.approx(MEAN, rel=1e-4)


def test_activations_are_pytorchs_and_its_file_is_converted(weights, activation, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from benchmarks import inception as twin

    state = {name: torch.from_numpy(value) for name, value in weights.items()}
    torch.save(state | {"fc.weight": torch.zeros(1008, 2048)}, tmp_path / "a.pth")
    monkeypatch.setattr("sys.argv", ["inception", str(tmp_path / "a.pth"), str(tmp_path / "new" / "b.npz")])
    twin.main()
    with np.load(tmp_path / "new" / "b.npz") as converted:
        assert set(converted.files) == {*inception.parameters(), "activation"}
        np.testing.assert_array_equal(
            converted["Mixed_6b.branch7x7_2.conv.weight"], weights["Mixed_6b.branch7x7_2.conv.weight"]
        )
        np.testing.assert_allclose(activation, converted["activation"], atol=1e-4 * activation.max())


def test_features_say_which_weights_and_a_grey_picture_is_one_of_three_equal_channels(file):
    features = inception.inception_features(file)
    assert features.described["dimension"] == 2048 and features.described["weights"] == "weights.npz"
    assert "299x299" in features.described["preprocessing"] and len(features.described["sha256"]) == 16
    grey = inception.fixed_images()[..., :1]
    found = features.extract(grey)
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found, features.extract(grey.repeat(3, axis=-1)), rtol=1e-5)


def test_weights_that_are_not_those_of_the_activation_are_refused(file, weights, activation, tmp_path):
    other = weights | {"Mixed_5b.branch1x1.bn.bias": weights["Mixed_5b.branch1x1.bn.bias"] + 1.0}
    np.savez(tmp_path / "other.npz", **other, activation=activation)
    with pytest.raises(errors.UserError, match="off the activation stored with them"):
        inception.inception_features(tmp_path / "other.npz")


def test_a_file_that_is_absent_damaged_or_another_networks_is_named(tmp_path):
    with pytest.raises(errors.UserError, match="no Inception weights at .*benchmarks/inception.py"):
        inception.inception_features(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4")
    with pytest.raises(errors.UserError, match="not a readable .npz"):
        inception.inception_features(tmp_path / "bad.npz")
    np.savez(tmp_path / "small.npz", **{"Conv2d_1a_3x3.conv.weight": np.zeros((32, 1, 3, 3))})
    with pytest.raises(errors.UserError, match="should have shape .32, 3, 3, 3. and is of shape .32, 1, 3, 3."):
        inception.inception_features(tmp_path / "small.npz")
