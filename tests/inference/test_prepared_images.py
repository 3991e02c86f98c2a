"""Every function of the Python interface shows a model the images that it was trained on."""

import jax
import numpy as np
import pytest

import vae_jax
from vae_jax import models
from vae_jax.data import batches
from vae_jax.inference import codes, sampling
from vae_jax.runs.restore import RestoredRun

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 1)).astype(np.uint8)
BINARY = np.where(IMAGES >= 128, 255, 0).astype(np.uint8)
MODEL = models.VAE((4, 4, 1), 2, (3,), likelihood="bernoulli", norm="none")


@pytest.fixture(scope="module")
def variables():
    return models.init(MODEL, jax.random.key(0))


def made_of(images, model, variables):
    """What each function makes of images."""
    return {
        "encode": vae_jax.encode(model, variables, images).mean,
        "code": sampling.code(model, variables, images),
        "mode_of": sampling.mode_of(model, variables, images),
        "reconstruct": vae_jax.reconstruct(model, variables, images),
        "reconstruct a sample": vae_jax.reconstruct(model, variables, images, jax.random.key(1)),
        "interpolate": vae_jax.interpolate(model, variables, images[:3], images[3:6], 3),
        "training_codes": codes.training_codes(RestoredRun(model, variables, None), images).mean,
        "kl_of_latents": codes.kl_of_latents(model, variables, images),
    }


def test_a_model_of_binary_images_never_sees_grey_ones(variables):
    found = made_of(IMAGES, MODEL.clone(binarize="threshold"), variables)
    expected, grey = made_of(BINARY, MODEL, variables), made_of(IMAGES, MODEL, variables)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
        assert (found[name] != grey[name]).any(), name


@pytest.mark.parametrize("fields", [{"binarize": "dynamic"}, {"dequantize": True}])
def test_an_images_code_does_not_depend_on_its_neighbours(fields, variables):
    model = MODEL.clone(**fields)
    alone = vae_jax.encode(model, variables, IMAGES[:1]).mean
    for others in (IMAGES[:2], IMAGES, np.concatenate([IMAGES[:1], IMAGES[:0:-1]])):
        np.testing.assert_allclose(vae_jax.encode(model, variables, others).mean[:1], alone, rtol=1e-6)
    np.testing.assert_array_equal(
        codes.training_codes(RestoredRun(model, variables, None), IMAGES).mean,
        vae_jax.encode(model, variables, IMAGES).mean,
    )


def test_what_a_dynamic_model_encodes_is_binary(variables):
    seen = []

    def spy(vae, x):
        jax.debug.callback(lambda x: seen.append(np.asarray(x)), x)
        return vae.encode(x).mode()

    sampling.of_images(spy, MODEL.clone(binarize="dynamic"), variables, IMAGES)
    jax.effects_barrier()
    x = np.concatenate(seen)
    assert set(np.unique(x)) == {0.0, 1.0}
    assert batches.make_prepare(MODEL, flip=False)(IMAGES, jax.random.key(0)).max() == 1.0
