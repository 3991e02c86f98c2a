"""The CelebA recipes against PyTorch-VAE's own loss and optimiser, in PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from vae_jax.config import build
from vae_jax.configs import celeba
from vae_jax.distributions import kl_divergence, standard_normal
from vae_jax.interop import pytorch
from vae_jax.losses import reconstruction
from vae_jax.models import layers
from vae_jax.training import optimizers, train_state, train_step

NUM_STEPS, BATCH_SIZE, LATENT_DIM, HIDDEN_DIMS = 20, 4, 3, (4, 8)


@pytest.fixture
def double_precision(monkeypatch):
    """Compute in float64 where the code says float32."""
    monkeypatch.setattr(jnp, "float32", jnp.float64)
    monkeypatch.setitem(layers.PRECISIONS, "float32", (jnp.float64, lax.Precision.HIGHEST))
    with jax.enable_x64(True):
        yield


def theirs(twin, images, noise, kld_weight):
    """Return PyTorch-VAE's losses: a mean squared error + kld_weight * KL under torch.optim.Adam."""
    import torch

    adam = torch.optim.Adam(twin.parameters(), lr=5e-3)
    losses = []
    for x, eps in zip(images, noise, strict=True):
        x = torch.from_numpy(x).permute(0, 3, 1, 2)
        mean, logvar = twin.encode(x)
        pred = twin.decode(mean + torch.exp(0.5 * logvar) * torch.from_numpy(eps))
        kl = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1)
        loss = torch.nn.functional.mse_loss(pred, x) + kld_weight * kl.mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return np.array(losses)


def ours(config, variables, images, noise):
    """Return the losses of the recipe's model, weights and optimiser, on PyTorch-VAE's scale."""
    rate = build.make_objective(config, 1000).keywords["rate"]

    def objective(vae, batch, key, step):
        posterior = vae.encode(batch["image"])
        pred = vae.decode(posterior.mean + jnp.exp(0.5 * posterior.logvar) * batch["noise"])
        loss = reconstruction.gaussian(pred, batch["image"]).mean() + rate(
            kl_divergence(posterior, standard_normal(posterior.mean)), step
        )
        return loss, {"loss": loss}

    schedule = optimizers.make_schedule(config, 1000.0, NUM_STEPS)
    tx = optimizers.make_optimizer(config, schedule, {"vae": tuple(variables["params"])})
    step = jax.jit(train_step.make_train_step(build.make_model(config), objective, tx, schedule))
    state = train_state.create_state(variables, tx, jax.random.key(0), ema=False)
    losses = []
    for x, eps in zip(images, noise, strict=True):
        state, metrics = step(state, {"image": x, "noise": eps})
        losses.append(float(metrics["loss"]))
    return np.array(losses) * 2 / (64 * 64 * 3) - np.log(2 * np.pi)


def test_twenty_steps_are_those_of_pytorch_vae(double_precision):
    pytest.importorskip("torch")
    import pytorch_twin

    twin = pytorch_twin.make((64, 64, 3), LATENT_DIM, HIDDEN_DIMS).train()
    _, variables = pytorch.from_pytorch(twin.state_dict(), image_shape=(64, 64, 3))
    variables = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (NUM_STEPS, BATCH_SIZE, 64, 64, 3))
    noise = rng.standard_normal((NUM_STEPS, BATCH_SIZE, LATENT_DIM))

    config = celeba.get_config("readme2020")
    config.model.image_shape, config.model.latent_dim, config.model.hidden_dims = (64, 64, 3), LATENT_DIM, HIDDEN_DIMS
    found, expected = ours(config, variables, images, noise), theirs(twin, images, noise, 8.847e-4)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_kld_weight_beside_a_mean_squared_error_is_a_beta_beside_nats():
    pred, x = np.random.default_rng(0).uniform(size=(2, 4, 8, 6, 3)).astype(np.float32)
    nats = float(reconstruction.gaussian(pred, x).mean()) + celeba.beta_from_kld_weight(2.5e-4, (8, 6, 3)) * 10.0
    expected = np.square(pred - x).mean() + 2.5e-4 * 10.0
    assert (nats - 144 / 2 * np.log(2 * np.pi)) * 2 / 144 == pytest.approx(expected, rel=1e-5)
    assert celeba.beta_from_kld_weight(2.5e-4, (64, 64, 3)) == pytest.approx(1.536)
