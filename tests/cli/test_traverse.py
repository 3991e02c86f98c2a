"""One latent moves at a time."""

import numpy as np
from PIL import Image

import vae_jax
from vae_jax import cli, distributions
from vae_jax.cli import options, traverse
from vae_jax.inference import codes
from vae_jax.runs import restore


def test_traversals_move_one_latent_at_a_time_the_largest_kl_first(workdir, folder, capsys):
    cli.run("traverse", str(workdir), options.Traverse(input=str(folder)))
    model, variables, config = vae_jax.restore(workdir)
    rows = np.load(workdir / "traversals.npy").reshape(-1, 11, 8, 8, 1)
    images = vae_jax.data.user_images.load_images(str(folder), "none", (8, 8, 1))["image"]
    start = vae_jax.encode(model, variables, images[:1]).mean[0]
    posterior = vae_jax.encode(model, variables, np.asarray(vae_jax.data.load_dataset(config.data).train["image"]))
    mean, var = posterior.mean.astype(float), np.exp(posterior.logvar.astype(float))
    kl = 0.5 * (mean**2 + var - 1 - np.log(var)).mean(0)
    std = np.sqrt(mean.var(0) + var.mean(0))
    order = [latent for latent in np.argsort(-kl) if mean[:, latent].var() > 0.01] or list(np.argsort(-kl))
    assert len(rows) == len(order)
    for row, latent in zip(rows, order, strict=True):
        z = np.tile(start, (11, 1))
        z[:, latent] = mean[:, latent].mean() + std[latent] * np.linspace(-2.5, 2.5, 11)
        expected = vae_jax.inference.sampling.decode(model, variables, z).astype(int)
        assert np.abs(row - expected).max() <= 1
    assert "of 3 latents are active" in capsys.readouterr().out
    with Image.open(workdir / "traversals.gif") as animation:
        assert animation.n_frames > 2


def test_every_active_latent_is_traversed_unless_a_number_is_said(monkeypatch):
    means = np.random.default_rng(0).normal(size=(50, 130)).astype(np.float32)
    use = codes.usage(distributions.Gaussian(means, np.zeros_like(means)), distributions.standard_normal(means[0]))
    found = restore.RestoredRun(None, {}, None)
    monkeypatch.setattr(vae_jax.inference.sampling, "mode_of", lambda *_: means[:1])
    monkeypatch.setattr(vae_jax.inference.sampling, "traverse", lambda model, variables, z, latents, values: values)
    for said, shown in (({}, 130), ({"num": 9}, 9)):
        moved, labels = traverse.rows(found, means, use, options.Traverse(**said).num)
        assert len(moved) == len(labels) == shown
