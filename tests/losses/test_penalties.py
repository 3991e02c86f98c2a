"""Penalties against numpy in float64, closed values, and the laws they must vanish for."""

import functools

import jax
import numpy as np
import pytest

from vae_jax import random
from vae_jax.distributions import Delta, Gaussian
from vae_jax.losses import penalties

JITTED = {name: jax.jit(penalty) for name, penalty in penalties.PENALTIES.items()}
KEY_FREE = ("dip_i", "dip_ii")
DISTANCES = {
    "mmd_imq": penalties.mmd_imq,
    "mmd_rbf": penalties.mmd_rbf,
    "sliced_wasserstein": penalties.sliced_wasserstein,
}
SIGNS = np.float32([[1, 1], [1, -1], [-1, 1], [-1, -1]])


def prior_of_std(std, dim):
    return Gaussian(np.zeros(dim, np.float32), np.full(dim, 2.0 * np.log(std), np.float32))


def prior_sample(key, shape):
    """The very draws that a penalty will compare with."""
    return np.asarray(jax.random.normal(random.fold_in_name(key, "prior"), shape))


def normal(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "mean", "logvar", "expected"),
    [
        ("dip_i", SIGNS, 3.0, 0.0),
        ("dip_ii", SIGNS, 0.0, 2.0),
        ("dip_i", np.float32([[1, 1], [-1, -1]]), 0.0, 2.0),
        ("dip_i", 2 * SIGNS, 0.0, 10.0 * 2 * 9),
        ("dip_i", SIGNS + 5, 0.0, 0.0),
    ],
)
def test_dip_measures_a_covariance_from_the_identity(name, mean, logvar, expected, key):
    posterior = Gaussian(mean, np.full_like(mean, logvar))
    assert float(JITTED[name](key, mean, posterior)) == pytest.approx(expected, abs=1e-5)


def test_dip_is_numpys_covariance(key):
    mean, logvar = normal((9, 4)), normal((9, 4), 1)
    covariance = np.cov(mean.astype(np.float64).T, bias=True) + np.diag(np.exp(logvar.astype(np.float64)).mean(0))
    diagonal = np.square(np.diag(covariance) - 1).sum()
    expected = np.square(covariance - np.diag(np.diag(covariance))).sum() + 3.0 * diagonal
    value = penalties.dip_ii(key, mean, Gaussian(mean, logvar), diagonal=3.0)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def numpy_mmd(z, p, kernel):
    square = lambda a, b: np.square(a[:, None] - b[None]).sum(-1)  # noqa: E731
    off = ~np.eye(len(z), dtype=bool)
    return kernel(square(z, z))[off].mean() + kernel(square(p, p))[off].mean() - 2 * kernel(square(z, p)).mean()


@pytest.mark.parametrize("prior_std", [1.0, 2.0])
def test_mmd_is_the_sum_over_pairs(prior_std, key):
    z, prior = normal((11, 3), 1), prior_of_std(prior_std, 3)
    p = prior_std * prior_sample(key, z.shape).astype(np.float64)
    sizes = 2 * 3 * prior_std**2 * np.array([0.1, 0.2, 0.5, 1, 2, 5, 10])
    imq = numpy_mmd(z.astype(np.float64), p, lambda d: (sizes / (sizes + d[..., None])).sum(-1))
    np.testing.assert_allclose(JITTED["mmd_imq"](key, z, None, prior=prior), imq, rtol=2e-4)
    rbf = numpy_mmd(z.astype(np.float64), p, lambda d: np.exp(-d / (2 * 3 * prior_std**2)))
    np.testing.assert_allclose(JITTED["mmd_rbf"](key, z, None, prior=prior), rbf, rtol=2e-4, atol=1e-6)
    narrow = numpy_mmd(z.astype(np.float64), p, lambda d: np.exp(-d / (2 * 0.25)))
    value = JITTED["mmd_rbf"](key, z, None, prior=prior, bandwidth=0.5)
    np.testing.assert_allclose(value, narrow, rtol=2e-4, atol=1e-6)


def test_squared_distances_of_equal_points_far_away_are_not_negative():
    """|a|^2 + |a|^2 - 2 a a is rounding alone, which a kernel's pole would magnify."""
    points = normal((64, 16)) + 300.0
    square = np.asarray(jax.jit(penalties._squared_distances)(points, points))
    assert square.min() == 0.0 and np.diag(square).max() > 0.0


def test_mmd_known_answers():
    ones, zeros = np.ones((2, 1), np.float32), np.zeros((2, 1), np.float32)
    sizes = [2.0 * scale for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10)]
    imq = penalties._mmd(zeros, ones, lambda d: sum(size / (size + d) for size in sizes))
    rbf = penalties._mmd(zeros, ones, lambda d: np.e ** (-d / 2))
    assert float(imq) == pytest.approx(5.4389610, rel=1e-6) and float(rbf) == pytest.approx(0.7869387, rel=1e-6)


