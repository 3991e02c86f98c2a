"""Weights out to PyTorch: the inverse of weights in, and the same function in PyTorch itself."""

import jax
import numpy as np
import pytest

from vae_jax import errors, interop, models

MODEL = models.VAE((16, 8, 3), 5, (4, 6), data_range=(-1.0, 1.0))


@pytest.fixture(scope="module")
def variables():
    fresh = models.init(MODEL, jax.random.key(0))
    leaves, tree = jax.tree.flatten(fresh)
    noise = np.random.default_rng(0)
    moved = [np.abs(np.asarray(leaf) + noise.normal(scale=0.1, size=leaf.shape)).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(tree, moved)


def test_weights_out_and_in_again_are_the_same(variables):
    state = interop.to_pytorch(MODEL, variables)
    model, again = interop.from_pytorch(state, (-1.0, 1.0), image_shape=MODEL.image_shape)
    assert model == MODEL
    assert jax.tree.structure(again) == jax.tree.structure(variables)
    jax.tree.map(np.testing.assert_array_equal, again, variables)


def test_pytorch_computes_the_same_function():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install vae_jax[parity]")
    from benchmarks.pytorch_vae import Twin

    model = models.VAE((32, 32, 3), 4, (8, 16, 16), data_range=(-1.0, 1.0))
    weights = models.init(model, jax.random.key(1))
    twin = Twin((32, 32, 3), 4, (8, 16, 16)).eval()
    twin.load_state_dict({name: torch.as_tensor(array) for name, array in interop.to_pytorch(model, weights).items()})
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    posterior = model.apply(weights, x, method="encode")
    with torch.no_grad():
        mean, logvar = twin.encode(torch.as_tensor(x.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(posterior.mean, mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(posterior.logvar, logvar.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"norm": "group"}, "norm"), ({"tower": "mlp"}, "tower"), ({"data_range": (0.0, 1.0)}, "output")],
)
def test_a_model_that_theirs_cannot_be_is_refused_by_name(changed, named):
    with pytest.raises(errors.UserError, match=named):
        interop.to_pytorch(MODEL.clone(**changed), {})
