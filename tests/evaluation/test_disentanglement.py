"""Every score on codes whose answer is known: perfect, rotated, doubled, noise."""

import itertools

import jax
import numpy as np
import pytest
from scipy import stats
from sklearn import linear_model

from vae_jax.distributions import Gaussian
from vae_jax.evaluation import disentanglement, interventions, matching

RNG = np.random.default_rng(0)
FACTORS = np.array(list(itertools.product(range(4), repeat=2)) * 128)  # 2,048 images, the full grid
NOISE = RNG.normal(size=(len(FACTORS), 2))
F1, F2 = FACTORS.T.astype(float)
PERFECT = np.stack([F1, F2, 0 * F1], axis=1)
DOUBLED = np.stack([F1, F1, F2], axis=1)
ROTATED = np.stack([F1 + F2, F1 - F2], axis=1) / np.sqrt(2.0)


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(interventions, "NUM_TRAIN", 1000)
    monkeypatch.setattr(interventions, "NUM_TEST", 500)
    monkeypatch.setattr(matching, "NUM_TREES", 20)


def mig_of_posteriors(codes, logvar=-10.0):
    posterior = Gaussian(np.float32(codes), np.full(codes.shape, logvar, np.float32))
    return matching.mig_of_posteriors(jax.random.key(0), posterior, FACTORS, 500)


@pytest.mark.parametrize("mig", [lambda codes: matching.mig_of_bins(codes, FACTORS), mig_of_posteriors])
def test_both_definitions_of_mig(mig):
    assert mig(PERFECT) == pytest.approx(1.0, abs=0.01)
    assert mig(DOUBLED) == pytest.approx(0.5, abs=0.02)
    assert mig(ROTATED) < 0.05
    assert mig(NOISE) < 0.05
    # A code that carries two factors passes for none: known of the score.
    assert mig(np.stack([F1 + 4 * F2, 0 * F1], axis=1)) == pytest.approx(1.0, abs=0.02)


def test_mig_of_posteriors_sees_the_posteriors_width():
    """At a width where each image's code says little of its factors, the means alone would still score 1."""
    assert mig_of_posteriors(PERFECT, 4.0) < 0.1
    assert matching.mig_of_bins(PERFECT, FACTORS) == pytest.approx(1.0)


def test_the_information_of_a_posterior_is_that_by_quadrature():
    """I(z; f) of z = f + 0.7 noise, f uniform on 0..3."""
    grid = np.linspace(-8.0, 11.0, 20001)
    given = np.exp(-0.5 * ((grid[:, None] - np.arange(4)) / 0.7) ** 2) / (0.7 * np.sqrt(2 * np.pi))
    mixture = given.mean(1)
    entropy = -(mixture * np.log(mixture)).sum() * (grid[1] - grid[0])
    information = entropy - 0.5 * np.log(2 * np.pi * np.e * 0.49)
    posterior = Gaussian(np.float32(F1[:, None]), np.full((len(F1), 1), 2 * np.log(0.7), np.float32))
    mig = matching.mig_of_posteriors(jax.random.key(1), posterior, FACTORS[:, :1], 2000)
    assert mig == pytest.approx(information / np.log(4), abs=0.02)


def test_dci_of_known_importances():
    assert matching.dci_of_importances(np.eye(3)) == (1.0, 1.0)
    np.testing.assert_allclose(matching.dci_of_importances(np.ones((3, 4))), 0.0, atol=1e-12)
    known = matching.dci_of_importances(np.array([[0.8, 0.2], [0.2, 0.8], [0.0, 0.0]]))
    np.testing.assert_allclose(known, (0.2780719, 0.5445141), atol=1e-6)


