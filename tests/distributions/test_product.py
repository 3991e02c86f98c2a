"""Products of independent parts, and the sample with its density, on parts that were tested by themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.distributions.categorical import Categorical, RelaxedCategorical
from vae_jax.distributions.flow import Flow, reverse
from vae_jax.distributions.gaussian import Gaussian
from vae_jax.distributions.kl import kl_divergence
from vae_jax.distributions.product import Product, kl_product_product
from vae_jax.distributions.sampled import sample_and_log_prob

RNG = np.random.default_rng(0)
GAUSSIAN = Gaussian(*jnp.float32(RNG.normal(size=(2, 3, 5))))
CODES = Categorical(jnp.float32(RNG.normal(size=(3, 2, 4))))


@pytest.fixture
def posterior():
    return Product({"styles": GAUSSIAN, "classes": CODES})


def test_density_is_the_sum_of_the_parts(posterior, key):
    z = jax.jit(lambda q, key: q.sample(key, 6))(posterior, key)
    assert z["styles"].shape == (6, 3, 5) and z["classes"].shape == (6, 3, 2, 4)
    expected = GAUSSIAN.log_prob(z["styles"]) + CODES.log_prob(z["classes"])
    np.testing.assert_allclose(jax.jit(Product.log_prob)(posterior, z), expected, rtol=1e-6)
    mode = posterior.mode()
    np.testing.assert_array_equal(mode["styles"], GAUSSIAN.mean)
    np.testing.assert_array_equal(mode["classes"], CODES.mode())


def test_parts_have_streams_of_noise_of_their_own_whatever_stands_beside_them(posterior):
    both = Product({"a": GAUSSIAN, "b": GAUSSIAN}).sample(jax.random.key(0))
    assert np.all(both["a"] != both["b"])
    np.testing.assert_array_equal(Product({"b": GAUSSIAN}).sample(jax.random.key(0))["b"], both["b"])


def kl_by_type(q, p):
    """Gaussians by the table of closed forms; categoricals by enumeration; other pairs have no closed form."""
    if isinstance(q, Categorical):
        log_q, log_p = jax.nn.log_softmax(q.logits), jnp.broadcast_to(jax.nn.log_softmax(p.logits), q.logits.shape)
        return (jnp.exp(log_q) * (log_q - log_p)).sum(-1)
    return kl_divergence(q, p)


def test_kl_puts_the_groups_side_by_side_in_alphabetical_order(posterior):
    prior = Product({"styles": Gaussian(jnp.zeros(5), jnp.zeros(5)), "classes": Categorical(jnp.zeros((2, 4)))})
    kl = kl_product_product(posterior, prior, kl_by_type)
    assert kl.shape == (3, 7)
    np.testing.assert_array_equal(kl[:, :2], kl_by_type(CODES, prior.parts["classes"]))
    np.testing.assert_array_equal(kl[:, 2:], kl_divergence(GAUSSIAN, prior.parts["styles"]))
    rebuilt = jax.tree.map(lambda leaf: leaf, posterior)  # JAX rebuilds a dict in alphabetical order
    np.testing.assert_array_equal(kl_product_product(rebuilt, prior, kl_by_type), kl)


def test_kl_is_absent_if_one_part_has_no_closed_form(posterior):
    prior = Product({"styles": Flow(GAUSSIAN, ()), "classes": CODES})
    assert kl_product_product(posterior, prior, kl_by_type) is None


def test_names_that_differ_are_refused(posterior, key):
    with pytest.raises(ValueError, match=r"\['classes', 'styles'\] does not fit one of \['styles'\]"):
        posterior.log_prob({"styles": GAUSSIAN.mean})
    with pytest.raises(ValueError, match="does not fit"):
        kl_product_product(posterior, Product({"styles": GAUSSIAN}), kl_by_type)


@pytest.mark.parametrize("path", (False, True))
def test_sample_and_log_prob_of_every_kind_is_its_density_at_the_sample(path):
    relaxed = RelaxedCategorical(CODES.logits, jnp.float32(0.8))
    parts = {"codes": relaxed, "plain": GAUSSIAN, "pushed": Flow(GAUSSIAN, (reverse(5),))}

    def both(q):
        return sample_and_log_prob(q, jax.random.key(0), 4, path=path)

    def by_hand(q):
        z, _ = both(q)
        return (jax.lax.stop_gradient(q) if path else q).log_prob(z)

    q = Product(parts)
    z, log_q = jax.jit(both)(q)
    assert log_q.shape == (4, 3) and z["pushed"].shape == (4, 3, 5)
    np.testing.assert_allclose(log_q, jax.jit(by_hand)(q), rtol=1e-3, atol=1e-3)
    got = jax.jit(jax.grad(lambda q: both(q)[1].sum()))(q)
    expected = jax.jit(jax.grad(lambda q: by_hand(q).sum()))(q)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3), got, expected)
