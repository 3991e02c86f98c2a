"""Importance-weighted bounds on the linear-Gaussian model, whose log p(x) is known; their gradients' claims."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import losses, random
from vae_jax.distributions import standard_normal
from vae_jax.losses import bounds

LOG_P = -3.6468120
FAMILY = {
    "iwae": functools.partial(losses.iwae_loss, num_samples=6),
    "miwae": functools.partial(losses.miwae_loss, num_samples=3, num_groups=2),
    "piwae": functools.partial(losses.piwae_loss, num_samples=3, num_groups=2),
    "ciwae": functools.partial(losses.ciwae_loss, num_samples=6, beta=0.3),
}


def over_keys(function, key, num):
    return jax.jit(jax.vmap(function))(jax.random.split(key, num))


def leaves(tree):
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]


def test_bounds_of_given_weights():
    log_w = np.log(np.float32([[1.0], [3.0]]))
    bound = jax.jit(bounds.importance_bound, static_argnums=1)
    assert float(bound(log_w, 1)[0]) == pytest.approx(0.6931472)
    assert float(bound(log_w, 2)[0]) == pytest.approx(0.5493061)
    assert float(bound(np.float32([[0.0], [-1e4]]), 1)[0]) == pytest.approx(-np.log(2))
    assert float(bound(np.full((6, 1), -3.5, np.float32), 2)[0]) == pytest.approx(-3.5)


def test_the_exact_posterior_makes_every_bound_tight(exact, batch, gaussian, key):
    @jax.jit
    def run(key):
        return {
            (name, gradient): function(exact, batch, key, reconstruction=gaussian, gradient=gradient)
            for name, function in FAMILY.items()
            for gradient in ("standard", "dreg")
        }

    for (name, _), (loss, metrics) in run(key).items():
        assert set(metrics) == {"loss", "elbo", "distortion", "rate", "kl", "iwae"} | ({name} - {"piwae"})
        assert float(loss) == pytest.approx(-LOG_P, abs=2e-6)
        for metric in {"elbo", "iwae", name} & set(metrics):
            assert float(metrics[metric]) == pytest.approx(LOG_P, abs=2e-6)
        assert float(metrics["distortion"] + metrics["rate"]) == pytest.approx(-LOG_P, abs=5e-6)
        assert float(metrics["kl"]) == pytest.approx(0.5 * (0.64 * 0.2 + 2 * (0.2 - 1 - np.log(0.2))), abs=1e-5)


def test_bounds_rise_with_the_samples_and_stay_below_log_p(inexact, batch, gaussian, key):
    def run(key):
        losses_of = [losses.elbo_loss(inexact, batch, key, reconstruction=gaussian)[0]]
        for num in (1, 4, 16, 64):
            losses_of.append(losses.iwae_loss(inexact, batch, key, reconstruction=gaussian, num_samples=num)[0])
        miwae = losses.miwae_loss(inexact, batch, key, reconstruction=gaussian, num_samples=4, num_groups=4)
        ciwae = losses.ciwae_loss(inexact, batch, key, reconstruction=gaussian, num_samples=16, beta=0.5)
        raw = miwae[1]  # whatever is trained, of all 16 samples
        return jnp.stack([*(-loss for loss in losses_of), -miwae[0], -ciwae[0], raw["elbo"], raw["iwae"], raw["miwae"]])

    values = np.asarray(over_keys(run, key, 2000), np.float64)
    elbo, *iwae, miwae, ciwae, raw_elbo, raw_iwae, raw_miwae = values.mean(0)
    error = values.std(0).max() / np.sqrt(2000)
    kl_to_exact = 0.5 * np.sum(np.array([2.0, 0.75]) - 1 - np.log([2.0, 0.75]) + 0.3**2 / 0.2)
    assert elbo == pytest.approx(LOG_P - kl_to_exact, abs=5 * error)
    assert iwae[0] == pytest.approx(elbo, abs=5 * error)
    assert iwae[0] < iwae[1] < iwae[2] < iwae[3] < LOG_P + 5 * error
    assert iwae[3] == pytest.approx(LOG_P, abs=0.04)
    assert miwae == pytest.approx(iwae[1], abs=5 * error)
    assert iwae[0] < ciwae < iwae[2]
    assert raw_elbo == pytest.approx(iwae[0], abs=5 * error) and raw_elbo < iwae[1] - 5 * error
    assert raw_iwae == pytest.approx(iwae[2], abs=5 * error) and raw_miwae == pytest.approx(miwae, rel=1e-6)


def plain_bound(vae, batch, key, gaussian, num_samples, num_groups):
    """The bound as written, left to autodiff."""
    x = jnp.asarray(batch["image"])
    posterior = vae.encode(x)
    z = posterior.sample(random.fold_in_name(key, "z"), num_samples * num_groups)
    pred = vae.decode(z.reshape(-1, 2)).reshape(-1, *x.shape)
    log_w = -gaussian(pred, x) + standard_normal(posterior.mean).log_prob(z) - posterior.log_prob(z)
    grouped = log_w.reshape(num_groups, num_samples, -1)
    return -(jax.nn.logsumexp(grouped, axis=1) - jnp.log(num_samples)).mean()


def test_standard_gradients_are_autodiffs(inexact, batch, gaussian, key):
    @jax.jit
    def gradients(vae):
        plain = {m: jax.grad(plain_bound)(vae, batch, key, gaussian, 6 // m, m) for m in (1, 2, 6)}
        family = {
            name: jax.grad(functools.partial(function, reconstruction=gaussian), has_aux=True)(vae, batch, key)[0]
            for name, function in FAMILY.items()
        }
        return plain, family

    plain, ours = gradients(inexact)
    mixed = jax.tree.map(lambda elbo, iwae: 0.3 * elbo + 0.7 * iwae, plain[6], plain[1])
    expected = {
        "iwae": (plain[1].encoder, plain[1].decoder),
        "miwae": (plain[2].encoder, plain[2].decoder),
        "piwae": (plain[2].encoder, plain[1].decoder),
        "ciwae": (mixed.encoder, mixed.decoder),
    }
    for name, theirs in expected.items():
        for one, other in zip(leaves((ours[name].encoder, ours[name].decoder)), leaves(theirs), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_path_gradients_vanish_at_the_exact_posterior(exact, batch, gaussian, key):
    @jax.jit
    def encoder_gradients(vae):
        def gradient_of(name, gradient):
            objective = functools.partial(FAMILY[name], reconstruction=gaussian, gradient=gradient)
            return jax.grad(objective, has_aux=True)(vae, batch, key)[0].encoder

        return {(name, gradient): gradient_of(name, gradient) for name in FAMILY for gradient in bounds.GRADIENTS}

    for (name, gradient), encoder in encoder_gradients(exact).items():
        largest = max(np.abs(leaf).max() for leaf in leaves(encoder))
        assert largest > 1e-2 if gradient == "standard" else largest < 2e-6, (name, gradient)


def test_dreg_has_the_same_mean_and_less_noise(inexact, batch, gaussian, key):
    def both(key):
        def gradient_of(gradient):
            objective = functools.partial(FAMILY["ciwae"], reconstruction=gaussian, gradient=gradient)
            return jax.grad(objective, has_aux=True)(inexact, batch, key)[0]

        return gradient_of("standard"), gradient_of("dreg")

    standard, dreg = over_keys(both, key, 20_000)
    for plain, doubly in zip(leaves(standard.encoder), leaves(dreg.encoder), strict=True):
        difference = (plain - doubly).reshape(20_000, -1)
        error = difference.std(0) / np.sqrt(20_000)
        assert np.all(np.abs(difference.mean(0)) < 5 * error + 1e-9)
    spread = [sum(leaf.var(0).sum() for leaf in leaves(gradient.encoder)) for gradient in (standard, dreg)]
    assert spread[1] < 0.5 * spread[0]
    for plain, doubly in zip(leaves(standard.decoder), leaves(dreg.decoder), strict=True):
        np.testing.assert_allclose(plain, doubly, rtol=1e-3, atol=1e-4)


def test_the_second_pass_through_the_decoder_is_compiled_away(inexact, batch, gaussian, key):
    class Sine(type(inexact)):
        def decode(self, z):
            return jnp.sin(super().decode(z))

    jax.tree_util.register_dataclass(Sine, ["encoder", "decoder", "critic"], [])
    vae = Sine(inexact.encoder, inexact.decoder, inexact.critic)

    def sines(gradient):
        loss = functools.partial(FAMILY["iwae"], reconstruction=gaussian, gradient=gradient)
        compiled = jax.jit(lambda vae: loss(vae, batch, key)[0]).lower(vae).compile()
        return compiled.as_text().count(" sine(")

    assert sines("dreg") == sines("standard") == 1


def test_surrogates_have_no_bound(inexact, batch, key):
    def mine(pred, x):
        return jnp.square(pred - x[None]).sum((-3, -2, -1))

    for name in ("piwae", "ciwae"):
        function = FAMILY[name]
        _, metrics = jax.eval_shape(functools.partial(function, reconstruction=mine), inexact, batch, key)
        assert not {"elbo", "iwae", name} & set(metrics) and "kl" in metrics


def test_extreme_posteriors_have_finite_losses_and_gradients(exact, batch, gaussian, key):
    function = functools.partial(FAMILY["piwae"], reconstruction=gaussian, gradient="dreg")
    value_and_grad = jax.jit(jax.value_and_grad(lambda vae: function(vae, batch, key)[0]))
    for logvar in (-30.0, 30.0):
        encoder = {**exact.encoder, "logvar": np.full(2, logvar, np.float32)}
        loss, gradient = value_and_grad(dataclasses.replace(exact, encoder=encoder))
        assert np.isfinite(loss) and all(np.isfinite(leaf).all() for leaf in leaves(gradient))


def test_mistakes_are_refused(exact, batch, gaussian, key):
    with pytest.raises(ValueError, match="'dregs'"):
        losses.iwae_loss(exact, batch, key, reconstruction=gaussian, num_samples=2, gradient="dregs")
    per_pixel = lambda pred, x: jnp.square(pred - x[None])  # noqa: E731
    with pytest.raises(ValueError, match=r"\(2, 2, 1, 1, 3\)"):
        losses.iwae_loss(exact, batch, key, reconstruction=per_pixel, num_samples=2)
