"""Active units and the verdict on codes whose state is known."""

import numpy as np
import pytest

from vae_jax.evaluation import collapse
from vae_jax.evaluation.encodings import Encodings

X = np.random.default_rng(0).normal(size=(2000, 1))


def test_a_latent_is_active_by_the_variance_of_its_mean():
    variances = collapse.code_variances(np.concatenate([0.2 * X, 0.05 * X, 0.0 * X + 3.0], axis=1))
    np.testing.assert_allclose(variances[0], 0.04, rtol=0.1)
    assert (variances > collapse.ACTIVE).tolist() == [True, False, False]


def encoded(code, kl=None, mode=None):
    return Encodings(np.float32(code), np.float32(code) if mode is None else mode, None, kl, {})


def test_the_section_has_the_kl_by_latent_where_there_is_one():
    kl = np.float32([[1.0, 0.0], [3.0, 0.5]])
    made = collapse.section(encoded(np.concatenate([X, 0 * X], axis=1), kl))
    assert made["kl_per_dimension"] == [2.0, 0.25] and (made["active_units"], made["of"]) == (1, 2)
    without = collapse.section(encoded(X))
    assert made.keys() - without.keys() == {"kl_per_dimension"}


def test_a_kl_by_level_is_kept_beside_the_latents():
    made = collapse.section(encoded(np.concatenate([X, 0 * X], axis=1), np.full((2000, 3), 2.0)))
    assert (
        made["kl_per_dimension"] == [2.0, 2.0, 2.0] and "1 of 2 latents follow the image, 1 is idle" in made["verdict"]
    )


def test_indices_have_no_active_units():
    made = collapse.section(encoded(X, np.full((2000, 1), 2.0), np.zeros((2000, 1), np.int32)))
    assert made == {"no_active_units": collapse.NOT_NUMBERS, "kl_per_dimension": [2.0]}


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
