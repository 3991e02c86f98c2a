"""What is timed side by side is the same: the loss of the plain PyTorch module and `elbo_loss`."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import losses
from vae_jax.interop import pytorch
from vae_jax.losses import rate, reconstruction
from vae_jax.random import fold_in_name


def test_the_loss_is_ours(key):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install vae_jax[parity]")
    from benchmarks import pytorch_vae

    torch.manual_seed(0)
    twin = pytorch_vae.Twin((16, 16, 3), 6, (4, 8)).eval()
    model, variables = pytorch.from_pytorch(twin.state_dict(), image_shape=(16, 16, 3))
    x = np.random.default_rng(0).uniform(-1, 1, (5, 16, 16, 3)).astype(np.float32)
    vae = model.bind(variables)
    posterior = vae.encode(x)
    eps = (posterior.sample(fold_in_name(key, "z")) - posterior.mean) * jnp.exp(-0.5 * posterior.logvar)
    objective = functools.partial(
        losses.elbo_loss,
        reconstruction=functools.partial(reconstruction.gaussian, sigma=1.0),
        rate=functools.partial(rate.beta, beta=5.4),
    )
    ours, _ = objective(vae, {"image": x}, key)
    theirs = pytorch_vae.loss(twin, torch.from_numpy(x).permute(0, 3, 1, 2), 5.4, torch.from_numpy(np.array(eps)))
    assert float(ours) == pytest.approx(theirs.item(), rel=1e-5)


def test_a_step_moves_the_weights_and_lowers_the_loss():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install vae_jax[parity]")
    from benchmarks import pytorch_vae

    torch.manual_seed(0)
    step = pytorch_vae.make_train_step(pytorch_vae.Twin((8, 8, 1), 3, (4,)), beta=1.0, learning_rate=1e-2)
    images = torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8)
    values = [step(images).item() for _ in range(60)]
    assert np.mean(values[-5:]) < np.mean(values[:5]) - 1