def test_dci_of_codes():
    perfect = matching.dci(PERFECT + 0.01 * RNG.normal(size=PERFECT.shape), FACTORS)
    assert min(perfect["disentanglement"], perfect["completeness"], perfect["informativeness"]) > 0.95
    rotated = matching.dci(ROTATED, FACTORS)
    assert rotated["informativeness"] > 0.95 and rotated["disentanglement"] < 0.2 and rotated["completeness"] < 0.2
    doubled = matching.dci(DOUBLED + 0.01 * RNG.normal(size=DOUBLED.shape), FACTORS)
    assert doubled["disentanglement"] > 0.95 and doubled["completeness"] < 0.95
    noise = matching.dci(NOISE, FACTORS)
    assert noise["informativeness"] < 0.35 and noise["disentanglement"] < 0.05


def test_sap_of_numbers():
    assert matching.sap_of_numbers(PERFECT, FACTORS) == pytest.approx(1.0)
    assert matching.sap_of_numbers(DOUBLED, FACTORS) == pytest.approx(0.5)
    assert matching.sap_of_numbers(ROTATED, FACTORS) == pytest.approx(0.0, abs=1e-9)
    assert matching.sap_of_numbers(NOISE, FACTORS) < 0.01


def test_sap_of_classes():
    """Two values each, so that the accuracies are known: 1 of the factor's own code, 1/2 of any other."""
    two = FACTORS % 2
    f1, f2 = two.T.astype(float)
    assert matching.sap_of_classes(np.stack([f1, f2, 0 * f1], axis=1), two) == pytest.approx(0.5, abs=0.03)
    assert matching.sap_of_classes(np.stack([f1, f1, f2], axis=1), two) == pytest.approx(0.25, abs=0.03)
    assert matching.sap_of_classes(np.stack([f1 + f2, f1 - f2], axis=1), two) == pytest.approx(0.0, abs=0.03)
    assert matching.sap_of_classes(NOISE, two) < 0.05
    # The machine's own answer in scikit-learn's words, on codes that overlap: each half is what it learns and is asked.
    overlapping = np.stack([f1, f2], axis=1) + 0.7 * NOISE
    expected = [stats.norm.cdf(0.5 / 0.7) - 0.5] * 2  # the threshold is halfway
    assert matching.sap_of_classes(overlapping, two) == pytest.approx(np.mean(expected), abs=0.04)


def test_sap_of_classes_weighs_rare_values_like_frequent_ones():
    """Unweighted, a code that says nothing would be right nine times in ten."""
    rare = (RNG.random((len(FACTORS), 1)) < 0.1).astype(int)
    codes = np.concatenate([rare + 0.05 * NOISE[:, :1], NOISE[:, 1:]], axis=1)
    assert matching.sap_of_classes(codes, rare) == pytest.approx(0.5, abs=0.1)


def beta_vae_score(codes, factors):
    return interventions.beta_vae_scores(codes, factors)["beta_vae_score"]


@pytest.mark.parametrize("score", [interventions.factor_vae_score, beta_vae_score])
def test_interventions(score):
    assert score(PERFECT, FACTORS) == 1.0
    assert score(DOUBLED, FACTORS) == 1.0
    assert score(NOISE, FACTORS) == pytest.approx(0.5, abs=0.1)
    assert score(ROTATED, FACTORS) == pytest.approx(0.5, abs=0.1)


def test_the_latent_of_least_variance_votes():
    three = np.array(list(itertools.product(range(4), repeat=3)) * 16)
    assert interventions.factor_vae_score(three.astype(float), three) == 1.0
    wide = (FACTORS + 0.3 * NOISE) * np.array([100.0, 1.0])  # of its own variance, not of all units alike
    assert interventions.factor_vae_score(wide, FACTORS) > 0.95


def test_a_dead_code_scores_nothing():
    assert interventions.factor_vae_score(0 * PERFECT, FACTORS) == 0.0
    assert matching.mig_of_bins(0 * PERFECT, FACTORS) == 0.0
    assert matching.sap_of_numbers(0 * PERFECT, FACTORS) == matching.sap_of_classes(0 * PERFECT, FACTORS) == 0.0


