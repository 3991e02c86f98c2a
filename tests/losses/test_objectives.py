"""The single-sample objectives on the linear-Gaussian model."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import losses, random
from vae_jax.distributions import Delta, kl_divergence, standard_normal
from vae_jax.losses import penalties, rate, reconstruction

LOG_P = -3.6468120
ALL = {
    "tc": functools.partial(penalties.total_correlation, num_data=100),
    "dip": penalties.dip_ii,
    "imq": penalties.mmd_imq,
    "swae": penalties.sliced_wasserstein,
}


@pytest.fixture(scope="module")
def images():
    return {"image": np.random.default_rng(0).normal(size=(6, 1, 1, 3)).astype(np.float32), "label": np.arange(6)}


def kl_of(posterior):
    return kl_divergence(posterior, standard_normal(posterior.mean))


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def grad(function, vae, batch, key, step=0):
    return jax.jit(jax.grad(function, has_aux=True))(vae, batch, key, step)


def test_the_elbo_is_log_p_less_the_gap(exact, inexact, batch, gaussian, key):
    @jax.jit
    def elbos(keys):
        run = lambda vae, key: losses.elbo_loss(vae, batch, key, reconstruction=gaussian)[0]  # noqa: E731
        return -jax.vmap(functools.partial(run, exact))(keys), -jax.vmap(functools.partial(run, inexact))(keys)

    tight, loose = (np.asarray(values) for values in elbos(jax.random.split(key, 20_000)))
    gap = 0.5 * np.sum(np.array([2.0, 0.75]) - 1 - np.log([2.0, 0.75]) + 0.3**2 / 0.2)
    assert tight.mean() == pytest.approx(LOG_P, abs=5 * tight.std() / np.sqrt(20_000))
    assert loose.mean() == pytest.approx(LOG_P - gap, abs=5 * loose.std() / np.sqrt(20_000))


def test_metrics_are_raw_and_the_loss_their_weighted_sum(inexact, images, gaussian, key):
    objective = functools.partial(
        losses.elbo_loss,
        reconstruction=gaussian,
        rate=functools.partial(rate.beta, beta=4.0, warmup_steps=100),
        penalties={"tc": (5.0, ALL["tc"]), "imq": (lambda step: step / 10.0, ALL["imq"])},
    )
    loss, metrics = jax.jit(objective)(inexact, images, key, 50)
    assert set(metrics) == {"loss", "elbo", "distortion", "rate", "kl", "tc", "imq"}

    @jax.jit
    def by_hand(key):
        posterior = inexact.encode(images["image"])
        z = posterior.sample(random.fold_in_name(key, "z"))
        distortion = gaussian(inexact.decode(z), images["image"]).mean()
        return distortion, kl_of(posterior).sum(-1).mean(), ALL["imq"](random.fold_in_name(key, "imq"), z, posterior)

    distortion, kl, imq = (float(value) for value in by_hand(key))
    assert float(metrics["distortion"]) == pytest.approx(distortion, rel=1e-5)
    assert float(metrics["kl"]) == pytest.approx(kl, rel=1e-5)
    assert float(metrics["rate"]) == pytest.approx(kl, rel=1e-5)
    assert float(metrics["elbo"]) == pytest.approx(-distortion - kl, rel=1e-5)
    assert float(metrics["imq"]) == pytest.approx(imq, rel=1e-4)
    total = (
        metrics["distortion"] + 2.0 * metrics["rate"] + 5.0 * metrics["tc"] + 5.0 * metrics["imq"]
    )  # 2 is 4 * 50 / 100
    assert float(loss) == float(metrics["loss"]) == pytest.approx(float(total), rel=1e-5)


def test_eager_is_jitted(inexact, images, gaussian, key):
    objective = functools.partial(losses.elbo_loss, reconstruction=gaussian, penalties={"dip": (2.0, ALL["dip"])})
    eager, jitted = objective(inexact, images, key)[1], jax.jit(objective)(inexact, images, key)[1]
    for name in jitted:
        np.testing.assert_allclose(eager[name], jitted[name], rtol=1e-5)


def test_penalties_of_weight_zero_change_no_bit(inexact, images, gaussian, key):
    plain = functools.partial(losses.elbo_loss, reconstruction=gaussian)
    gradients, metrics = grad(plain, inexact, images, key)
    broken = lambda key, z, posterior: jnp.log(-jnp.square(z).sum())  # noqa: E731
    terms = {name: (0.0, penalty) for name, penalty in {**ALL, "broken": broken}.items()}  # 0 * NaN is NaN
    more, named = grad(functools.partial(plain, penalties=terms), inexact, images, key)
    assert all(named.pop(name) != 0.0 for name in terms) and named.keys() == metrics.keys()
    for metric, value in metrics.items():
        assert value == named[metric], metric
    for ours, theirs in zip(leaves(gradients), leaves(more), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_new_term_changes_no_other_terms_noise(inexact, images, gaussian, key):
    @jax.jit
    def run(key):
        def metrics(**terms):
            return losses.elbo_loss(inexact, images, key, reconstruction=gaussian, penalties=terms)[1]

        imq, swae = (1.0, ALL["imq"]), (3.0, ALL["swae"])
        return metrics(imq=imq), metrics(swae=swae, imq=imq), metrics(mmd=imq)

    one, two, renamed = run(key)
    for name in one.keys() - {"loss"}:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-6)
    assert abs(renamed["mmd"] - one["imq"]) > 1e-3


def test_stl_vanishes_at_the_exact_posterior_and_keeps_values(exact, batch, gaussian, key):
    function = functools.partial(losses.elbo_loss, reconstruction=gaussian)
    plain, metrics = grad(function, exact, batch, key)
    landed, same = grad(functools.partial(function, gradient="stl"), exact, batch, key)
    assert max(np.abs(leaf).max() for leaf in leaves(landed.encoder)) < 2e-6
    assert max(np.abs(leaf).max() for leaf in leaves(plain.encoder)) > 1e-2
    for ours, theirs in zip(leaves(plain.decoder), leaves(landed.decoder), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert all(metrics[name] == same[name] for name in metrics)


def test_stl_has_the_mean_of_the_closed_form_gradient(inexact, batch, gaussian, key):
    def closed(vae):
        posterior = vae.encode(batch["image"])
        error = batch["image"].reshape(-1, 3) - vae.decode(posterior.mean).reshape(-1, 3)
        spread = (jnp.exp(posterior.logvar) * jnp.square(vae.decoder["weight"]).sum(0)[None]).sum(-1)
        return (0.5 / 0.25 * (jnp.square(error).sum(-1) + spread) + kl_of(posterior).sum(-1)).mean()

    @jax.jit
    @jax.vmap
    def stl(key):
        objective = functools.partial(losses.elbo_loss, reconstruction=gaussian, gradient="stl")
        return jax.grad(objective, has_aux=True)(inexact, batch, key)[0]

    draws = stl(jax.random.split(key, 20_000))
    expected = jax.jit(jax.grad(closed))(inexact)
    for ours, theirs in zip(leaves(draws.encoder), leaves(expected.encoder), strict=True):
        assert np.all(np.abs(ours.mean(0) - theirs) < 5 * ours.std(0) / np.sqrt(20_000) + 1e-6)


def test_a_surrogate_has_no_elbo(inexact, images, key):
    objective = functools.partial(losses.elbo_loss, reconstruction=reconstruction.log_cosh)
    _, metrics = jax.eval_shape(objective, inexact, images, key)
    assert set(metrics) == {"loss", "distortion", "rate", "kl"}


@dataclasses.dataclass(frozen=True)
class WithoutNoise:
    """The model with its mean for a code."""

    vae: Any

    def encode(self, x):
        return Delta(self.vae.encode(x).mean)

    def decode(self, z):
        return self.vae.decode(z)


def test_a_deterministic_wae_has_neither_kl_nor_noise_in_its_code(inexact, images, gaussian, key):
    objective = functools.partial(losses.wae_loss, reconstruction=gaussian, penalties={"swae": (10.0, ALL["swae"])})
    loss, metrics = jax.jit(lambda key: objective(WithoutNoise(inexact), images, key))(key)
    assert set(metrics) == {"loss", "distortion", "swae"}
    mean = inexact.encode(images["image"]).mean
    expected = gaussian(inexact.decode(mean), images["image"]).mean()
    assert float(metrics["distortion"]) == pytest.approx(float(expected), rel=1e-6)
    assert float(loss) == pytest.approx(float(metrics["distortion"] + 10.0 * metrics["swae"]), rel=1e-6)


def test_a_gaussian_wae_charges_nothing_for_its_kl(inexact, images, gaussian, key):
    terms = {"imq": (100.0, ALL["imq"])}
    objective = functools.partial(losses.wae_loss, reconstruction=gaussian, penalties=terms)
    loss, metrics = jax.jit(objective)(inexact, images, key)
    assert metrics["rate"] == metrics["kl"] > 0.0 and "elbo" in metrics
    assert float(loss) == pytest.approx(float(metrics["distortion"] + 100.0 * metrics["imq"]), rel=1e-6)
    free = functools.partial(rate.beta, beta=0.0)
    same = functools.partial(losses.elbo_loss, reconstruction=gaussian, rate=free, penalties=terms)
    assert loss == jax.jit(same)(inexact, images, key)[0]


def gradients_of_players(objective, vae, batch, key):
    """The gradient of each player's loss with respect to all parameters, and the metrics."""

    def loss_of(vae, player):
        losses_of, metrics = objective(vae, batch, key)
        return losses_of[player], metrics

    @jax.jit
    def both(vae):
        (ours, metrics), (critics, _) = (jax.grad(loss_of, has_aux=True)(vae, name) for name in ("vae", "critic"))
        return ours, critics, metrics

    return both(vae)


