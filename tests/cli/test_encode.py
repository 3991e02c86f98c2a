"""Posteriors, written."""

import numpy as np

import vae_jax
from vae_jax import cli
from vae_jax.cli import options


def test_encode_writes_posteriors_and_labels_of_the_whole_split(workdir):
    cli.run("encode", str(workdir), options.Encode(split="train"))
    model, variables, config = vae_jax.restore(workdir)
    train = vae_jax.data.load_dataset(config.data).train
    with np.load(workdir / "latents.npz") as latents:
        posterior = model.apply(variables, train["image"].astype(np.float32) / 255, method="encode")
        np.testing.assert_allclose(latents["mean"], posterior.mean, atol=1e-5)
        np.testing.assert_allclose(latents["logvar"], posterior.logvar, atol=1e-5)
        np.testing.assert_array_equal(latents["label"], train["label"])