def test_draws_share_the_value_they_should():
    fixed, rows = interventions._draw(np.random.default_rng(0), FACTORS, 50, 16)
    for factor, batch in zip(fixed, FACTORS[rows], strict=True):
        assert len(np.unique(batch[:, factor])) == 1 and len(np.unique(batch[:, 1 - factor])) > 1
    fixed, rows = interventions._draw(np.random.default_rng(0), FACTORS, 50, 16, pairs=True)
    for factor, batch in zip(fixed, FACTORS[rows], strict=True):
        assert (batch[::2, factor] == batch[1::2, factor]).all() and len(np.unique(batch[:, factor])) > 1


def test_factors_become_classes():
    columns = [np.tile([7.0, 9.0], 500), np.full(1000, 3.0), np.linspace(0, 1, 1000) ** 3]
    classes = disentanglement.as_classes(np.stack(columns, axis=1))
    assert classes.shape == (1000, 2) and classes[:4, 0].tolist() == [0, 1, 0, 1]
    np.testing.assert_array_equal(np.bincount(classes[:, 1]), np.full(20, 50))
    assert disentanglement.as_classes(np.zeros((5, 2))).shape == (5, 0)


def test_all_scores_of_a_code_and_what_on(monkeypatch):
    monkeypatch.setattr(disentanglement, "NUM_IMAGES", 1500)
    posterior = Gaussian(np.float32(PERFECT), np.full(PERFECT.shape, -10.0, np.float32))
    raw = np.stack([10 * F1, np.zeros(len(F1)), -F2], axis=1)  # a factor that never changes has no score
    key, code = jax.random.key(0), posterior.mean
    made = disentanglement.scores(key, code, posterior, raw)
    assert (made["num_images"], made["values_of_factors"]) == (1500, [4, 4])
    names = ("mig_20_bins", "mig_aggregate_posterior", "factor_vae_score", "beta_vae_score", "sap_r2")
    for value in (*(made[name] for name in names), *made["dci_gradient_boosting"].values()):
        assert value == pytest.approx(1.0, abs=0.01)
    assert made["sap_svm"] > 0.3
    without = disentanglement.scores(key, code, None, raw)
    assert made.keys() ^ without.keys() == {"mig_aggregate_posterior", "no_mig_aggregate_posterior"}
    assert "absent" in disentanglement.scores(key, code, posterior, 0 * raw)
    assert "3 images are too few" in disentanglement.scores(key, code[:3], None, np.array([[0], [0], [1]]))["absent"]


def test_the_two_definitions_of_the_beta_vae_score():
    """The regression on raw inputs is judged by scikit-learn itself, and depends on the scale of the codes."""
    half = np.stack([F1 + 0.5 * F2, F2 + 0.5 * F1], axis=1) + 0.5 * NOISE
    made = {scale: interventions.beta_vae_scores(scale * half, FACTORS) for scale in (1.0, 0.01)}
    assert made[0.01]["beta_vae_score"] == pytest.approx(made[1.0]["beta_vae_score"], abs=0.01)
    assert made[0.01]["beta_vae_score_raw_inputs"] < made[1.0]["beta_vae_score_raw_inputs"] - 0.1

    rng = np.random.default_rng(0)
    (fixed, rows), (test_fixed, test_rows) = (
        interventions._draw(rng, FACTORS, num, 2 * interventions.BATCH, pairs=True) for num in (1000, 500)
    )
    train, test = (np.abs(half[r][:, ::2] - half[r][:, 1::2]).mean(1) / 100 for r in (rows, test_rows))
    expected = linear_model.LogisticRegression(max_iter=200).fit(train, fixed).score(test, test_fixed)
    assert made[0.01]["beta_vae_score_raw_inputs"] == pytest.approx(expected)


def test_which_definition_of_mig_is_larger_depends_on_the_posteriors_width():
    codes = PERFECT + 0.3 * RNG.normal(size=PERFECT.shape)
    bins = matching.mig_of_bins(codes, FACTORS)
    assert mig_of_posteriors(codes, 0.0) < bins - 0.1
    assert mig_of_posteriors(codes, -6.0) > bins - 0.1