def test_factor_has_a_loss_for_each_player(inexact, images, gaussian, key):
    x = images["image"]

    def vae_term(vae):
        z = vae.encode(x).sample(random.fold_in_name(key, "z"))[:3]
        posterior = jax.tree.map(lambda leaf: leaf[:3], vae.encode(x))
        distortion, kl = gaussian(vae.decode(z), x[:3]).mean(), kl_of(posterior).sum(-1).mean()
        logits = inexact.discriminate(z)
        return distortion + 4.0 * kl + 7.0 * (logits[:, 0] - logits[:, 1]).mean(), -(distortion + kl)

    beta = functools.partial(rate.beta, beta=4.0)
    factor = functools.partial(losses.factor_loss, reconstruction=gaussian, rate=beta, gamma=7.0)
    ours, critics, metrics = gradients_of_players(factor, inexact, images, key)
    expected, elbo = jax.jit(jax.grad(vae_term, has_aux=True))(inexact)
    assert set(metrics) == {"loss", "elbo", "distortion", "rate", "kl", "total_correlation", "critic"}
    for one, other in zip(*(leaves((tree.encoder, tree.decoder)) for tree in (ours, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert float(metrics["elbo"]) == pytest.approx(float(elbo), rel=1e-5)
    free = functools.partial(losses.factor_loss, reconstruction=gaussian, gamma=0.0)
    np.testing.assert_allclose(gradients_of_players(free, inexact, images, key)[1].critic, critics.critic, rtol=1e-5)
    assert np.abs(critics.critic).max() > 0
    total = metrics["distortion"] + 4.0 * metrics["rate"] + 7.0 * metrics["total_correlation"]
    assert float(metrics["loss"]) == pytest.approx(float(total), rel=1e-5)  # the vae's, without the critic's


def test_factors_critic_learns_the_total_correlation(exact, gaussian, key):
    """With the best logits for correlated codes, the term is -ln(1 - rho^2) / 2, and the critic's gradient 0."""
    rho, size = 0.8, 20_000
    # log N(z; 0, [[1, rho], [rho, 1]]) - log N(z; 0, I) is a constant and a quadratic form; features z^2 and z1 z2.
    scale = 1 / (1 - rho**2)

    class Correlated(type(exact)):
        def discriminate(self, z):
            a, b, c = self.critic
            logit = a * jnp.square(z).sum(-1) + b * z[:, 0] * z[:, 1] + c
            return jnp.stack([logit, jnp.zeros_like(logit)], axis=-1)

    jax.tree_util.register_dataclass(Correlated, ["encoder", "decoder", "critic"], [])
    best = jnp.array([0.5 * (1 - scale), rho * scale, 0.5 * np.log(scale)])
    weight = np.float32([[1, rho, 0], [0, np.sqrt(1 - rho**2), 0]]).T @ np.eye(2, dtype=np.float32)
    encoder = {"weight": weight[:, :2], "bias": np.zeros(2, np.float32), "logvar": np.full(2, -20.0, np.float32)}
    encoder["weight"] = np.float32([[1, rho], [0, np.sqrt(1 - rho**2)], [0, 0]])
    vae = Correlated(encoder, exact.decoder, best)
    x = np.random.default_rng(0).normal(size=(size, 1, 1, 3)).astype(np.float32)
    objective = functools.partial(losses.factor_loss, reconstruction=gaussian)
    _, critics, metrics = gradients_of_players(objective, vae, {"image": x}, key)
    assert float(metrics["total_correlation"]) == pytest.approx(0.5108256, abs=0.05)
    assert np.abs(critics.critic).max() < 0.02
    assert metrics["critic"] < np.log(2) - 0.05
    total = metrics["distortion"] + metrics["rate"] + 10.0 * metrics["total_correlation"]
    assert float(metrics["loss"]) == pytest.approx(float(total), rel=1e-5)


def test_factor_permutes_the_second_half_across_images(exact, gaussian, key):
    """Every column keeps its values, and rows do not survive."""
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Spy:
        encode, decode = exact.encode, exact.decode

        def discriminate(self, z):
            seen.append(z)
            return jnp.zeros((z.shape[0], 2))

    @jax.jit
    def run(x, key):
        losses.factor_loss(Spy(), {"image": x}, key, reconstruction=gaussian)
        return tuple(seen)

    x = np.random.default_rng(0).normal(size=(41, 1, 1, 3)).astype(np.float32)
    joint, shuffled = run(x, key)
    assert joint.shape == (20, 2) and shuffled.shape == (21, 2)
    drawn = np.asarray(exact.encode(x).sample(random.fold_in_name(key, "z")))
    z = drawn[20:]
    np.testing.assert_allclose(joint, drawn[:20], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.sort(shuffled, axis=0), np.sort(z, axis=0), rtol=1e-5, atol=1e-6)
    partners = [rows[np.argsort(rows[:, 0]), 1] for rows in (z, np.asarray(shuffled))]  # by the first latent
    assert np.isclose(*partners).sum() < 6


def test_mistakes_are_refused(exact, batch, gaussian, key):
    with pytest.raises(ValueError, match="'path'"):
        losses.elbo_loss(exact, batch, key, reconstruction=gaussian, gradient="path")
    with pytest.raises(ValueError, match=r"\(2, 1, 1, 3\)"):
        losses.elbo_loss(exact, batch, key, reconstruction=lambda pred, x: jnp.square(pred - x))
    with pytest.raises(ValueError, match="critic"):
        terms = {"critic": (1.0, ALL["dip"])}
        losses.factor_loss(exact, batch, key, reconstruction=gaussian, penalties=terms)


def test_extreme_posteriors_have_finite_losses_and_gradients(exact, images, gaussian, key):
    function = functools.partial(losses.elbo_loss, reconstruction=gaussian, penalties={"tc": (1.0, ALL["tc"])})
    gradient = jax.jit(jax.grad(function, has_aux=True))
    for logvar in (-30.0, 30.0):
        encoder = {**exact.encoder, "logvar": np.full(2, logvar, np.float32)}
        gradients, metrics = gradient(dataclasses.replace(exact, encoder=encoder), images, key)
        assert all(np.isfinite(leaf).all() for leaf in [*leaves(gradients), *metrics.values()])
