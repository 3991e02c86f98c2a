"""A wrong argument from Python gets one error that names the argument."""

import jax
import numpy as np
import pytest

import vae_jax
from vae_jax import errors

IMAGES = np.zeros((2, 8, 8, 1), np.uint8)


@pytest.fixture
def model(workdir):
    found = vae_jax.restore(workdir)
    return found.model, found.variables


@pytest.mark.parametrize("which", [2, "2", np.int64(2), "latest", "best"])
def test_a_checkpoint_is_given_as_a_number_or_as_text(workdir, which):
    assert vae_jax.restore(workdir, which).config.model.latent_dim == 3


@pytest.mark.parametrize("which", [2.0, None, True, -1, "newest", "", ["latest"]])
def test_no_other_checkpoint_is(workdir, which):
    with pytest.raises(errors.UserError, match="which must be 'latest', 'best' or a step, not"):
        vae_jax.restore(workdir, which)


def test_a_step_without_a_checkpoint_is_refused(workdir):
    with pytest.raises(errors.UserError, match="no checkpoint 300"):
        vae_jax.restore(workdir, 300)


@pytest.mark.parametrize("function", [vae_jax.encode, vae_jax.reconstruct])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[:0], "N is 0"),
        ([], "got float"),
        (IMAGES[0], r"got uint8 \(8, 8, 1\); add an axis for one image: x\[None\]"),
        (IMAGES.astype(np.float32), "got float32"),
        (IMAGES.tolist(), "got int64"),
        ([IMAGES[0], IMAGES[0, :4]], "unequal shapes"),
        (None, "got object"),
        ("photo.png", "got <U9"),
    ],
)
def test_images_are_uint8_and_of_the_models_shape(model, function, images, message):
    with pytest.raises(errors.UserError, match=rf"^images: expected uint8 images \[N, 8, 8, 1\], .*{message}"):
        function(*model, images)


def test_a_list_of_images_is_taken_as_an_array(model):
    np.testing.assert_array_equal(vae_jax.reconstruct(*model, list(IMAGES)), vae_jax.reconstruct(*model, IMAGES))


@pytest.mark.parametrize("num", [0, -1, 2.0, None, True, "3"])
def test_num_is_one_or_more(model, num):
    with pytest.raises(errors.UserError, match="^num must be a whole number, 1 or more, not"):
        vae_jax.sample(*model, jax.random.key(0), num)


@pytest.mark.parametrize("temperature", [float("nan"), float("inf"), -1, None, "1", [1.0]])
def test_a_temperature_is_finite_and_not_negative(model, temperature):
    with pytest.raises(ValueError, match="^temperature must be a finite number, 0 or more, not"):
        vae_jax.sample(*model, jax.random.key(0), 2, temperature=temperature)


@pytest.mark.parametrize("key", [0, None, np.zeros(2, np.uint32)])
def test_a_key_is_a_key(model, key):
    with pytest.raises(errors.UserError, match="^key must be one key, such as jax.random.key"):
        vae_jax.sample(*model, key, 2)


def test_the_ends_of_an_interpolation_are_named(model):
    with pytest.raises(errors.UserError, match="^second: expected uint8"):
        vae_jax.interpolate(*model, IMAGES, IMAGES[0])
    with pytest.raises(errors.UserError, match="not 2 and 1 of them"):
        vae_jax.interpolate(*model, IMAGES, IMAGES[:1])
    with pytest.raises(errors.UserError, match="^num_points must be"):
        vae_jax.interpolate(*model, IMAGES, IMAGES, 0)
