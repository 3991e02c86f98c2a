"""The training codes, what each latent is used for in them, and the priors kept."""

import functools

import numpy as np
from PIL import Image

import vae_jax
from vae_jax import distributions
from vae_jax.cli import images as cli_images
from vae_jax.cli import options
from vae_jax.inference import codes, stored_priors


def test_usage_of_latents_by_hand():
    mean = np.array([[1.0, 0.0, -3.0], [-1.0, 0.1, 3.0]], np.float32)
    var = np.float32([1e-9, 1.0, 0.5])  # the first is the most certain, the last varies most
    prior = distributions.standard_normal(np.zeros(3, np.float32))
    use = codes.usage(distributions.Gaussian(mean, np.log(np.tile(var, (2, 1)))), prior)
    np.testing.assert_allclose(use.kl, [-0.5 * np.log(1e-9), 0.0025, 0.5 * (9.5 - 1 - np.log(0.5))], 1e-4)
    np.testing.assert_allclose(use.std, np.sqrt([1.0, 1.0025, 9.5]), rtol=1e-6)
    assert use.order.tolist() == [0, 2, 1] and use.active.tolist() == [True, False, True]
    exact = codes.usage(distributions.Delta(mean), prior)
    assert exact.kl is None and exact.order.tolist() == [2, 0, 1]
    np.testing.assert_allclose(exact.std, [1.0, 0.05, 3.0], rtol=1e-6)


def test_training_codes_are_those_the_decoder_was_trained_on(workdir):
    run = vae_jax.restore(workdir)
    images = np.asarray(vae_jax.data.load_dataset(run.config.data).train["image"])
    grey = vae_jax.encode(run.model, run.variables, images)
    binary = run._replace(model=run.model.clone(binarize="threshold"))
    found = codes.training_codes(binary, images)
    expected = vae_jax.encode(run.model, run.variables, np.where(images >= 128, 255, 0).astype(np.uint8))
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.logvar, expected.logvar)
    assert (found.mean != grey.mean).any()
    drawn = run._replace(model=run.model.clone(binarize="dynamic"))
    codes_of_draws = codes.training_codes(drawn, images)
    assert (codes_of_draws.mean != expected.mean).any()
    again = vae_jax.encode(drawn.model, drawn.variables, images)
    np.testing.assert_array_equal(codes_of_draws.mean, again.mean)


def test_a_prior_of_ones_own_images_is_fitted_to_those_of_each_call(workdir, folder, tmp_path):
    run = vae_jax.restore(workdir)
    with run.config.unlocked():
        run.config.data.source = "array"  # of which nothing is kept but the model
    for name in "abc":
        Image.new("L", (8, 8), ord(name)).save(tmp_path / f"{name}.png")
    for source, num in ((folder, 2), (tmp_path, 3)):
        fitted = stored_priors.prior(
            "aggregate",
            2,
            run,
            tmp_path,
            functools.partial(cli_images.training_images, run.config, options.Traverse(input=str(source))),
            print,
        )
        assert len(fitted.components.mean) == num
    assert not (tmp_path / "priors").exists()
