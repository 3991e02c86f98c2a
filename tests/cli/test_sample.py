"""Samples are the network applied to what was drawn, from the prior or from one that was fitted."""

import jax
import numpy as np
from PIL import Image

import main
import vae_jax
from vae_jax import cli
from vae_jax.cli import options
from vae_jax.inference import fitted_priors, sampling


def test_sampling_is_the_network_applied_to_noise(workdir):
    model, variables, _ = vae_jax.restore(workdir)
    z = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)  # more than one chunk
    images = vae_jax.inference.sampling.decode(model, variables, z)
    pred = np.asarray(model.apply(variables, z, method="decode"))
    np.testing.assert_array_equal(images, np.round(np.clip(pred, 0, 1) * 255).astype(np.uint8))
    frozen = vae_jax.sample(model, variables, jax.random.key(0), 4, temperature=0.0)
    np.testing.assert_array_equal(frozen, vae_jax.inference.sampling.decode(model, variables, np.zeros((4, 3))))


def test_sample_writes_a_picture_and_its_array(workdir, capsys):
    assert main.main(["main.py", "--workdir", str(workdir), "--mode", "sample", "--num", "9"]) == 0
    assert np.load(workdir / "samples.npy").shape == (9, 8, 8, 1)
    assert Image.open(workdir / "samples.png").size == (3 * 66 + 2, 3 * 66 + 2)
    assert "9 images" in capsys.readouterr().out


def test_samples_of_a_fitted_prior_are_drawn_from_the_training_codes(workdir, capsys):
    model, variables, config = vae_jax.restore(workdir)
    codes = vae_jax.encode(model, variables, np.asarray(vae_jax.data.load_dataset(config.data).train["image"]))
    for name in ("aggregate", "mixture:2"):
        cli.run("sample", str(workdir), options.Sample(num=4, prior=name))
        assert "36 training images" in capsys.readouterr().out
        first = np.load(workdir / "samples.npy")
        prior = fitted_priors.fit(name, codes)
        expected = sampling.sample(model, variables, jax.random.key(0), 4, prior=prior)
        np.testing.assert_array_equal(first, expected)
        cli.run("sample", str(workdir), options.Sample(num=4, prior=name))
        assert "from" in capsys.readouterr().out
        np.testing.assert_array_equal(first, np.load(workdir / "samples.npy"))
    assert (workdir / "priors" / "2-mixture-2.npz").exists()


def test_batchnorm_can_be_readjusted_to_what_is_sampled(workdir):
    cli.run("sample", str(workdir), options.Sample(num=4))
    before = np.load(workdir / "samples.npy")
    cli.run("sample", str(workdir), options.Sample(num=4, readjust_bn=True))
    assert (before != np.load(workdir / "samples.npy")).any()


def test_samples_are_shown_beside_the_training_images_nearest_to_them(workdir, capsys):
    cli.run("sample", str(workdir), options.Sample(num=5, nearest=True))
    samples, found = np.load(workdir / "samples.npy"), np.load(workdir / "nearest.npy")
    train = np.asarray(vae_jax.data.load_dataset(vae_jax.restore(workdir).config.data).train["image"])
    distance = np.square(samples[:, None].astype(float) - train[None]).sum((2, 3, 4))
    np.testing.assert_array_equal(found, train[distance.argmin(1)])
    assert "36 training images" in capsys.readouterr().out