@jax.jit
@jax.vmap
def distances(key, z):
    """All of them, from one key, [N] each."""
    return {name: distance(key, z, None) for name, distance in DISTANCES.items()}


def test_distances_vanish_for_the_prior_and_grow_with_a_shift(key):
    noise = normal((100, 64, 8))
    keys = jax.random.split(key, 300).reshape(3, 100)
    null, near, far = (jax.tree.map(np.asarray, distances(keys[i], noise + c)) for i, c in enumerate((0, 0.3, 1)))
    for name in DISTANCES:
        error = null[name].std() / 10
        assert null[name].mean() + 5 * error < near[name].mean() < far[name].mean(), name
        if name != "sliced_wasserstein":  # which of two samples of 64 points is not 0
            assert abs(null[name].mean()) < 5 * error, name
    assert null["sliced_wasserstein"].mean() < 0.12


def test_mmd_of_a_narrow_shifted_law_at_128_latents(key):
    values = distances(jax.random.split(key, 8), 1.0 + 0.3 * normal((8, 64, 128)))
    assert np.mean(values["mmd_imq"]) == pytest.approx(2.51, abs=0.03)
    assert np.mean(values["mmd_rbf"]) == pytest.approx(0.578, abs=0.01)


def test_sliced_wasserstein_is_the_sorted_difference(key):
    z = normal((12, 1), 3)
    p = prior_sample(key, z.shape)
    difference = np.abs(np.sort(z[:, 0]) - np.sort(p[:, 0]))
    np.testing.assert_allclose(JITTED["sliced_wasserstein"](key, z, None), np.square(difference).mean(), rtol=1e-5)
    first = jax.jit(functools.partial(penalties.sliced_wasserstein, exponent=1.0, num_projections=3))(key, z, None)
    np.testing.assert_allclose(first, difference.mean(), rtol=1e-5)
    wide = jax.jit(functools.partial(penalties.sliced_wasserstein, prior=prior_of_std(2.0, 1)))(key, z, None)
    np.testing.assert_allclose(wide, np.square(np.sort(z[:, 0]) - np.sort(2 * p[:, 0])).mean(), rtol=1e-5)


def test_sliced_wasserstein_takes_as_many_directions_as_it_is_told(key):
    """Of a translation, its spread over keys falls as one over their number."""
    z = np.float32([3.0, 0.0, 0.0, 0.0]) + 0.01 * normal((8, 4))

    def spread(num, keys):
        function = functools.partial(penalties.sliced_wasserstein, num_projections=num, prior=prior_of_std(1e-3, 4))
        return np.asarray(jax.jit(jax.vmap(lambda k: function(k, z, None)))(keys)).var()

    few, many = jax.random.split(key, 400).reshape(2, 200)
    assert 0.5 < spread(5, few) / spread(50, many) / 10 < 2.0


def test_sliced_wasserstein_of_a_translation(key):
    same = prior_sample(key, (50, 4))
    function = jax.jit(functools.partial(penalties.sliced_wasserstein, num_projections=1000))
    assert float(function(key, same, None)) == pytest.approx(0.0, abs=1e-6)
    moved = same + np.float32([3, 4, 0, 0])
    assert float(function(key, moved, None)) == pytest.approx(6.25, rel=0.05)
    np.testing.assert_allclose(function(key, moved[::-1], None), function(key, moved, None), rtol=1e-5)


def test_extremes_have_finite_values_and_gradients(key):
    mean = np.float32([[500.0, 0.0], [-500.0, 1e6], [0.0, 0.0], [0.0, 0.0]])
    logvar = np.float32([[-30.0, 30.0], [30.0, -30.0], [0.0, 0.0], [0.0, 0.0]])

    @jax.jit
    def run(key, z, posterior):
        return {
            name: jax.value_and_grad(penalties.PENALTIES[name], argnums=(1, 2))(key, z, posterior)
            for name in (*KEY_FREE, *DISTANCES)
        }

    for name, result in run(key, mean, Gaussian(mean, logvar)).items():
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result)), name


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_take_a_deterministic_code_and_refuse_other_shapes(name, key, without_shape_checks):
    z = normal((6, 2))
    assert jax.eval_shape(penalties.PENALTIES[name], key, z, Delta(z)).shape == ()
    with pytest.raises(ValueError, match=r"\[B, D\]"):
        penalties.PENALTIES[name](key, z[None], None)
    with pytest.raises(ValueError, match="2 or more, not 1"):
        penalties.PENALTIES[name](key, z[:1], None)


def test_an_exponent_below_one_is_refused(key):
    with pytest.raises(ValueError, match="0.5"):
        penalties.sliced_wasserstein(key, normal((6, 2)), None, exponent=0.5)
