"""Active units and the verdict on codes whose state is known."""

import jax
import numpy as np
import pytest

from vae_jax.distributions import Gaussian
from vae_jax.evaluation import collapse

X = np.random.default_rng(0).normal(size=(2000, 1))


def test_a_latent_is_active_by_the_variance_of_its_mean():
    variances = collapse.mean_variances(np.concatenate([0.2 * X, 0.05 * X, 0.0 * X + 3.0], axis=1))
    np.testing.assert_allclose(variances[0], 0.04, rtol=0.1)
    assert (variances > collapse.ACTIVE).tolist() == [True, False, False]


def test_kl_by_dimension_is_the_posteriors_own():
    rng = np.random.default_rng(1)
    mean, logvar = rng.normal(size=(2, 50, 4)).astype(np.float32)
    kl = np.asarray(jax.device_get(Gaussian(mean, logvar).kl())).mean(0)
    np.testing.assert_allclose(collapse.kl_per_dimension(mean, logvar), kl, rtol=1e-5)


@pytest.mark.parametrize(
    ("variances", "kl", "sentence"),
    [
        ([0.0, 0.001], [0.0, 0.1], "Collapsed"),
        ([0.02, 0.0], [0.3, 0.0], "Nearly collapsed: the whole code says 0.30 nats"),
        ([1.0, 0.9, 0.0], [3.0, 2.0, 0.0], "2 of 3 latents follow the image and carry 100.0% of the KL, 1 is idle"),
        ([1.0, 0.9], [3.0, 2.0], "Not collapsed: all 2 latents"),
        ([1.0, 0.0, 0.0], None, "1 of 3 latents follow the image, 2 are idle"),
    ],
)
def test_the_verdict_says_which(variances, kl, sentence):
    said = collapse.verdict(np.array(variances), None if kl is None else np.array(kl))
    assert sentence in said and said.endswith(".")
