import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import errors, models
from vae_jax.config import build, rules
from vae_jax.configs import binarized_mnist

SHAPE = (3, 2, 2)


def perceptrons(image_shape=(28, 28, 1), latent_dim=50, hidden_dims=(200, 200), **fields):
    """The model of the IWAE paper, save for what is said otherwise."""
    return models.VAE(
        image_shape, latent_dim, hidden_dims, **{"tower": "mlp", "norm": "none", "activation": "tanh", **fields}
    )


TINY = perceptrons(SHAPE, 3, (5, 4), likelihood="bernoulli")


def shapes(model):
    return jax.eval_shape(lambda key: models.init(model, key), jax.random.key(0))


@pytest.fixture(scope="module")
def variables():
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(leaf.dtype), shapes(TINY))


def affine(x, layer):
    return x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)


def perceptron(x, layers):
    for index in range(len(layers)):
        x = np.tanh(affine(x, layers[f"hidden_{index}"]["linear"]))
    return x


def test_the_iwae_papers_network_by_its_parameter_count():
    encoder = 784 * 200 + 200 + 200 * 200 + 200 + 2 * (200 * 50 + 50)
    decoder = 50 * 200 + 200 + 200 * 200 + 200 + 200 * 784 + 784
    tree = shapes(perceptrons(likelihood="bernoulli"))
    assert models.num_values(tree["params"]) == encoder + decoder
    assert "batch_stats" not in tree


def test_the_recipe_is_that_network():
    config = binarized_mnist.get_config("mlp")
    with config.unlocked():
        config.model.image_shape = (28, 28, 1)
    rules.validate(config)
    assert build.make_model(config) == perceptrons(likelihood="bernoulli", binarize=config.data.binarize)
    assert build.count_steps(config, 60_000) == 60_000
    papers = binarized_mnist.get_config("iwae2016")
    rules.validate(papers)
    assert build.count_steps(papers, 60_000) == 3_280 * 3_000
    assert papers.model.to_dict() == {**config.model.to_dict(), "image_shape": ()}
    with pytest.raises(errors.UserError, match="mlp"):
        binarized_mnist.get_config("mlpp")


def test_encode_and_decode_are_the_functions_of_the_paper(variables):
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(4, *SHAPE)).astype(np.float32)
    z = rng.normal(size=(4, 3)).astype(np.float32)
    encoder, decoder = variables["params"]["encoder"], variables["params"]["decoder"]

    posterior = TINY.apply(variables, x, method="encode")
    assert decoder["hidden"]["hidden_0"]["linear"]["kernel"].shape == (3, 4)  # widths in reverse
    hidden = perceptron(x.reshape(4, -1).astype(np.float64), encoder["hidden"])
    np.testing.assert_allclose(posterior.mean, affine(hidden, encoder["mean"]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(posterior.logvar, affine(hidden, encoder["logvar"]), rtol=1e-5, atol=1e-6)

    logits = TINY.apply(variables, z, method="decode")
    expected = affine(perceptron(z.astype(np.float64), decoder["hidden"]), decoder["output"]).reshape(4, *SHAPE)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(TINY.picture(logits), 1 / (1 + np.exp(-expected)), rtol=1e-5, atol=1e-6)


def test_weights_start_glorot_uniform_and_biases_at_zero():
    params = models.init(perceptrons((8, 8, 1), 50, (200, 100)), jax.random.key(1))["params"]
    for path, leaf in jax.tree.leaves_with_path(params):
        if path[-1].key == "bias":
            assert not leaf.any()
        else:
            bound = np.sqrt(6 / sum(leaf.shape))
            assert np.abs(leaf).max() <= bound
            np.testing.assert_allclose(leaf.std(), bound / np.sqrt(3), rtol=0.05)


def test_the_output_starts_at_the_mean_image():
    images = np.random.default_rng(2).integers(0, 256, (50, *SHAPE)).astype(np.uint8)
    images[:, 0, 0, 0], images[:, 1, 1, 1] = 0, 255
    fresh = models.init(TINY, jax.random.key(0))
    start = models.set_output_bias(TINY, fresh, images)
    kernel = start["params"]["decoder"]["output"]["kernel"]
    np.testing.assert_array_equal(kernel, fresh["params"]["decoder"]["output"]["kernel"])
    # At z = 0 with zero biases every hidden unit is zero, and the output's bias is all there is.
    picture = TINY.picture(TINY.apply(start, jnp.zeros((1, 3)), method="decode"))[0]
    np.testing.assert_allclose(picture, np.clip(images.mean(0) / 255, 0.001, 0.999), rtol=1e-5)
    other = models.VAE(SHAPE, 3, (2,))
    untouched = {"params": {}}
    assert models.set_output_bias(other, untouched, images) is untouched


@pytest.mark.parametrize(
    ("likelihood", "data_range", "norm", "precision"),
    [("gaussian", (-1, 1), "batch", "float32"), ("discretized_logistic", (-1, 1), "group", "bfloat16")],
)
def test_likelihoods_norms_and_precisions_are_those_of_the_vae(likelihood, data_range, norm, precision):
    model = perceptrons(SHAPE, 3, (8, 4), likelihood=likelihood, data_range=data_range, norm=norm, precision=precision)
    tree = shapes(model)
    assert ("batch_stats" in tree) == (norm == "batch")
    assert {leaf.dtype for leaf in jax.tree.leaves(tree)} == {jnp.dtype("float32")}

    def autoencode(variables, x):
        posterior = model.apply(variables, x, method="encode")
        return posterior, model.picture(model.apply(variables, posterior.mean, method="decode"))

    posterior, picture = jax.eval_shape(autoencode, tree, jnp.zeros((4, *SHAPE)))
    assert posterior.mean.dtype == picture.dtype == jnp.float32
    assert picture.shape == (4, *SHAPE)


def test_wrong_values_are_refused_as_the_vaes_are():
    with pytest.raises(errors.UserError, match="unknown activation"):
        perceptrons(SHAPE, 3, (5,), activation="thanh")
    with pytest.raises(errors.UserError, match="bernoulli likelihood needs pixels"):
        perceptrons(SHAPE, 3, (5,), likelihood="bernoulli", data_range=(-1, 1))
